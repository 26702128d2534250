"""Runners of fragments: the embedded one over a file, and Faust over a real broker, by the same cases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from domain.processing import DeadLetter
from infra.kafka.cluster import DevCluster
from streams.faust.app import quiet_app
from streams.faust.dead_topic import DeadTopic
from streams.faust.fragments import FaustFragments
from streams.kafka.location import KafkaLocation
from streams.kafka.topics import prepare
from streams.media_log.embedded import EmbeddedFragmentLog
from streams.media_log.kafka import KafkaFragmentLog
from streams.processing.dead_letters import DeadLetters
from streams.processing.feeding import FragmentFollower
from streams.processing.fragments import FragmentPipeline
from tests.brokers import fresh_topic
from tests.contracts.fragment_runner_contract import (
    START,
    FragmentRunnerContract,
    Fragments,
    HostedFragments,
    HostingFragments,
)
from tests.contracts.kafka_nodes import on_broker
from tests.contracts.runner_contract import RowFile

SECONDS = 60.0
"""Long, for busy machines."""


@dataclass(frozen=True)
class FollowedHere:
    follower: FragmentFollower

    async def reached(self, partition: int, number: int) -> None:
        assert await asyncio.to_thread(self.follower.reached, partition, number, SECONDS)

    async def retry(self, processor: str, call_id: str) -> int:
        return await self.follower.retry(processor, call_id)

    def letters(self) -> list[DeadLetter]:
        return self.follower.dead_letters.list()


class TestEmbeddedFragmentRunner(FragmentRunnerContract):
    @pytest.fixture
    def fragments(self, tmp_path: Path) -> Iterator[Fragments]:
        opened = EmbeddedFragmentLog(tmp_path / "media.db")
        yield opened
        opened.close()

    @pytest.fixture
    def hosting(self, fragments: Fragments, tmp_path: Path) -> HostingFragments:
        @asynccontextmanager
        async def hosted(pipeline: FragmentPipeline) -> AsyncIterator[HostedFragments]:
            letters = DeadLetters(tmp_path / "letters.db")
            follower = FragmentFollower(fragments, pipeline, letters, clock=lambda: START + timedelta(minutes=9))
            follower.start()
            try:
                yield FollowedHere(follower)
            finally:
                await asyncio.to_thread(follower.stop)
                letters.close()

        return hosted


@dataclass(frozen=True)
class FollowedOnFaust:
    runner: FaustFragments
    dead: DeadTopic

    async def reached(self, partition: int, number: int) -> None:
        async with asyncio.timeout(SECONDS):
            await self.runner.reached(partition, number)

    async def retry(self, processor: str, call_id: str) -> int:
        held = self.dead.list(processor, call_id)
        processed = await self.runner.retry(processor, call_id, held[0].position.shard)
        assert processed is not None
        return processed

    def letters(self) -> list[DeadLetter]:
        return self.dead.list()


class TestFaustFragmentRunner(FragmentRunnerContract):
    @pytest.fixture
    def location(self, kafka_broker: DevCluster) -> KafkaLocation:
        return on_broker(kafka_broker.bootstrap)

    @pytest.fixture
    def fragments(self, location: KafkaLocation, tmp_path: Path) -> Iterator[Fragments]:
        topic_id = prepare(location, replication=1).media_topic_id
        with closing(KafkaFragmentLog.open(location, tmp_path / "index.db", topic_id=topic_id)) as opened:
            yield opened

    @pytest.fixture
    def hosting(self, fragments: Fragments, location: KafkaLocation, tmp_path: Path) -> HostingFragments:
        @asynccontextmanager
        async def hosted(pipeline: FragmentPipeline) -> AsyncIterator[HostedFragments]:
            with closing(DeadTopic.open(location, writer=fresh_topic("writer"))) as dead:

                async def taking_over() -> None:
                    dead.catch_up()

                app = quiet_app(location, "contract", tmp_path / "faust")
                runner = FaustFragments(
                    app,
                    location,
                    pipeline,
                    fragments,
                    dead,
                    clock=lambda: START + timedelta(minutes=9),
                    taking_over=taking_over,
                )
                await runner.start()
                try:
                    yield FollowedOnFaust(runner, dead)
                finally:
                    await runner.stop()

        return hosted

    @pytest.mark.long
    async def test_rows_are_those_of_a_plain_loop(
        self, fragments: Fragments, hosting: HostingFragments, sink: RowFile
    ) -> None:
        """Four seconds on Faust; the cases beside it compare rows too."""
        await super().test_rows_are_those_of_a_plain_loop(fragments, hosting, sink)

    @pytest.mark.long
    async def test_a_sink_that_is_away_holds_everything_back_and_loses_nothing(
        self, fragments: Fragments, hosting: HostingFragments, sink: RowFile
    ) -> None:
        """The same, beside its like for events."""
        await super().test_a_sink_that_is_away_holds_everything_back_and_loses_nothing(fragments, hosting, sink)
