"""The embedded runner, over a log in a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from domain.log.position import Position
from domain.processing import DeadLetter
from streams.log.embedded import EmbeddedLog
from streams.processing.dead_letters import DeadLetters
from streams.processing.embedded import EmbeddedRunner
from streams.processing.pipeline import Pipeline
from tests.contracts.runner_contract import NOW, Hosted, Hosting, RunnerContract


@dataclass(frozen=True)
class HostedHere:
    runner: EmbeddedRunner

    async def reached(self, position: Position) -> None:
        await self.runner.reached(position)

    async def retry(self, processor: str, originator_id: str) -> int:
        return await self.runner.retry(processor, originator_id)

    def letters(self) -> list[DeadLetter]:
        return self.runner.dead_letters.list()


class TestEmbeddedRunner(RunnerContract):
    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[EmbeddedLog]:
        numbers = count()
        opened = EmbeddedLog.open(tmp_path / "log.db", clock=lambda: NOW, new_id=lambda: f"made-{next(numbers)}")
        yield opened
        opened.close()

    @pytest.fixture
    def hosting(self, log: EmbeddedLog, tmp_path: Path) -> Hosting:
        @asynccontextmanager
        async def hosted(pipeline: Pipeline) -> AsyncIterator[Hosted]:
            letters = DeadLetters(tmp_path / "letters.db")
            runner = EmbeddedRunner(log, [pipeline], letters, clock=lambda: NOW)
            await runner.start()
            try:
                yield HostedHere(runner)
            finally:
                await runner.stop()
                letters.close()

        return hosted
