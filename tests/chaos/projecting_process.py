"""A process that projects a log into several sets of tables at once, and kills itself where each sink is told to stand.

``python -m tests.chaos.projecting_process FOLDER`` is warmed: for each line of JSON on its input it forks a child that
opens the store in FOLDER, and tells how the child ended. Forking comes before the engine is opened, as it has to.

A child hosts a *lane* for each sink: a runner with a sink of its own tables. It dies by SIGKILL when every lane stands
at its step or has written everything, so that each death is the death of several sinks, each between two steps of its
own. Without steps a child projects what is left, and compares every lane's tables with those that one plain write of
the same history makes.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from domain.log.position import Position
from projections import schema
from projections.comparison import TableHash, newest_hash, table_hash
from projections.encoding import encode_rows
from projections.folds import PROCESSORS
from projections.sink import ClickHouseSink
from projections.store import AnalyticsStore
from projections.tables.catalogue import TABLES
from streams.processing.dead_letters import DeadLetters
from streams.processing.embedded import EmbeddedRunner
from streams.processing.pipeline import Bulk, Pipeline
from tests.unit.projections.conftest import folded
from tests.unit.projections.histories import on_log
from tests.unit.streams.memory_log import MemoryLog

SEED, CALLS, BATCH = 35, 9, 40
WHOLE = "_whole"
"""Suffix of the tables that one write has filled."""


class Lane(msgspec.Struct, frozen=True):
    """A sink under this ``suffix``, which stands still when ``step`` is passed for the ``nth`` time.

    ``bulk`` is for long ranges in the engine's own form while there is a batch to catch up.
    """

    suffix: str
    bulk: bool = False
    step: str = ""
    nth: int = 1


class Task(msgspec.Struct, frozen=True):
    """What a child is to do. With ``told`` each step is told as it is passed, so that somebody else can kill it."""

    lanes: list[Lane]
    told: bool = False
    compared: bool = False


class Ended(msgspec.Struct, frozen=True):
    """``status`` is the child's, negative for a signal."""

    status: int


class Passed(msgspec.Struct, frozen=True):
    """A lane came to a step; ``pid`` is whose it is."""

    suffix: str
    step: str
    pid: int


class Standing(msgspec.Struct, frozen=True):
    """By lane, just before death: the step where it stands, or none where it was through before."""

    steps: dict[str, str | None]


class Compared(msgspec.Struct, frozen=True):
    """By lane: tables that are not those of one plain write, and how many events are parked."""

    head: int
    unequal: dict[str, list[str]]
    parked: dict[str, int]
    rows: dict[str, int]


class Told(msgspec.Struct, frozen=True):
    """One line of output."""

    ended: Ended | None = None
    passed: Passed | None = None
    standing: Standing | None = None
    compared: Compared | None = None


def tell(told: Told) -> None:
    """In one piece, at once."""
    os.write(1, msgspec.json.encode(told) + b"\n")


class Standstill:
    """Lets lanes stop where they are told to, and knows when no lane moves any more."""

    def __init__(self, lanes: Sequence[Lane], *, told: bool) -> None:
        self._told = told
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Queue[str] = asyncio.Queue()
        self.steps: dict[str, str | None] = {lane.suffix: None for lane in lanes}

    def hook(self, lane: Lane) -> Callable[[str], None]:
        passed: Counter[str] = Counter()

        def pass_step(name: str) -> None:
            passed[name] += 1
            if self._told:
                tell(Told(passed=Passed(lane.suffix, name, os.getpid())))
            if name == lane.step and passed[name] == lane.nth:
                self.steps[lane.suffix] = name
                self._loop.call_soon_threadsafe(self._waiting.put_nowait, lane.suffix)
                threading.Event().wait()  # until the end of the process

        return pass_step

    async def reached(self) -> str:
        """The next lane that stands."""
        return await self._waiting.get()


async def project(folder: Path, log: MemoryLog, task: Task) -> None:
    """Host the lanes until each stands or is through."""
    store = AnalyticsStore.open(folder / "clickhouse")
    schema.upgrade(store)
    still = Standstill(task.lanes, told=task.told)
    parked = {}
    async with AsyncExitStack() as parts:
        moving = set()
        for lane in task.lanes:
            made(store, lane.suffix)
            sink = ClickHouseSink(store, suffix=lane.suffix, hook=still.hook(lane))
            bulk = Bulk(encode_rows, sink.write_encoded, range_events=2 * BATCH) if lane.bulk else None
            letters = DeadLetters(folder / f"dead{lane.suffix}.db")
            pipeline = Pipeline("projections", PROCESSORS, sink, bulk, batch_events=BATCH)
            runner = EmbeddedRunner(log, [pipeline], letters, clock=lambda: datetime.now(UTC))
            await runner.start()
            parts.push_async_callback(runner.stop)
            moving.add(asyncio.create_task(runner.reached(log.head()), name=lane.suffix))
            parked[lane.suffix] = letters
        through = moving
        standing = asyncio.create_task(still.reached())
        stand = 0
        while stand + sum(task.done() for task in through) < len(through):
            await asyncio.wait({standing, *(t for t in through if not t.done())}, return_when=asyncio.FIRST_COMPLETED)
            if standing.done():
                stand += 1
                standing = asyncio.create_task(still.reached())
        standing.cancel()
        if stand:
            tell(Told(standing=Standing(still.steps)))
            os.kill(os.getpid(), signal.SIGKILL)
        await asyncio.gather(*through)
    if task.compared:
        tell(Told(compared=compared(store, log, task.lanes, parked)))


def made(store: AnalyticsStore, suffix: str) -> None:
    """A set of tables of its own; some may be there already."""
    for table in TABLES:
        for statement in table.create_statements(suffix):
            store.client().command(statement.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1))


def compared(store: AnalyticsStore, log: MemoryLog, lanes: Sequence[Lane], letters: dict[str, DeadLetters]) -> Compared:
    """Each table of each lane with that of one plain write, row by row in one hash."""
    made(store, WHOLE)
    whole = ClickHouseSink(store, suffix=WHOLE)
    whole.write(Position(0, 1), log.head(), folded(log.events))
    expected = contents(store, WHOLE, log.head())
    unequal = {
        lane.suffix: [
            name for name, found in contents(store, lane.suffix, log.head()).items() if found != expected[name]
        ]
        for lane in lanes
    }
    return Compared(
        head=log.head().ordinal,
        unequal=unequal,
        parked={suffix: len(of_lane.list()) for suffix, of_lane in letters.items()},
        rows={name: found.rows for name, found in expected.items()},
    )


def contents(store: AnalyticsStore, suffix: str, head: Position) -> dict[str, TableHash]:
    """By table, and by table of newest rows; of these what is shown, since the engine merges rows when it likes."""
    found = {table.name: table_hash(store, table.physical + suffix, head) for table in TABLES}
    for table in TABLES:
        if table.newest:
            found[f"{table.name}, newest"] = newest_hash(store, table.newest_rows + suffix, head)
    return found


def main(folder: Path) -> None:
    log = MemoryLog(on_log(SEED, CALLS, turns=3))
    for line in sys.stdin.buffer:
        child = os.fork()
        if not child:
            try:
                asyncio.run(project(folder, log, msgspec.json.decode(line, type=Task)))
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        tell(Told(ended=Ended(os.waitstatus_to_exitcode(status))))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
