"""``callfold stream`` killed at any moment: whoever goes on ends with the figures that one look at the log gives."""

from __future__ import annotations

import asyncio
import os
import random
import select
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain, count
from pathlib import Path

import msgspec
import pytest

from domain.keys import RANDOM_BYTES
from domain.log.position import Position
from domain.organization.founding import carry_out, found
from domain.processing import Rows
from infra.kafka.cluster import DevCluster
from streams.kafka.clients import Fetched
from streams.kafka.compacted import CompactedTopic
from streams.kafka.location import KafkaLocation
from streams.kafka.rules import MEDIA_PARTITIONS
from streams.kafka.topics import prepare
from streams.live_figures.entries import Entry, decode, fold, reached
from streams.live_figures.facts import LiveCall, LiveFacts
from streams.live_figures.media_entries import fold_media
from streams.live_figures.media_facts import LiveMedia
from streams.live_figures.newest import Newest
from streams.live_figures.topic import CALLS_TOPIC, MEDIA_TOPIC
from streams.log.kafka.log import KafkaLog
from streams.media_log.kafka import KafkaFragmentLog
from tests.brokers import real_cluster
from tests.chaos.streaming_process import Told
from tests.contracts.call_history import ORGANIZATIONS, append
from tests.contracts.fragment_runner_contract import batches
from tests.contracts.kafka_nodes import on_broker
from tests.contracts.runner_contract import NOW

SHARDS = (0, 1)
CATCH_UP_SECONDS = 600.0
"""Long, for busy machines."""


class Published:
    """What ``callfold stream`` has published of calls and of their media, and how many records it took to get there."""

    def __init__(self, location: KafkaLocation) -> None:
        self.entries: dict[str, dict[str, Entry]] = {CALLS_TOPIC: {}, MEDIA_TOPIC: {}}
        self._newest = {topic: Newest() for topic in self.entries}
        self._records = 0
        self._moved = threading.Condition()
        self._topics = [
            CompactedTopic.open(location, CALLS_TOPIC, SHARDS, partial(self._take, CALLS_TOPIC)),
            CompactedTopic.open(location, MEDIA_TOPIC, range(MEDIA_PARTITIONS), partial(self._take, MEDIA_TOPIC)),
        ]

    async def grown(self, records: int) -> None:
        """Until so many more records have come."""
        wanted = self._records + records
        await self._until(lambda: self._records >= wanted)

    async def counted(self, log: KafkaLog, fragments: KafkaFragmentLog) -> None:
        """Until everything that is on both topics now is counted."""
        heads = {shard: log.head(shard).ordinal for shard in SHARDS}
        ends = {partition: fragments.end(partition) for partition in fragments.partitions}

        def done() -> bool:
            of_calls, of_media = self.entries[CALLS_TOPIC], self.entries[MEDIA_TOPIC]
            return all(reached(of_calls, shard).through == heads[shard] for shard in SHARDS) and all(
                reached(of_media, partition).through == ends[partition] for partition in ends
            )

        await self._until(done)

    def close(self) -> None:
        for topic in self._topics:
            topic.close()

    async def _until(self, condition: Callable[[], bool]) -> None:
        def wait() -> bool:
            with self._moved:
                return self._moved.wait_for(condition, CATCH_UP_SECONDS)

        assert await asyncio.to_thread(wait), "the figures do not come"

    def _take(self, topic: str, record: Fetched) -> None:
        key, known = (record.key or b"").decode(), self.entries[topic]
        entry = None if record.value is None else decode(record.value)
        with self._moved:
            self._records += 1
            # A process that is only slow, on a busy machine, is taken for dead too and publishes once more.
            if self._newest[topic].counts(key, entry, known):
                if entry is None:
                    known.pop(key, None)
                else:
                    known[key] = entry
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


def one_look_at_media(fragments: KafkaFragmentLog) -> dict[str, Entry]:
    """The same of what calls noted."""
    media, entries = LiveMedia(), dict[str, Entry]()
    for partition in fragments.partitions:
        placed = fragments.after(partition, 0, 1_000_000)
        if placed:
            rows = [made for batch in placed for made in media.apply(partition, batch)]
            changes = fold_media(entries, Position(partition, placed[-1].number), rows)
            entries |= {key: entry for key, entry in changes.items() if entry is not None}
    return entries


