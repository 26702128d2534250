"""A stand-in for an OpenAI-compatible service: a real HTTP server on loopback that speaks what it is scripted to.

    async with OpenAiServer(Say("Hello."), Status(429, "rate_limit_exceeded")) as server:
        client = AsyncOpenAI(api_key="test", base_url=server.base_url)

Each request takes the next answer of the script; the last one repeats. ``server.requests`` keeps what was received.
``server.asked`` is set when the first one has come. Nothing waits for a clock: an answer that must be late is held
until ``server.release`` is set.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Say:
    """Stream ``text`` word by word. ``usage`` is sent when the request asks for it."""

    text: str
    usage: tuple[int, int, int] = (12, 7, 0)
    legacy_function_call: tuple[str, str] | None = None


@dataclass(frozen=True)
class CallTools:
    """Stream tool calls (name, JSON arguments) in fragments, interleaved by index."""

    calls: tuple[tuple[str, str], ...]
    text: str = ""


@dataclass(frozen=True)
class Whole:
    """Ignore ``stream`` and answer with one JSON object."""

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Status:
    """An error answer with OpenAI's error body."""

    status: int
    code: str = "error"
    message: str = "the request failed for sk-secret-key"


@dataclass(frozen=True)
class Drop:
    """Stream ``text``, then cut the connection (``abruptly``) or end the stream without finishing the answer."""

    text: str
    abruptly: bool = True


@dataclass(frozen=True)
class Hold:
    """Send nothing (``after`` words) until ``server.release`` is set or the client goes, then end normally."""

    after: str = ""
    headers: bool = True


@dataclass(frozen=True)
class Raw:
    """Exactly these bytes as the body."""

    body: bytes
    content_type: str = "text/event-stream"


@dataclass(frozen=True)
class ErrorEvent:
    """A stream that says a word and then reports an error in an event."""

    code: str = "server_error"


Answer = Say | CallTools | Whole | Status | Drop | Hold | Raw | ErrorEvent


@dataclass(frozen=True)
class Received:
    """One request: path, headers (lower-case names) and decoded body."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class OpenAiServer:
    """The server; use it as an async context manager."""

    script: tuple[Answer, ...]
    requests: list[Received] = field(default_factory=list)
    port: int = 0

    def __init__(self, *script: Answer) -> None:
        self.script = script
        self.requests = []
        self.release = asyncio.Event()
        self.client_gone = asyncio.Event()
        self.asked = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> OpenAiServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            self.client_gone.set()  # cancelled only by __aexit__
        finally:
            self._connections.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request_line, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = json.loads(await reader.readexactly(int(headers.get("content-length", "0"))) or b"{}")
        answer = self.script[min(len(self.requests), len(self.script) - 1)]
        self.requests.append(Received(request_line.split(" ")[1], headers, body))
        self.asked.set()
        return await self._answer(answer, body, reader, writer)

    async def _answer(
        self, answer: Answer, body: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        match answer:
            case Status():
                error = {"error": {"message": answer.message, "type": "error", "param": None, "code": answer.code}}
                _plain(writer, answer.status, "application/json", json.dumps(error).encode())
            case Whole():
                _plain(writer, 200, "application/json", json.dumps(_completion(answer, body)).encode())
            case Raw():
                _plain(writer, 200, answer.content_type, answer.body)
            case Hold():
                if answer.headers:
                    _start(writer)
                    _words(writer, answer.after)
                await writer.drain()
                await self._held(reader)
                if not answer.headers:
                    _start(writer)
                _finish(writer, body, (1, 1, 0))
            case Drop():
                _start(writer)
                _words(writer, answer.text)
                await writer.drain()
                if not answer.abruptly:
                    _chunk(writer, b"data: [DONE]\n\n")
                    _chunk(writer, b"")
                else:
                    writer.transport.abort()
                    return False
            case ErrorEvent():
                _start(writer)
                _words(writer, "One ")
                _event(writer, {"error": {"message": "it broke", "type": "server_error", "code": answer.code}})
                _chunk(writer, b"")
            case CallTools():
                _start(writer)
                _words(writer, answer.text)
                _tool_fragments(writer, answer.calls)
                _finish(writer, body, (20, 9, 0), reason="tool_calls")
            case Say():
                _start(writer)
                _words(writer, answer.text)
                if answer.legacy_function_call is not None:
                    name, arguments = answer.legacy_function_call
                    _delta(writer, {"function_call": {"name": name, "arguments": arguments}})
                _finish(writer, body, answer.usage)
        await writer.drain()
        return True

    async def _held(self, reader: asyncio.StreamReader) -> None:
        released = asyncio.ensure_future(self.release.wait())
        gone = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({released, gone}, return_when=asyncio.FIRST_COMPLETED)
            if gone.done() and not gone.result():
                raise ConnectionResetError("the client closed the connection")
        finally:
            for task in (released, gone):
                task.cancel()
            await asyncio.gather(released, gone, return_exceptions=True)


def _plain(writer: asyncio.StreamWriter, status: int, content_type: str, body: bytes) -> None:
    writer.write(
        f"HTTP/1.1 {status} Scripted\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        + body
    )


def _start(writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
    )


def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


def _event(writer: asyncio.StreamWriter, payload: dict[str, Any]) -> None:
    _chunk(writer, b"data: " + json.dumps(payload).encode() + b"\n\n")


def _delta(writer: asyncio.StreamWriter, delta: dict[str, Any], reason: str | None = None) -> None:
    choices = [{"index": 0, "delta": delta, "finish_reason": reason}]
    _event(writer, {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices})


def _words(writer: asyncio.StreamWriter, text: str) -> None:
    for word in text.split(" ") if text else ():
        _delta(writer, {"role": "assistant", "content": f"{word} "})


def _tool_fragments(writer: asyncio.StreamWriter, calls: tuple[tuple[str, str], ...]) -> None:
    for index, (name, _) in enumerate(calls):
        opening = {
            "index": index,
            "id": f"call_{index}",
            "type": "function",
            "function": {"name": name, "arguments": ""},
        }
        _delta(writer, {"tool_calls": [opening]})
    for at in range(0, max((len(arguments) for _, arguments in calls), default=0), 5):
        for index, (_, arguments) in enumerate(calls):
            if piece := arguments[at : at + 5]:
                _delta(writer, {"tool_calls": [{"index": index, "function": {"arguments": piece}}]})


def _finish(
    writer: asyncio.StreamWriter, body: dict[str, Any], usage: tuple[int, int, int], reason: str = "stop"
) -> None:
    _delta(writer, {}, reason)
    if (body.get("stream_options") or {}).get("include_usage"):
        prompt, completion, cached = usage
        counted = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": cached},
        }
        _event(
            writer,
            {
                "id": "c1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": "m",
                "choices": [],
                "usage": counted,
            },
        )
    _chunk(writer, b"data: [DONE]\n\n")
    _chunk(writer, b"")


def _completion(answer: Whole, body: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None}
    if answer.calls:
        message["tool_calls"] = [
            {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for index, (name, arguments) in enumerate(answer.calls)
        ]
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": body.get("model", "m"),
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
    }
