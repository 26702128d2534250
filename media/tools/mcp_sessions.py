"""One session with one Model Context Protocol server: opened once, asked many times, given up when it is of no use.

The protocol's library tells of a request only that it was not answered. What a caller has to know is seen one layer
below: whether the server can have begun with a request decides whether it may be sent again.
https://modelcontextprotocol.io/specification/2025-11-25/basic/transports
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from domain.call.events import ToolFailure
from domain.egress import EgressBlocked
from media.egress.client import HttpError, HttpRequest, HttpResponse, HttpTransport, NotConnected

if TYPE_CHECKING:
    from mcp import ClientSession

T = TypeVar("T")

PING_SECONDS: Final = 2.0
"""How long a server that left a request without an answer may take to show that it is there."""
LEAVE_SECONDS: Final = 1.0
"""How long a conversation's end waits for a server to take note of it."""
_LONGEST_MESSAGE: Final = 300
_NOT_FOUND: Final = 404
_FIRST_ERROR: Final = 400


class McpUnavailable(Exception):
    """A server was asked for nothing; the message says why. ``begun``: it may have done what it was asked for."""

    def __init__(self, failure: ToolFailure, message: str, *, begun: bool = True) -> None:
        super().__init__(message)
        self.failure: ToolFailure = failure
        self.begun = begun


@dataclass(slots=True)
class _Sending:
    """What is seen of one request on the wire. ``broken`` is done when no answer can come any more."""

    broken: asyncio.Future[None]
    begun: bool = False
    status: int = 0
    why: str = ""

    def breaks(self, why: str, *, begun: bool) -> None:
        self.begun, self.why = begun, why
        if not self.broken.done():
            self.broken.set_result(None)


_SENDING: ContextVar[_Sending | None] = ContextVar("mcp_sending", default=None)
"""The library carries the context of whoever asks along to where it sends."""


@dataclass(slots=True)
class WatchedTransport(HttpTransport):
    """``inner``, which is guarded, and an eye on the requests that pass.

    ``answers_elsewhere``: answers come over another connection, so that a refusal is all that this one ever says."""

    inner: HttpTransport
    answers_elsewhere: bool = False

    async def handle_async_request(self, request: HttpRequest) -> HttpResponse:
        if request.method == "DELETE":
            # The library says goodbye with the patience of a request, while the end of a call waits for it.
            async with asyncio.timeout(LEAVE_SECONDS):
                return await self.inner.handle_async_request(request)
        sending = _SENDING.get()
        if sending is None or request.method != "POST":
            return await self.inner.handle_async_request(request)
        sending.begun = True
        try:
            response = await self.inner.handle_async_request(request)
        except EgressBlocked as error:
            sending.breaks(str(error), begun=False)
            raise
        except HttpError as error:
            sending.breaks(type(error).__name__, begun=not isinstance(error, NotConnected))
            raise
        sending.status = response.status_code
        # A server that has forgotten a session answers so, and whoever asks has to open another.
        sending.begun = response.status_code != _NOT_FOUND
        if self.answers_elsewhere and response.status_code >= _FIRST_ERROR:
            sending.breaks(f"HTTP status {response.status_code}", begun=sending.begun)
        return response

    async def aclose(self) -> None:
        await self.inner.aclose()


