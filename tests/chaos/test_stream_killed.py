"""``callfold stream`` killed at any moment: whoever goes on ends with the figures that one look at the log gives."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import threading
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain, count
from pathlib import Path

import pytest

from domain.keys import RANDOM_BYTES
from domain.log.position import Position
from domain.organization.founding import carry_out, found
from domain.processing import Rows
from infra.kafka.cluster import DevCluster
from streams.kafka.clients import Fetched
from streams.kafka.compacted import CompactedTopic
from streams.kafka.location import KafkaLocation
from streams.kafka.topics import prepare
from streams.live_figures.entries import Entry, decode, fold, reached
from streams.live_figures.facts import LiveCall, LiveFacts
from streams.log.kafka.log import KafkaLog
from tests.contracts.call_history import ORGANIZATIONS, append
from tests.contracts.kafka_nodes import on_broker
from tests.contracts.runner_contract import NOW

SHARDS = (0, 1)
CATCH_UP_SECONDS = 180.0
"""Long, for busy machines."""


class Published:
    """What ``callfold.live`` holds, and how many records it took to get there."""

    def __init__(self, location: KafkaLocation) -> None:
        self.entries: dict[str, Entry] = {}
        self._records = 0
        self._moved = threading.Condition()
        self._topic = CompactedTopic.open(location, "live", SHARDS, self._take)

    async def grown(self, records: int) -> None:
        """Until so many more records have come."""
        wanted = self._records + records
        await self._until(lambda: self._records >= wanted)

    async def counted(self, heads: dict[int, Position]) -> None:
        await self._until(lambda: all(reached(self.entries, s).through == heads[s].ordinal for s in SHARDS))

    def close(self) -> None:
        self._topic.close()

    async def _until(self, condition: Callable[[], bool]) -> None:
        def wait() -> bool:
            with self._moved:
                return self._moved.wait_for(condition, CATCH_UP_SECONDS)

        assert await asyncio.to_thread(wait), "the figures do not come"

    def _take(self, record: Fetched) -> None:
        key = (record.key or b"").decode()
        with self._moved:
            self._records += 1
            if record.value is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = decode(record.value)
            self._moved.notify_all()


def one_look(log: KafkaLog) -> dict[str, Entry]:
    """The entries of the whole log, each shard folded as one range."""
    facts, entries = LiveFacts(), dict[str, Entry]()
    for shard in SHARDS:
        states, rows = dict[str, LiveCall](), list[Rows]()
        for event in log.read(Position(shard, 0), 1_000_000, facts.handles):
            call_id = event.recorded.originator_id
            states[call_id], made = facts.apply(states.get(call_id, facts.initial()), event)
            rows += made
        changes = fold(entries, log.head(shard), rows)
        entries |= {key: entry for key, entry in changes.items() if entry is not None}
        for key in [key for key, entry in changes.items() if entry is None]:
            entries.pop(key, None)
    return entries


class Processes:
    """``callfold stream`` several times over one log, each in a folder of its own that a restart finds again."""

    def __init__(self, location: KafkaLocation, folder: Path) -> None:
        self._environment = os.environ | {
            "CALLFOLD_LOG": str(location),
            "CALLFOLD_KAFKA_SHARDS": str(len(SHARDS)),
            "CALLFOLD_KAFKA_REPLICATION": "1",
        }
        self._folder = folder

    async def start(self, name: str, *, ready: bool = True) -> Process:
        lines = os.open(self._folder / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.chaos.streaming_process", "stream", "--json", "-d", self._folder / name),
                env=self._environment,
                stdout=PIPE,
                stderr=lines,
            )
        finally:
            os.close(lines)
        if ready:
            assert process.stdout is not None
            assert await process.stdout.readline(), (self._folder / f"{name}.log").read_text()[-2000:]
        return process


@asynccontextmanager
async def killed(process: Process) -> AsyncIterator[Process]:
    """Gone afterwards in any case."""
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def stage(kafka_broker: DevCluster, folder: Path) -> AsyncIterator[tuple[KafkaLog, Published, Processes]]:
    """A log of two organisations in two shards, what is published of it, and a way to start processes."""
    location = on_broker(kafka_broker.bootstrap)
    prepared, numbers = prepare(location, shards=len(SHARDS), replication=1), count()
    async with AsyncExitStack() as parts:
        log = KafkaLog.open(
            location,
            folder / "writer",
            identity=prepared.identity,
            clock=lambda: NOW,
            new_id=lambda: f"made-{next(numbers)}",
            shards=len(SHARDS),
        )
        parts.callback(log.close)
        for shard, org_id in enumerate(ORGANIZATIONS):
            ids = chain([org_id], (f"{org_id}-{number}" for number in count()))
            founding = found(
                org_id,
                new_id=lambda ids=ids: next(ids),  # type: ignore[misc]  # a lambda's default has no type
                private_random=bytes([shard]) * RANDOM_BYTES,
                public_random=bytes([shard + 8]) * RANDOM_BYTES,
                shard=shard,
            )
            await carry_out(founding, log)
        published = Published(location)
        parts.callback(published.close)
        yield log, published, Processes(location, folder)


def heads(log: KafkaLog) -> dict[int, Position]:
    return {shard: log.head(shard) for shard in SHARDS}


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_another_process_goes_on_where_a_killed_one_was(kafka_broker: DevCluster, tmp_path: Path) -> None:
    async with stage(kafka_broker, tmp_path) as (log, published, processes), AsyncExitStack() as living:
        one, _ = await asyncio.gather(
            *[living.enter_async_context(killed(await processes.start(name, ready=False))) for name in ("one", "two")]
        )
        appending = asyncio.create_task(append(log, range(30)))
        await published.grown(3)
        one.kill()
        await appending
        await published.counted(heads(log))
        assert published.entries == one_look(log)
        assert any("|call|" in key for key in published.entries)


@pytest.mark.long
@pytest.mark.timeout(1_200)
async def test_whoever_is_killed_and_whenever(kafka_broker: DevCluster, tmp_path: Path) -> None:
    """Two processes share two shards; one of them dies again and again, ready or on its way, while calls go on."""
    chance = random.Random(20261121)
    async with stage(kafka_broker, tmp_path) as (log, published, processes), AsyncExitStack() as living:
        seats = {name: await living.enter_async_context(killed(await processes.start(name))) for name in ("one", "two")}
        for step in range(20):
            appending = asyncio.create_task(append(log, range(step * 10, step * 10 + 10)))
            name = chance.choice(["one", "two"])
            if chance.random() < 0.7:
                await published.grown(chance.randrange(1, 12))
            seats[name].kill()
            await seats[name].wait()
            ready = chance.random() < 0.6
            seats[name] = await living.enter_async_context(killed(await processes.start(name, ready=ready)))
            await appending
        await published.counted(heads(log))
        assert published.entries == one_look(log)
