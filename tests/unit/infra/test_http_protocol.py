"""What a client may send to the HTTP server: all that HTTP allows, and nothing without end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from infra.http_protocol import LONGEST_HEAD_BYTES, SLOWEST_BYTES, BoundedHttpProtocol
from infra.http_server import serving
from infra.listening import CannotListen, listen
from tests.patience import PATIENCE_S

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected() -> AsyncIterator[Connection]:
    """To a server that answers with how long the body was, and with the fields that it saw."""
    app = FastAPI()

    @app.post("/measure")
    async def measure(request: Request) -> PlainTextResponse:
        size = len(await request.body())
        return PlainTextResponse(f"{size} {' '.join(request.headers)}")

    with listen("127.0.0.1", 0) as listener:
        async with serving(app, listener):
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            yield reader, writer
            writer.close()


async def answered(reader: asyncio.StreamReader) -> tuple[int, str]:
    async with asyncio.timeout(PATIENCE_S):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        return int(head.split()[1]), (await reader.readexactly(length)).decode()


async def hung_up(reader: asyncio.StreamReader) -> None:
    async with asyncio.timeout(PATIENCE_S):
        try:
            while await reader.read(65_536):
                pass
        except ConnectionResetError:
            # The server had closed with bytes of ours unread.
            return


async def flooded(writer: asyncio.StreamWriter, piece: bytes) -> None:
    """Twice what is allowed, in pieces that arrive apart from each other."""
    try:
        for _ in range(2 * LONGEST_HEAD_BYTES // len(piece) + 1):
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        return


async def test_a_body_of_any_length_is_read_whole() -> None:
    async with connected() as (reader, writer):
        size = 10 * LONGEST_HEAD_BYTES
        writer.write(b"POST /measure HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size)
        assert await answered(reader) == (200, f"{size} host content-length")


async def test_requests_that_come_together_are_answered_in_turn() -> None:
    async with connected() as (reader, writer):
        one = b"POST /measure HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n"
        writer.write(one % 1 + b"x" + one % 2 + b"xx")
        assert await answered(reader) == (200, "1 host content-length")
        assert await answered(reader) == (200, "2 host content-length")


async def test_a_head_without_end_is_refused() -> None:
    async with connected() as (reader, writer):
        writer.write(b"POST /measure HTTP/1.1\r\nhost: a\r\nx-long: ")
        await flooded(writer, b"a" * 4096)
        status, why = await answered(reader)
        assert (status, why) == (400, f"The head of the request has more than {LONGEST_HEAD_BYTES} bytes.")
        await hung_up(reader)


async def test_a_long_head_within_the_bound_is_read() -> None:
    async with connected() as (reader, writer):
        fields = b"".join(b"x-%d: %b\r\n" % (number, b"a" * 1000) for number in range(50))
        writer.write(b"POST /measure HTTP/1.1\r\nhost: a\r\n" + fields + b"content-length: 0\r\n\r\n")
        status, text = await answered(reader)
        assert (status, text.split()[-1]) == (200, "content-length")


async def test_a_trailer_is_no_part_of_the_head_and_has_an_end() -> None:
    async with connected() as (reader, writer):
        head = b"POST /measure HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
        writer.write(head + b"authorization: Bearer late\r\n\r\n")
        assert await answered(reader) == (200, "1 host transfer-encoding")
        writer.write(head + b"x-long: ")
        await flooded(writer, b"a" * 4096)
        await hung_up(reader)


@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"POST /measure HTTP/1.1\r\nhost: a\r\n", id="part-of-a-head"),
        pytest.param(b"POST /measure HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nx", id="part-of-a-body"),
    ],
)
async def test_a_request_that_does_not_come_is_not_waited_for(
    beginning: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedHttpProtocol, "patience_s", 0.1)
    async with connected() as (reader, writer):
        writer.write(beginning)
        status, _ = await answered(reader)
        assert status == 408
        await hung_up(reader)


async def test_a_head_that_drips_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedHttpProtocol, "patience_s", 0.2)
    async with connected() as (reader, writer):
        writer.write(b"POST /measure HTTP/1.1\r\nhost: a\r\nx-slow: ")
        answer = asyncio.create_task(answered(reader))
        while not answer.done():
            writer.write(b"a")
            await asyncio.wait({answer}, timeout=0.05)
        assert (await answer)[0] == 408


async def test_a_long_body_that_keeps_coming_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a time in which the pace is judged several times."""
    monkeypatch.setattr(BoundedHttpProtocol, "patience_s", 1.5)
    async with connected() as (reader, writer):
        pieces = 32
        writer.write(b"POST /measure HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % (pieces * 4 * SLOWEST_BYTES))
        answer = asyncio.create_task(answered(reader))
        for _ in range(pieces):
            writer.write(b"x" * 4 * SLOWEST_BYTES)
            await asyncio.wait({answer}, timeout=0.1)
        assert (await answer) == (200, f"{pieces * 4 * SLOWEST_BYTES} host content-length")


def test_a_host_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(CannotListen, match=r"cannot listen on no\.such\.host\.invalid: .+; give an address of this"):
        listen("no.such.host.invalid", 0)