@dataclass(slots=True, eq=False)
class McpSession:
    """``opened`` makes the session, ``group`` owns every task. Begin with ``open``, end with ``leave``."""

    opened: Callable[[], AbstractAsyncContextManager[ClientSession]]
    group: asyncio.TaskGroup
    _ready: asyncio.Future[ClientSession] = field(init=False)
    _task: asyncio.Task[None] = field(init=False)
    _left: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _in_doubt: bool = field(init=False, default=False)

    def open(self) -> McpSession:
        """Begin to connect; the first to ask waits for it."""
        self._ready = asyncio.get_running_loop().create_future()
        self._task = self.group.create_task(self._hold(), name="mcp-session")
        return self

    @property
    def over(self) -> bool:
        """Whether nothing can be asked any more."""
        return self._left.is_set() or self._task.done()

    def leave(self) -> asyncio.Task[None]:
        """End it; what is still asked of it fails. The task is done when the server knows, or will not."""
        self._left.set()
        if not self._ready.done():
            self._fail_to_open(McpUnavailable("unreachable", "The MCP server was given up.", begun=False))
            self._task.cancel()
        return self._task

    async def usable(self, within_s: float) -> bool:
        """Whether it is worth asking: after a request without an answer the server has to show that it is there."""
        if self._in_doubt and not self.over:
            try:
                await self._within(min(PING_SECONDS, within_s / 2), lambda session: session.send_ping())
            except (TimeoutError, McpUnavailable):
                return False
            self._in_doubt = False
        return not self.over

    async def ask(self, send: Callable[[ClientSession], Awaitable[T]], within_s: float) -> T:
        """What ``send`` returns. Raises ``TimeoutError`` after ``within_s`` at the latest, and ``McpUnavailable``."""
        try:
            return await self._within(within_s, send)
        except TimeoutError:
            self._in_doubt = True
            raise

    async def _within(self, seconds: float, send: Callable[[ClientSession], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        async with asyncio.timeout(seconds):
            session = await asyncio.shield(self._ready)
        sending = _Sending(loop.create_future())
        context = copy_context()
        context.run(_SENDING.set, sending)
        asking = self.group.create_task(_result(send, session), name="mcp-request", context=context)
        try:
            await asyncio.wait(
                (asking, sending.broken), timeout=until - loop.time(), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            # The library tells the server that nobody waits any more, which takes as long as the server lets it.
            asking.cancel()
        if asking.done() and not asking.cancelled():
            result = asking.result()
            if isinstance(result, _Raised):
                raise self._unavailable(result.error, sending) from result.error
            return result
        if sending.broken.done():
            raise self._broken(sending)
        raise TimeoutError

    def _unavailable(self, error: Exception, sending: _Sending) -> McpUnavailable:
        from mcp import MCPError
        from mcp_types import CONNECTION_CLOSED, PARSE_ERROR

        if not isinstance(error, MCPError):
            self.leave()
            return McpUnavailable("bad-body", f"The MCP server's answer is not understood ({type(error).__name__}).")
        if error.code == CONNECTION_CLOSED:
            return self._broken(sending)
        message = error.message[:_LONGEST_MESSAGE]
        if sending.status >= _FIRST_ERROR:
            if not sending.begun:
                self.leave()
            status = f"The MCP server answered with HTTP status {sending.status}: {message}"
            return McpUnavailable("http-status", status, begun=sending.begun)
        if error.code == PARSE_ERROR:
            return McpUnavailable("bad-body", "The MCP server's answer is not understood: it is no message of MCP.")
        return McpUnavailable("error", f"The MCP server refused the call: {message}")

    def _broken(self, sending: _Sending) -> McpUnavailable:
        self.leave()
        why = f" ({sending.why})" if sending.why else ""
        if not sending.begun:
            return McpUnavailable("unreachable", f"The MCP server cannot be reached{why}.", begun=False)
        return McpUnavailable("unreachable", f"The MCP server broke off before it answered{why}.")

    async def _hold(self) -> None:
        """Keep the session until it is left. What goes wrong is for who waits for it, never for the group."""
        _SENDING.set(None)
        try:
            async with self.opened() as session:
                if not self._ready.done():
                    self._ready.set_result(session)
                await self._left.wait()
        except asyncio.CancelledError:
            self._fail_to_open(McpUnavailable("unreachable", "The MCP server was given up.", begun=False))
            raise
        except BaseExceptionGroup as errors:
            self._fail_to_open(_first(errors))
        except Exception as error:
            self._fail_to_open(error)

    def _fail_to_open(self, error: BaseException) -> None:
        if self._ready.done():
            return
        if not isinstance(error, McpUnavailable):
            reason = str(error) if isinstance(error, EgressBlocked) else type(error).__name__
            message = f"The MCP server cannot be reached ({reason})."
            error = McpUnavailable("unreachable", message, begun=False)
        self._ready.set_exception(error)
        # Whoever asked may have given up by now.
        self._ready.exception()


@dataclass(frozen=True, slots=True)
class _Raised:
    error: Exception


async def _result(send: Callable[[ClientSession], Awaitable[T]], session: ClientSession) -> T | _Raised:
    """What goes wrong as a value: a request's fault must not end the group that all of them share."""
    try:
        return await send(session)
    except Exception as error:
        return _Raised(error)


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
