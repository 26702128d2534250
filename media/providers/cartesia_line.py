"""One WebSocket to Cartesia that carries the texts of many calls, told apart by context ids.

The SDK connects and authenticates; reading is our own, because its contexts wait for ever when they are cancelled or
the connection drops. https://docs.cartesia.ai/api-reference/tts/websocket
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any, Final

import msgspec
from cartesia.lib._tts import AsyncTTSResourceConnection

from media.providers.cartesia_access import PROVIDER, CartesiaAccess
from media.providers.errors import ProviderError, category_of_status

_MOST_CONTEXTS: Final = 32
"""Texts at once on one connection; more calls open another."""

Message = dict[str, Any]


class Line:
    """An open connection and who waits for what on it."""

    def __init__(self, socket: AsyncTTSResourceConnection, stack: AsyncExitStack, access: CartesiaAccess) -> None:
        self._socket = socket
        self._stack = stack
        self._access = access
        self._contexts: dict[str, asyncio.Queue[Message | ProviderError]] = {}
        self._cancelling: set[asyncio.Task[None]] = set()
        self._reader = asyncio.create_task(self._read())
        self.used = False
        """Something was said on it: the vendor may have closed it since."""

    @property
    def usable(self) -> bool:
        """It is open, and has room for one more text."""
        return not self._reader.done() and len(self._contexts) < _MOST_CONTEXTS

    @property
    def contexts(self) -> int:
        """Texts that are being said."""
        return len(self._contexts)

    async def begin(self, context_id: str, request: Message) -> asyncio.Queue[Message | ProviderError]:
        """Ask for a text; its messages come in the queue, and a ``ProviderError`` where it ends before its time."""
        queue = self._contexts[context_id] = asyncio.Queue()
        try:
            await self._socket.send({**request, "context_id": context_id})  # type: ignore[arg-type]  # a request, built here
        except self._access.sockets.errors as error:
            self._contexts.pop(context_id, None)
            raise self._access.sockets.failure(error, "voice") from error
        return queue

    def end(self, context_id: str, *, cancel: bool) -> None:
        """Nobody waits for the text any more; with ``cancel`` the vendor is told to stop making it."""
        self._contexts.pop(context_id, None)
        if cancel and not self._reader.done():
            task = asyncio.create_task(self._cancel(context_id))
            self._cancelling.add(task)
            task.add_done_callback(self._cancelling.discard)

    async def close(self) -> None:
        """Give up everything on it."""
        self._reader.cancel()
        await asyncio.gather(self._reader, *self._cancelling, return_exceptions=True)
        await self._stack.aclose()

    async def _cancel(self, context_id: str) -> None:
        try:
            await self._socket.send({"context_id": context_id, "cancel": True})
        except self._access.sockets.errors:
            # A connection that broke says nothing more either.
            return

    async def _read(self) -> None:
        failure = ProviderError(PROVIDER, "voice", "failed", "the vendor closed the connection")
        try:
            while True:
                message = msgspec.json.decode(await self._socket.recv_bytes())
                queue = self._contexts.get(str(message.get("context_id")))
                if queue is not None:
                    queue.put_nowait(error_of(message) or message)
        except self._access.sockets.errors as error:
            failure = self._access.sockets.failure(error, "voice")
        except (msgspec.DecodeError, AttributeError, UnicodeDecodeError) as error:
            detail = f"a message that cannot be read ({type(error).__name__})"
            failure = ProviderError(PROVIDER, "voice", "failed", detail)
        finally:
            for queue in self._contexts.values():
                queue.put_nowait(failure)


def error_of(message: Message) -> ProviderError | None:
    """The vendor's own error message, by its status; its words are left out."""
    if message.get("type") != "error":
        return None
    status = message.get("status_code")
    category = category_of_status(status) if isinstance(status, int) and status >= 400 else "failed"
    return ProviderError(PROVIDER, "voice", category, f"reported {str(message.get('error_code') or status)[:60]}")


class Lines:
    """The open connections. Close them after the last call."""

    def __init__(self, access: CartesiaAccess) -> None:
        self._access = access
        self._lines: list[Line] = []
        self._opening: asyncio.Task[Line] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def warm(self) -> None:
        """Open a connection ahead, unless one is there."""
        if self._opening is None and not any(line.usable for line in self._lines):
            task = self._opening = asyncio.create_task(self._open())
            task.add_done_callback(self._opened)

    async def take(self) -> Line:
        """A connection with room. Raises ``ProviderError``."""
        for line in [line for line in self._lines if not line.usable and not line.contexts]:
            self._lines.remove(line)
            task = asyncio.create_task(line.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        usable = [line for line in self._lines if line.usable]
        if usable:
            return min(usable, key=lambda line: line.contexts)
        self.warm()
        assert self._opening is not None, "nothing is usable, so one is being opened"
        return await asyncio.shield(self._opening)

    async def close(self) -> None:
        """After the last call."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        await asyncio.gather(*self._closing, *(line.close() for line in self._lines), return_exceptions=True)
        self._lines.clear()

    async def _open(self) -> Line:
        stack = AsyncExitStack()
        manager = self._access.client.tts.websocket_connect(websocket_connection_options={"compression": None})
        socket = await stack.enter_async_context(self._access.sockets.opened(manager, "voice"))
        line = Line(socket, stack, self._access)
        self._lines.append(line)
        return line

    def _opened(self, task: asyncio.Task[Line]) -> None:
        self._opening = None
        if not task.cancelled():
            # Whoever waits is told of a failure; nobody waits for a connection that was only to be warm.
            task.exception()
