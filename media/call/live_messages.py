"""What a call's server is told as it happens, and once: who speaks, half-heard words, what the model writes.

Such facts are worth nothing late and are too many for the log, from which all other messages are delivered. They leave
in their order, one request at a time; what a slow server cannot keep up with is left out, oldest first.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

import msgspec

from domain.server_messages.access import Outgoing
from domain.server_messages.posting import Posts
from domain.server_messages.selection import selected_type, server_messages
from domain.server_messages.server import Server
from domain.webhook.origin import origin_of
from domain.webhook.signature import endpoint_id, message_id
from media.call.told import Told

KINDS: Final = frozenset(("speech-update", "model-output", "voice-input", "assistant.speechStarted", "transcript"))
"""Those that no event tells of; of transcripts the callers' finals are told from the log."""
MOST_WAITING: Final = 200
LAST_WORDS_S: Final = 2.0
"""How long the end of a call waits for what is still to be sent."""

Find = Callable[[Mapping[str, Any]], Server | None]
"""The server that an assistant's messages go to."""


class LiveMessages:
    """Of one call. ``find`` gives the server of an assistant, ``warn`` takes what a person should know."""

    def __init__(
        self, posts: Posts, find: Find, told: Told, *, org_id: str, about: str, warn: Callable[[str, str], None]
    ) -> None:
        self._posts = posts
        self._find = find
        self._told = told
        self._org_id = org_id
        self._about = about
        self._warn = warn
        self._server: Server | None = None
        self._wanted: frozenset[str] = frozenset()
        self._waiting: asyncio.Queue[tuple[Server, bytes]] = asyncio.Queue()
        self._number = 0
        self._warned: set[str] = set()

    def use(self, assistant: Mapping[str, Any]) -> None:
        """From now on messages go where this assistant has them sent, and those that it asked for."""
        wanted = server_messages(assistant)
        self._server = self._find(assistant) if any(kind.partition("[")[0] in KINDS for kind in wanted) else None
        self._wanted = wanted

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send a message, if it is one of these and was asked for; returns at once."""
        if self._server is None or message["type"] not in KINDS:
            return
        if message.get("role") == "user" and message.get("transcriptType") == "final":
            return
        kind = selected_type(self._wanted, message)
        if kind is None:
            return
        if self._waiting.qsize() >= MOST_WAITING:
            self._waiting.get_nowait()
            self._waiting.task_done()
            self._warn_once("server-messages-left-out", f"more than {MOST_WAITING} waited for a server that is slow")
        body = msgspec.json.encode({"message": {**message, "type": kind, **self._told.encoded()}})
        self._waiting.put_nowait((self._server, body))

    @contextlib.asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Send while the block runs, and what is left for a moment after it."""
        task = asyncio.create_task(self._send_all(), name=f"call-{self._about}-live-messages")
        try:
            yield
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS_S):
                    await self._waiting.join()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            # The call refers to this, and must be freed without the collector.
            self._warn = _nobody

    async def _send_all(self) -> None:
        while True:
            server, body = await self._waiting.get()
            self._number += 1
            endpoint = endpoint_id(self._org_id, origin_of(server.url))
            id = message_id(endpoint, f"{self._about}.live.{self._number}")
            failure = await self._posts.post(self._org_id, server, Outgoing(id=id, about=self._about, body=body))
            self._waiting.task_done()
            if failure:
                self._warn_once("server-message-not-taken", f"a message was not taken and is not repeated: {failure}")

    def _warn_once(self, code: str, detail: str) -> None:
        if code not in self._warned:
            self._warned.add(code)
            self._warn(code, detail)


def _nobody(code: str, detail: str) -> None:
    """Takes what is told after the end."""
