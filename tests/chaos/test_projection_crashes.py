"""Given a process that is killed while it projects, then the tables hold every row exactly once afterwards."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, cycle
from pathlib import Path
from typing import IO

import msgspec
import pytest

from projections.tables.catalogue import TABLES
from tests.chaos.projecting_process import Compared, Lane, Task, Told

STEPS = ("after_plan", *(f"after_insert_{table.name}" for table in TABLES), "after_range")
EMPTY = {"chats", "deliveries", "sessions"}
"""Tables of which the history knows nothing."""


class Projector:
    """The warmed process, and the children that it forks one after the other."""

    def __init__(self, commands: IO[bytes], answers: IO[bytes]) -> None:
        self._commands = commands
        self._answers = answers

    def begin(self, task: Task) -> None:
        self._commands.write(msgspec.json.encode(task) + b"\n")
        self._commands.flush()

    def told(self) -> Told:
        line = self._answers.readline()
        assert line, "the warmed process is gone"
        return msgspec.json.decode(line, type=Told)

    def killed(self, lanes: list[Lane]) -> dict[str, str | None]:
        """Where each lane stood when its process died; nowhere, if all were through."""
        self.begin(Task(lanes))
        told = self.told()
        if told.standing is None:
            assert told.ended is not None
            assert told.ended.status == 0
            return {lane.suffix: None for lane in lanes}
        ended = self.told().ended
        assert ended is not None
        assert ended.status == -signal.SIGKILL
        return told.standing.steps

    def outcome(self, suffixes: list[str]) -> Compared:
        """What a process finds that nobody kills."""
        self.begin(Task([Lane(suffix) for suffix in suffixes], compared=True))
        found, ended = self.told().compared, self.told().ended
        assert found is not None
        assert ended is not None
        assert ended.status == 0
        return found


@contextmanager
def projector(folder: Path) -> Iterator[Projector]:
    command = [sys.executable, "-m", "tests.chaos.projecting_process", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Projector(process.stdin, process.stdout)
            process.stdin.close()
            process.wait(120)
        finally:
            process.kill()


def assert_whole(found: Compared, suffixes: list[str]) -> None:
    assert found.unequal == {suffix: [] for suffix in suffixes}
    assert set(found.parked.values()) == {0}
    assert found.rows["events"] == found.head
    assert {table.partition(",")[0] for table, rows in found.rows.items() if not rows} == EMPTY


def kill(folder: Path, *, sinks: int, at_once: int, seed: int) -> list[str]:
    """Kill so many sinks at every named step in turn, whatever the death before left behind; the steps they died at.

    A lane that has written everything begins anew in other tables, so that all of them are compared at the end.
    """
    random_, steps, died = random.Random(seed), cycle(STEPS), list[str]()
    names = (f"_lane_{number}" for number in count())
    lanes = {name: next(steps) for name in (next(names) for _ in range(at_once))}
    suffixes = list(lanes)
    with projector(folder) as process:
        while len(died) < sinks:
            found = process.killed(
                [
                    Lane(suffix, bulk=random_.random() < 0.5, step=step, nth=random_.choice((1, 1, 1, 2)))
                    for suffix, step in lanes.items()
                ]
            )
            died += [step for step in found.values() if step is not None]
            for suffix, step in found.items():
                asked = lanes.pop(suffix)
                if step is None:
                    # It was through before it came there: somebody else dies at that step.
                    suffix = next(names)
                    suffixes.append(suffix)
                lanes[suffix] = asked if step is None else next(steps)
        assert_whole(process.outcome(suffixes), suffixes)
    return died


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is room for it: the kernel keeps what a killed process has written in either case."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as made:
        yield Path(made)


def test_killed_between_any_two_steps_each_row_is_there_once(folder: Path) -> None:
    died = kill(folder, sinks=len(STEPS), at_once=len(STEPS), seed=4)
    assert set(died) == set(STEPS)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_killed_two_hundred_times_each_row_is_there_once(folder: Path) -> None:
    died = kill(folder, sinks=200, at_once=8, seed=5)
    assert len(died) >= 200
    assert set(died) == set(STEPS)


def test_killed_from_outside_at_any_moment_each_row_is_there_once(folder: Path) -> None:
    lanes = [Lane("_rows"), Lane("_bulk", bulk=True)]
    with projector(folder) as process:
        for passed in (9, 25):
            process.begin(Task(lanes, told=True))
            for _ in range(passed):
                step = process.told().passed
            assert step is not None
            os.kill(step.pid, signal.SIGKILL)
            while (ended := process.told().ended) is None:
                """Steps that were passed on the way."""
            assert ended.status == -signal.SIGKILL
        assert_whole(process.outcome(["_rows", "_bulk"]), ["_rows", "_bulk"])