class Processes:
    """``callfold stream`` several times over one log, each in a folder of its own that a restart finds again."""

    def __init__(self, location: KafkaLocation, folder: Path) -> None:
        environment = os.environ | {
            "CALLFOLD_LOG": str(location),
            "CALLFOLD_KAFKA_SHARDS": str(len(SHARDS)),
            "CALLFOLD_KAFKA_REPLICATION": "1",
        }
        self._pids: dict[str, int] = {}
        self._ready = threading.Condition()
        self._ready_pids: set[int] = set()
        self._folder = folder
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.streaming_process", str(folder)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    async def start(self, name: str, *, ready: bool = True) -> None:
        """Start one, and wait until it has its share if wanted."""
        assert self._parent.stdin is not None
        with self._ready:
            self._pids.pop(name, None)
        self._parent.stdin.write(f"{name}\n")
        self._parent.stdin.flush()
        if not await asyncio.to_thread(self._started, name, ready):
            raise AssertionError(f"{name} does not begin: {self._last_words(name)}")

    def kill(self, name: str) -> None:
        """Kill one that lives, and wait until it is gone."""
        try:
            watched = os.pidfd_open(self._pids[name])
        except ProcessLookupError:
            raise AssertionError(f"{name} ended by itself: {self._last_words(name)}") from None
        try:
            signal.pidfd_send_signal(watched, signal.SIGKILL)
            assert select.select([watched], [], [], CATCH_UP_SECONDS)[0]
        finally:
            os.close(watched)

    def close(self) -> None:
        """Nothing is left afterwards in any case."""
        for pid in self._pids.values():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._parent.kill()
        self._parent.communicate()
        self._listening.join()

    def _last_words(self, name: str) -> str:
        lines = (self._folder / f"{name}.log").read_text().splitlines()
        return "\n".join([line for line in lines if "kafka.net.selector" not in line][-12:])

    def _started(self, name: str, ready: bool) -> bool:
        with self._ready:
            return self._ready.wait_for(
                lambda: name in self._pids and (not ready or self._pids[name] in self._ready_pids), CATCH_UP_SECONDS
            )

    def _listen(self) -> None:
        assert self._parent.stdout is not None
        for line in self._parent.stdout:
            told = msgspec.json.decode(line, type=Told)
            with self._ready:
                if told.ready:
                    self._ready_pids.add(told.pid)
                else:
                    self._pids[told.name] = told.pid
                self._ready.notify_all()


@dataclass(frozen=True)
class Stage:
    """A log of two organisations in two shards, the fragments beside it, what is published of both, and processes."""

    log: KafkaLog
    fragments: KafkaFragmentLog
    published: Published
    processes: Processes

    async def happen(self, calls: range) -> None:
        """Calls, and what was noted in them; every third sender heard no answer and sends again."""
        noted = batches(calls)
        await asyncio.gather(append(self.log, calls), asyncio.to_thread(self.fragments.append, noted))
        await asyncio.to_thread(self.fragments.append, noted[::3])

    async def assert_right(self) -> None:
        """Everything is counted, and once."""
        await self.published.counted(self.log, self.fragments)
        assert self.published.entries[CALLS_TOPIC] == one_look(self.log)
        assert self.published.entries[MEDIA_TOPIC] == one_look_at_media(self.fragments)


@pytest.fixture(scope="module")
def quick_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    """One that takes consumers for dead sooner than brokers usually may."""
    settings = {"group.min.session.timeout.ms": "1000"}
    with real_cluster(tmp_path_factory.mktemp("quick") / "cluster", brokers=1, settings=settings) as cluster:
        yield cluster


@asynccontextmanager
async def stage(broker: DevCluster, folder: Path) -> AsyncIterator[Stage]:
    location = on_broker(broker.bootstrap)
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
        fragments = KafkaFragmentLog.open(location, folder / "fragments.db", topic_id=prepared.media_topic_id)
        parts.callback(fragments.close)
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
        processes = Processes(location, folder)
        parts.callback(processes.close)
        yield Stage(log, fragments, published, processes)


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_another_process_goes_on_where_a_killed_one_was(quick_broker: DevCluster, tmp_path: Path) -> None:
    async with stage(quick_broker, tmp_path) as here:
        for name in ("one", "two"):
            await here.processes.start(name, ready=False)
        happening = asyncio.create_task(here.happen(range(30)))
        await here.published.grown(3)
        here.processes.kill("one")
        await happening
        await here.assert_right()
        assert any("|call|" in key for key in here.published.entries[CALLS_TOPIC])
        assert any("|media|" in key for key in here.published.entries[MEDIA_TOPIC])


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_whoever_is_killed_and_whenever(quick_broker: DevCluster, tmp_path: Path) -> None:
    """Two processes share shards and partitions; one dies again and again, ready or on its way, while calls go on."""
    chance = random.Random(20261121)
    async with stage(quick_broker, tmp_path) as here:
        for name in ("one", "two"):
            await here.processes.start(name)
        for step in range(20):
            happening = asyncio.create_task(here.happen(range(step * 10, step * 10 + 10)))
            name = chance.choice(["one", "two"])
            if chance.random() < 0.7:
                await here.published.grown(chance.randrange(1, 12))
            here.processes.kill(name)
            await here.processes.start(name, ready=chance.random() < 0.6)
            await happening
        await here.assert_right()
