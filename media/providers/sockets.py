"""WebSockets to vendors, opened within a bound and closed without making anybody wait for the other side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, TypeVar

from media.egress.websocket import WebSocketException
from media.providers.errors import Category, ProviderError, Stage, category_of_status, retry_after_s

OPEN_S: Final = 3.0
"""How long a connection may take: a caller is waiting, and the fallback plan wants its turn."""
_CLOSE_S: Final = 0.2
"""How long leaving waits for the other side's close; a side that does not answer is closed behind the scenes."""
_CLOSED_S: Final = 5.0

Socket = TypeVar("Socket")

SOCKET_ERRORS: Final[tuple[type[Exception], ...]] = (WebSocketException, OSError, EOFError, asyncio.IncompleteReadError)
"""What a socket that cannot be opened, breaks or closes raises, besides what a vendor's SDK adds."""


class Sockets:
    """Every socket of one vendor. Close it after the last call."""

    def __init__(self, provider: str, errors: tuple[type[Exception], ...] = ()) -> None:
        """``errors`` are the exceptions of the vendor's SDK that mean that the connection was refused or broke."""
        self._provider = provider
        self.errors: tuple[type[Exception], ...] = (*SOCKET_ERRORS, *errors)
        self._closing: set[asyncio.Task[Any]] = set()

    @asynccontextmanager
    async def opened(self, manager: AbstractAsyncContextManager[Socket], stage: Stage) -> AsyncGenerator[Socket, None]:
        """Enter what the SDK offers as a connection. Raises ``ProviderError`` where it cannot be opened in time."""
        try:
            async with asyncio.timeout(OPEN_S):
                socket = await manager.__aenter__()
        except TimeoutError as error:
            raise ProviderError(self._provider, stage, "timeout", f"no connection within {OPEN_S:g} s") from error
        except self.errors as error:
            raise self.failure(error, stage) from error
        try:
            yield socket
        finally:
            closing = asyncio.create_task(self._close(manager))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            await asyncio.wait({closing}, timeout=_CLOSE_S)

    async def close(self) -> None:
        """Wait for what is being closed, and give up on what does not answer."""
        if self._closing:
            _, pending = await asyncio.wait(set(self._closing), timeout=_CLOSED_S)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    def failure(self, error: Exception, stage: Stage) -> ProviderError:
        """What broke, without the vendor's words: they quote keys, addresses and what was said."""
        status = status_of(error)
        if status is None or status < 400:
            return ProviderError(self._provider, stage, "failed", f"the connection broke ({type(error).__name__})")
        category: Category = category_of_status(status)
        return ProviderError(self._provider, stage, category, f"HTTP {status}", retry_after_s=_retry_after_of(error))

    async def _close(self, manager: AbstractAsyncContextManager[Any]) -> None:
        try:
            await manager.__aexit__(None, None, None)
        except self.errors:
            # It was broken before it was closed: whoever used it has been told.
            return


def _retry_after_of(error: BaseException | None) -> float | None:
    """What the answer said with which a connection was refused; SDKs keep that in themselves or in what they wrap."""
    while error is not None:
        for holder in (getattr(error, "response", None), error):
            headers = getattr(holder, "headers", None)
            if isinstance(headers, Mapping):
                found = retry_after_s({str(name).lower(): str(value) for name, value in headers.items()})
                if found is not None:
                    return found
        error = error.__cause__ or error.__context__
    return None


def status_of(error: Exception) -> int | None:
    """The HTTP status that an exception of a WebSocket library or of an SDK carries."""
    status = getattr(error, "status_code", None)
    if status is None:
        status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None
