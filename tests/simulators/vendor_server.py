"""What every simulated vendor has: a real server on loopback, keys it accepts, faults in the order they happen.

    async with DeepgramServer(["hello there"], faults=[Refuse(401)]) as server:
        settings = ProviderSettings({"deepgram": VendorAccess(KEY, server.base_url)})

Each connection (or request) takes the next fault of the script; without one it is served as it should be. Nothing
waits for a clock: what is late is held until ``server.release`` is set.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from aiohttp import WSMsgType, web

KEY = "sk-simulated-secret"


@dataclass(frozen=True)
class Refuse:
    """Answer the request, or the upgrade, with an error status."""

    status: int
    retry_after: int | None = None


@dataclass(frozen=True)
class Reset:
    """Cut the connection without a word after so many of our messages."""

    after: int = 1


@dataclass(frozen=True)
class HangUp:
    """Close properly, but too early: after so many of our messages."""

    after: int = 1


@dataclass(frozen=True)
class Garbage:
    """Send what is no message of the protocol as the first one."""

    text: str = "{not json"


@dataclass(frozen=True)
class HalfOpen:
    """Take everything, answer nothing, close nothing."""


@dataclass(frozen=True)
class Hold:
    """Be slow: after so many of our messages wait until ``release`` is set."""

    after: int = 0


Fault = Refuse | Reset | HangUp | Garbage | HalfOpen | Hold | None


class Cut(Exception):
    """The script ends this connection here."""


class VendorServer:
    """Subclasses name their routes in ``routes``."""

    scheme = "Bearer"
    key_header = "authorization"
    content_type = "text/event-stream"

    def __init__(self, *, faults: Sequence[Fault] = ()) -> None:
        self.faults = list(faults)
        self.connections = 0
        self.queries: list[dict[str, list[str]]] = []
        self.received: list[dict[str, Any]] = []
        """Every decoded text message or request body."""
        self.audio_bytes = 0
        self.open = 0
        self.callers: set[Any] = set()
        self.release = asyncio.Event()
        self._changed = asyncio.Condition()
        self._wires: set[Wire] = set()

    def routes(self) -> list[web.RouteDef]:
        raise NotImplementedError

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> VendorServer:
        application = web.Application()
        application.add_routes(self.routes())
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = int(self._runner.addresses[0][1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release.set()
        for wire in set(self._wires):
            wire.abort()
        await self._runner.cleanup()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something the server saw makes the condition true."""
        async with asyncio.timeout(60), self._changed:  # long, for busy machines
            await self._changed.wait_for(condition)

    async def note(self) -> None:
        """Something was seen."""
        async with self._changed:
            self._changed.notify_all()

    def next_fault(self) -> Fault:
        return self.faults.pop(0) if self.faults else None

    async def socket(self, request: web.Request, serve: Callable[[Wire], Awaitable[None]]) -> web.StreamResponse:
        """One WebSocket connection, as the script has it."""
        fault = self.next_fault()
        self.connections += 1
        self.queries.append({name: request.query.getall(name) for name in request.query})
        refusal = self.refusal(request, fault)
        await self.note()
        if refusal is not None:
            return refusal
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        self.open += 1
        await self.note()
        wire = Wire(self, request, socket, fault)
        self._wires.add(wire)
        try:
            if isinstance(fault, Garbage):
                await socket.send_str(fault.text)
            await serve(wire)
        except (Cut, ConnectionError):
            pass
        finally:
            self.open -= 1
            self._wires.discard(wire)
            await wire.cancel_jobs()
            await asyncio.shield(self.note())
        return socket

    async def events(self, request: web.Request, events: Callable[[Any], Sequence[bytes]]) -> web.StreamResponse:
        """One request with a JSON body, answered by these pieces of a stream, as the script has it."""
        fault = self.next_fault()
        body = await request.json()
        self.received.append(body)
        self.callers.add(request.transport.get_extra_info("peername") if request.transport else None)
        self.connections = len(self.callers)
        await self.note()
        if (refusal := self.refusal(request, fault)) is not None:
            return refusal
        response = web.StreamResponse(headers={"content-type": self.content_type})
        self.open += 1
        try:
            if isinstance(fault, HalfOpen):
                await self.release.wait()
            await response.prepare(request)
            if isinstance(fault, Garbage):
                await response.write(b"event: x\ndata: " + fault.text.encode() + b"\n\n")
            for number, piece in enumerate(events(body)):
                match fault:
                    case Reset(after=after) if number >= after:
                        if request.transport is not None:
                            request.transport.abort()
                        return response
                    case HangUp(after=after) if number >= after:
                        return response
                    case Hold(after=after) if number >= after:
                        await self.release.wait()
                await response.write(piece)
        finally:
            self.open -= 1
            await asyncio.shield(self.note())
        return response

    def refusal(self, request: web.Request, fault: Fault) -> web.Response | None:
        """The answer to a wrong key or to what the script refuses; ``None`` where the request is served."""
        given = request.headers.get(self.key_header, "")
        if given.removeprefix(self.scheme).strip() != KEY:
            return web.Response(status=401, text=f"no such key {given}")
        if isinstance(fault, Refuse):
            headers = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
            return web.json_response({"error": {"message": f"refused {KEY}"}}, status=fault.status, headers=headers)
        return None


class Wire:
    """One connection from the vendor's side."""

    def __init__(self, server: VendorServer, request: web.Request, socket: web.WebSocketResponse, fault: Fault) -> None:
        self.server = server
        self.query = request.query
        self._request = request
        self._socket = socket
        self._fault = fault
        self._taken = 0
        self._jobs: set[asyncio.Task[None]] = set()

    async def messages(self) -> Any:
        """What the client sends: audio as bytes, the rest decoded. Faults happen in between."""
        async for message in self._socket:
            if message.type is WSMsgType.BINARY:
                self.server.audio_bytes += len(message.data)
                content: Any = message.data
            elif message.type is WSMsgType.TEXT:
                content = json.loads(message.data)
                self.server.received.append(content)
            else:
                continue
            await self.server.note()
            self._taken += 1
            await self._misbehave()
            if not isinstance(self._fault, HalfOpen):
                yield content

    async def send(self, message: dict[str, Any]) -> None:
        await self._socket.send_str(json.dumps(message))

    async def send_audio(self, pcm: bytes) -> None:
        await self._socket.send_bytes(pcm)

    async def close(self, code: int = 1000) -> None:
        await self._socket.close(code=code)

    def job(self, work: Any) -> asyncio.Task[None]:
        """Something that goes on beside reading, until the connection ends."""
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)
        return task

    async def cancel_jobs(self) -> None:
        jobs = list(self._jobs)
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)

    def abort(self) -> None:
        transport = self._request.transport
        if transport is not None:
            transport.abort()

    async def _misbehave(self) -> None:
        match self._fault:
            case Reset(after=after) if self._taken >= after:
                self.abort()
                raise Cut
            case HangUp(after=after) if self._taken >= after:
                await self.close()
                raise Cut
            case Hold(after=after) if self._taken > after:
                await self.server.release.wait()
