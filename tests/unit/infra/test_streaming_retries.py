"""Requests to try held events again, where this process works on the originator's shard."""

from __future__ import annotations

import asyncio
import builtins
from dataclasses import dataclass, field

import pytest

import infra.streaming
from domain.log.ports import LogUnavailable
from domain.log.position import Position
from domain.processing import DeadLetter, RunnerStopped, SinkUnavailable
from infra.streaming import carrying_out
from streams.faust.dead_topic import RetryRequest
from tests.patience import PATIENCE_S

REQUEST = RetryRequest("figures", "call-1", "request-1")
LETTER = DeadLetter(processor="figures", originator_id="call-1", position=Position(3, 7), reason="why", attempt=1)


@dataclass
class Letters:
    """One held event, and one request to try it again."""

    waiting: list[RetryRequest] = field(default_factory=lambda: [REQUEST])
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def requests(self) -> list[RetryRequest]:
        return list(self.waiting)

    def list(self, processor: str | None = None, originator_id: str | None = None) -> builtins.list[DeadLetter]:
        return [LETTER] if (processor, originator_id) == (LETTER.processor, LETTER.originator_id) else []

    def retried(self, request: RetryRequest) -> None:
        self.waiting.remove(request)
        self._loop.call_soon_threadsafe(self.done.set)


@dataclass
class Failing:
    """A runner that cannot do it at first."""

    failures: list[Exception]
    asked: list[tuple[str, str, int]] = field(default_factory=list)

    @property
    def failed(self) -> asyncio.Future[None]:
        raise NotImplementedError

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def retry(self, processor: str, originator_id: str, place: int) -> int | None:
        self.asked.append((processor, originator_id, place))
        if self.failures:
            raise self.failures.pop()
        return 1


async def test_a_request_that_cannot_be_carried_out_now_is_carried_out_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(infra.streaming, "RETRY_SECONDS", 0.0)
    letters, asked = Letters(), asyncio.Event()
    runner = Failing([LogUnavailable("away"), SinkUnavailable("no broker answers"), RunnerStopped("taken over")])
    working = asyncio.create_task(carrying_out([runner], letters, asked))
    asked.set()
    try:
        await asyncio.wait_for(letters.done.wait(), PATIENCE_S)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    assert runner.asked == [("figures", "call-1", 3)] * 4
    assert letters.waiting == []
