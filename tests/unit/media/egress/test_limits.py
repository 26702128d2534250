"""Servers that send slowly for ever, or headers without end, end no conversation."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from domain.egress import EgressPolicy
from media.egress.client import guarded_client
from media.tools.asking import Question, ask
from media.tools.outcome import Failed
from tests.patience import PATIENCE_S

OK = b"HTTP/1.1 200 OK\r\n"


@asynccontextmanager
async def sending(begin: bytes, again: bytes, pause_s: float) -> AsyncIterator[str]:
    """A server that sends ``again`` for ever after ``begin``; its URL."""
    tasks: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(begin)
            while True:
                writer.write(again)
                await writer.drain()
                await asyncio.sleep(pause_s)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(
    ("begin", "again", "pause_s", "timeout_s", "failure"),
    [
        # Each byte comes in time for a time-out that is counted from the last one.
        pytest.param(OK + b"Content-Length: 900\r\n\r\n", b"x", 0.02, 0.5, "timeout", id="dripping body"),
        pytest.param(OK, b"x", 0.02, 0.5, "timeout", id="dripping header"),
        pytest.param(OK, b"x-more: x\r\n" * 1000, 0.0, PATIENCE_S, "unreachable", id="endless headers"),
    ],
)
async def test_an_answer_that_never_ends_is_given_up(
    begin: bytes, again: bytes, pause_s: float, timeout_s: float, failure: str
) -> None:
    async with (
        sending(begin, again, pause_s) as url,
        guarded_client(EgressPolicy.parse(["127.0.0.0/8"]), timeout_s=PATIENCE_S) as client,
        asyncio.timeout(PATIENCE_S),
    ):
        outcome = await ask(client, Question(method="POST", url=url, timeout_s=timeout_s, body=b"{}"))
    assert isinstance(outcome, Failed)
    assert outcome.failure == failure
