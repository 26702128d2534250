"""The Faust runner, over a log on a real broker: the same cases, and what only a shared log can bring."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import faust
import pytest

from domain.call.events import CallRenamed
from domain.log.codec import EventCodec
from domain.log.commit import Commit, Slot
from domain.log.envelope import Record, to_record
from domain.log.position import Position
from domain.processing import DeadLetter
from domain.registry import EVENT_TYPES
from infra.kafka.cluster import DevCluster
from streams.faust.app import quiet_app
from streams.faust.dead_topic import DeadTopic
from streams.faust.runner import FaustRunner
from streams.kafka.clients import producer
from streams.kafka.location import KafkaLocation
from streams.kafka.records import to_record as to_log_record
from streams.kafka.scan import scanned
from streams.kafka.topics import prepare
from streams.log.kafka.log import KafkaLog
from streams.processing.pipeline import Pipeline
from tests.brokers import fresh_topic
from tests.contracts.call_history import append, call_id
from tests.contracts.kafka_nodes import on_broker
from tests.contracts.runner_contract import NOW, Hosted, Hosting, RowFile, RunnerContract, plain_rows, processors


@dataclass(frozen=True)
class HostedOnFaust:
    runner: FaustRunner
    dead: DeadTopic
    app: faust.App

    async def reached(self, position: Position) -> None:
        await self.runner.reached(position)

    async def retry(self, processor: str, originator_id: str) -> int:
        processed = await self.runner.retry(processor, originator_id, 0)
        assert processed is not None
        return processed

    def letters(self) -> list[DeadLetter]:
        return self.dead.list()


@pytest.fixture
def location(kafka_broker: DevCluster) -> KafkaLocation:
    return on_broker(kafka_broker.bootstrap)


class TestFaustRunner(RunnerContract):
    @pytest.fixture
    def log(self, location: KafkaLocation, tmp_path: Path) -> Iterator[KafkaLog]:
        numbers = count()
        identity = prepare(location, replication=1).identity
        opened = KafkaLog.open(
            location, tmp_path / "replica", identity=identity, clock=lambda: NOW, new_id=lambda: f"made-{next(numbers)}"
        )
        yield opened
        opened.close()

    @pytest.fixture
    def hosting(self, log: KafkaLog, location: KafkaLocation, tmp_path: Path) -> Hosting:
        @asynccontextmanager
        async def hosted(pipeline: Pipeline) -> AsyncIterator[Hosted]:
            with closing(DeadTopic.open(location, writer=fresh_topic("writer"))) as dead:

                async def taking_over() -> None:
                    dead.catch_up()

                app = quiet_app(location, "contract", tmp_path / "faust")
                runner = FaustRunner(app, location, pipeline, log, dead, clock=lambda: NOW, taking_over=taking_over)
                await runner.start()
                try:
                    yield HostedOnFaust(runner, dead, app)
                finally:
                    await runner.stop()

        return hosted

    async def test_void_repeated_and_foreign_records_reach_no_processor(
        self, log: KafkaLog, location: KafkaLocation, hosting: Hosting, tmp_path: Path
    ) -> None:
        last = await append(log, range(3))
        accepted = _records(location)
        stale = Commit(
            commit_id="a-zombie",
            slots=(Slot(call_id(0), 2), Slot(call_id(0), 3)),
            topics=(CallRenamed.TYPE, CallRenamed.TYPE),
            bodies=tuple(
                EventCodec(EVENT_TYPES).encode(CallRenamed(name="void"), id=f"a-zombie.{index}", time=NOW)
                for index in range(2)
            ),
        )
        with closing(producer(location)) as writing:
            for record in (*accepted, to_record(stale), Record((("v", b"1"),), b"garbage")):
                writing.send(location.topic("log"), record.value, None, list(record.headers), 0).get(60)
        sink = RowFile(tmp_path / "rows.db")
        async with hosting(Pipeline("contract", processors(), sink)) as hosted:
            await hosted.reached(last)
            await hosted.reached(await append(log, range(3, 5)))
        assert log.position_at(0, len(accepted) * 2 + 1, 60) == last
        assert sink.rows() == await plain_rows(tmp_path, range(3), range(3, 5))

    async def test_that_faust_ended_by_itself_does_not_go_unnoticed(self, hosting: Hosting, tmp_path: Path) -> None:
        async with hosting(Pipeline("contract", processors(), RowFile(tmp_path / "rows.db"))) as hosted:
            assert isinstance(hosted, HostedOnFaust)
            await hosted.app.crash(RuntimeError("no broker any more"))
            with pytest.raises(RuntimeError, match="no broker any more"):
                await asyncio.wait_for(asyncio.shield(hosted.runner.failed), 60)


def _records(location: KafkaLocation) -> list[Record]:
    with scanned(location, "log", 0) as records:
        return [to_log_record(record) for record in records]
