"""The log on Kafka beside kafka-python itself and the log in a file: appends, catching up, lag of followers, voids.

    python -m tests.benchmarks.kafka_log            # one broker, then three
    python -m tests.benchmarks.kafka_log --brokers 3 --commits 2000

All brokers run on this machine, so more of them also means less of it for each.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from domain.call.events import CallCreated
from domain.event import Event
from domain.log.codec import EventCodec
from domain.log.commit import Commit, Slot
from domain.log.envelope import to_record
from domain.log.ports import Commands
from domain.log.position import Position
from streams.kafka.clients import consumer, partition, producer
from streams.kafka.location import KafkaLocation
from streams.kafka.topics import prepare
from streams.log.embedded import EmbeddedLog
from streams.log.kafka.log import KafkaLog
from tests.benchmarks.call_events import message
from tests.brokers import fresh_topic, real_cluster
from tests.contracts.kafka_nodes import open_tally_log
from tests.contracts.tally import TALLY, Add, Open

WRITERS = (1, 16, 64)
EVENTS_PER_CALL = 25
PROCESSES = get_context("spawn")
CREATED = CallCreated(org_id="org", type="vapi.websocketCall", request={}, transport={})

Latencies = list[float]


class Log(Commands, Protocol):
    def close(self) -> None: ...


class Bench:
    """One cluster, and a folder."""

    def __init__(self, bootstrap: str, brokers: int, folder: Path) -> None:
        self.brokers = brokers
        self._bootstrap = tuple(bootstrap.split(","))
        self._folder = folder

    def location(self) -> KafkaLocation:
        """Topics of their own, made."""
        location = KafkaLocation(self._bootstrap, fresh_topic("bench"))
        prepare(location, replication=self.brokers)
        return location

    def open(self, location: KafkaLocation) -> KafkaLog:
        found = prepare(location, replication=self.brokers)
        folder = self._folder / uuid4().hex
        return KafkaLog.open(location, folder, identity=found.identity, clock=now, new_id=lambda: str(uuid4()))


def now() -> datetime:
    return datetime.now(UTC)


def written(latencies: Latencies, seconds: float) -> tuple[float, float, float]:
    """p50 and p99 in milliseconds, and how many a second."""
    latencies.sort()
    half, tail = latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)]
    return half * 1e3, tail * 1e3, len(latencies) / seconds


def append(log: Log, writers: int, commits: int) -> tuple[float, float, float]:
    """One message per commit, from this many calls at once."""
    latencies: Latencies = []

    async def write(call_id: str) -> None:
        for number in range(commits // writers):
            began = time.perf_counter()
            await log.record(call_id, [message(number)], [now()])
            latencies.append(time.perf_counter() - began)

    async def run() -> float:
        calls = [str(uuid4()) for _ in range(writers)]
        await asyncio.gather(*(log.record(call_id, [CREATED], [now()]) for call_id in calls))
        began = time.perf_counter()
        await asyncio.gather(*(write(call_id) for call_id in calls))
        return time.perf_counter() - began

    with closing(log):
        return written(latencies, asyncio.run(run()))


def send(location: KafkaLocation, writers: int, commits: int) -> tuple[float, float, float]:
    """The same bytes through kafka-python alone: as many as there are writers, then wait for all."""
    record = to_record(commit(str(uuid4()), 1, [message(0)]))
    latencies: Latencies = []
    with closing(producer(location, linger_ms=5)) as sending:
        begun = 0.0
        for number in range(-3, commits // writers):
            if number == 0:
                begun, latencies = time.perf_counter(), []
            began = time.perf_counter()
            for _ in range(writers):
                sending.send(location.topic("log"), record.value, b"call", list(record.headers), 0)
            sending.flush(10)
            latencies += [time.perf_counter() - began] * writers
        return written(latencies, time.perf_counter() - begun)


def commit(call_id: str, first: int, events: Sequence[Event], codec: EventCodec = EventCodec()) -> Commit:  # noqa: B008  # a constant
    commit_id = str(uuid4())
    return Commit(
        commit_id=commit_id,
        slots=tuple(Slot(call_id, first + index) for index in range(len(events))),
        topics=tuple(event.TYPE for event in events),
        bodies=tuple(codec.encode(event, id=f"{commit_id}.{index}", time=now()) for index, event in enumerate(events)),
    )


def fill(location: KafkaLocation, events: int, per_commit: int) -> None:
    """Calls of ``EVENTS_PER_CALL`` events each, two hundred of them at once."""
    with closing(producer(location, linger_ms=20)) as sending:
        for block in range(0, events, 200 * EVENTS_PER_CALL):
            calls = [str(uuid4()) for _ in range(200)]
            for first in range(1, EVENTS_PER_CALL + 1, per_commit):
                for call_id in calls:
                    numbers = range(first, first + per_commit)
                    facts: list[Event] = [CREATED if number == 1 else message(block + number) for number in numbers]
                    record = to_record(commit(call_id, first, facts))
                    sending.send(location.topic("log"), record.value, call_id.encode(), list(record.headers), 0)
            sending.flush(60)


def catch_up(bench: Bench, events: int, per_commit: int) -> tuple[float, float]:
    """Events a second of a new replica, and of a consumer that does nothing with them."""
    location = bench.location()
    fill(location, events, per_commit)
    with closing(consumer(location)) as reading:
        place = partition(location, "log", 0)
        reading.assign([place])
        reading.seek(place, 0)
        end = reading.end_offsets([place])[place]
        seen, began = 0, time.perf_counter()
        while seen < end:
            seen += len(reading.poll(1000).get(place, ()))
        raw = seen * per_commit / (time.perf_counter() - began)
    began = time.perf_counter()
    with closing(bench.open(location)) as log:
        seconds = time.perf_counter() - began
        stored = log.head().ordinal
    return stored / seconds, raw


def tell_what_is_seen(location: KafkaLocation, brokers: int, folder: Path, told: Connection) -> None:
    """A node of its own process: when it has which ordinal."""
    bench = Bench(",".join(location.bootstrap), brokers, folder)

    async def follow(log: KafkaLog) -> None:
        told.send(None)
        async for batch in log.follow(Position(0, 0)):
            told.send((batch[-1].position.ordinal, time.monotonic()))

    with closing(bench.open(location)) as log:
        asyncio.run(follow(log))


def follower_lag(bench: Bench, folder: Path, commits: int) -> tuple[float, float]:
    """Milliseconds from an acknowledgement on one node until another's readers have the event: p50 and p95."""
    location = bench.location()
    hears, tells = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(
        target=tell_what_is_seen, args=(location, bench.brokers, folder / "follower", tells), daemon=True
    )
    process.start()
    hears.recv()
    acknowledged: dict[int, float] = {}

    async def write(log: KafkaLog) -> None:
        call_id = str(uuid4())
        for number in range(commits):
            appended = await log.record(call_id, [message(number) if number else CREATED], [now()])
            acknowledged[appended.position.ordinal] = time.monotonic()
            await asyncio.sleep(0.01)  # a load, not a wait

    with closing(bench.open(location)) as log:
        asyncio.run(write(log))
    lags: list[float] = []
    reached = 0
    while reached < commits:
        ordinal, at = hears.recv()
        lags += [max(at - acknowledged[passed], 0.0) * 1e3 for passed in range(reached + 1, ordinal + 1)]
        reached = ordinal
    process.terminate()
    process.join()
    lags.sort()
    return lags[len(lags) // 2], lags[int(len(lags) * 0.95)]


def race(location: KafkaLocation, folder: Path, brokers: int, seconds: float, told: Connection) -> None:
    """Commands on two hundred tallies that two other processes change too."""

    async def change(log: KafkaLog, lane: int, until: float) -> None:
        number = lane
        while time.monotonic() < until:
            await log.execute(TALLY, f"t{number % 200}", Add(1))
            number += 7

    async def run(log: KafkaLog) -> None:
        until = time.monotonic() + seconds
        await asyncio.gather(*(change(log, lane * 25, until) for lane in range(8)))

    with closing(open_tally_log(location, folder / uuid4().hex, replication=brokers)) as log:
        told.send(None)
        asyncio.run(run(log))
        counters = log.counters()[0]
        told.send((counters.commits, counters.void, counters.adopted))


def void_ratio(bench: Bench, folder: Path, seconds: float) -> tuple[int, float, float]:
    """Commits of three racing processes, the share that was void, and the share applied on acknowledgement."""
    location = bench.location()
    with closing(open_tally_log(location, folder / "founder", replication=bench.brokers)) as log:

        async def found() -> None:
            await asyncio.gather(*(log.execute(TALLY, f"t{number}", Open("org")) for number in range(200)))

        asyncio.run(found())
    pipes = [PROCESSES.Pipe(duplex=False) for _ in range(3)]
    racers = [
        PROCESSES.Process(target=race, args=(location, folder, bench.brokers, seconds, tells)) for _, tells in pipes
    ]
    for racer in racers:
        racer.start()
    for hears, _ in pipes:
        hears.recv()
    commits, void, adopted = (sum(figures) for figures in zip(*(hears.recv() for hears, _ in pipes), strict=True))
    for racer in racers:
        racer.join()
    return commits, void / commits, adopted / commits


def appends(bench: Bench, commits: int, runs: int, folder: Path) -> Table:
    table = Table(title=f"append, one event per commit, {bench.brokers} broker(s)")
    for heading in ("writers", "", "p50 ms", "p99 ms", "commits/s"):
        table.add_column(heading, justify="left" if not heading else "right")
    for writers in WRITERS:
        number = max(commits, writers * 20)
        ways: dict[str, Callable[[], tuple[float, float, float]]] = {
            "callfold on Kafka": lambda: append(bench.open(bench.location()), writers, number),  # noqa: B023  # used at once
            "kafka-python alone": lambda: send(bench.location(), writers, number),  # noqa: B023  # used at once
            "callfold in a file": lambda: append(
                EmbeddedLog.open(folder / f"{uuid4().hex}.db", clock=now, new_id=lambda: str(uuid4())),
                writers,  # noqa: B023  # used at once
                number,  # noqa: B023  # used at once
            ),
        }
        for name, way in ways.items():
            half, tail, rate = (
                statistics.median(figures) for figures in zip(*(way() for _ in range(runs)), strict=True)
            )
            table.add_row(str(writers), name, f"{half:.2f}", f"{tail:.2f}", f"{rate:,.0f}")
        table.add_section()
    return table


def replicas(bench: Bench, events: int, commits: int, seconds: float, folder: Path) -> Table:
    table = Table(title=f"replicas, {bench.brokers} broker(s)")
    for heading in ("", "figure"):
        table.add_column(heading, justify="left" if not heading else "right")
    for per_commit in (1, 5):
        rate, raw = catch_up(bench, events, per_commit)
        table.add_row(f"new replica, {per_commit} event(s) per commit, events/s", f"{rate:,.0f}")
        table.add_row("  the same records through kafka-python's consumer alone", f"{raw:,.0f}")
    half, tail = follower_lag(bench, folder, commits)
    table.add_row("another node has what was acknowledged after, p50 ms", f"{half:.1f}")
    table.add_row("  p95 ms", f"{tail:.1f}")
    number, void, adopted = void_ratio(bench, folder, seconds)
    table.add_row("3 processes race on 200 aggregates: commits", f"{number:,}")
    table.add_row("  void", f"{void:.2%}")
    table.add_row("  applied on acknowledgement", f"{adopted:.0%}")
    return table


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--brokers", type=int, nargs="*", default=[1, 3], help="cluster sizes (default 1 3)")
    arguments.add_argument("--commits", type=int, default=1000, help="commits per run (default 1000)")
    arguments.add_argument("--runs", type=int, default=3, help="runs whose median is shown (default 3)")
    arguments.add_argument("--events", type=int, default=300_000, help="events that a new replica reads")
    arguments.add_argument("--seconds", type=float, default=5.0, help="how long processes race")
    given = arguments.parse_args()
    for brokers in given.brokers:
        with ExitStack() as parts:
            folder = Path(parts.enter_context(tempfile.TemporaryDirectory()))
            cluster = parts.enter_context(real_cluster(folder / "cluster", brokers=brokers))
            bench = Bench(cluster.bootstrap, brokers, folder)
            Console().print(appends(bench, given.commits, given.runs, folder))
            Console().print(replicas(bench, given.events, given.commits // 4, given.seconds, folder))


if __name__ == "__main__":
    main()
