"""Given a process that is killed while it projects, then the tables hold every row exactly once afterwards."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from projections.tables.catalogue import TABLES

TIMEOUT_SECONDS = 60.0
KILLS = 200


def command(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "tests.chaos.projecting_process", str(folder), *arguments]


def project(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(folder, *arguments), capture_output=True, text=True, timeout=TIMEOUT_SECONDS)


def outcome(folder: Path) -> dict[str, Any]:
    """What a process finds that nobody kills."""
    ended = project(folder)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def assert_whole(found: dict[str, Any]) -> None:
    assert found["events"] == [found["head"]] * 3
    assert found["unequal"] == []
    assert found["parked"] == 0
    assert {table for table, rows in found["rows"].items() if not rows} == {"chats", "deliveries", "sessions"}


def killed_at(folder: Path, way: str, step: str, count: int) -> bool:
    """Whether the process came to that step; if it did not, it was through before."""
    ended = project(folder, way, step, str(count))
    assert ended.returncode in (0, -signal.SIGKILL), (way, step, count, ended.stderr)
    return ended.returncode != 0


def test_killed_between_any_two_steps_each_row_is_there_once(tmp_path: Path) -> None:
    """One after the other, each on what the one before left behind."""
    for way, step, count in (
        ("rows", "after_plan", 1),
        ("rows", "after_insert_calls", 2),
        ("bulk", "after_insert_latencies", 1),
        ("bulk", "after_plan", 2),
        ("rows", "after_range", 1),
    ):
        assert killed_at(tmp_path, way, step, count), (way, step, count)
    assert_whole(outcome(tmp_path))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_killed_two_hundred_times_each_row_is_there_once(tmp_path: Path) -> None:
    """At every named step, whatever the one before left behind; from the beginning whenever all is written."""
    random_, kills, runs = random.Random(4), 0, 0
    steps = ["after_plan", *(f"after_insert_{table.name}" for table in TABLES), "after_range"]
    while kills < KILLS:
        folder = tmp_path / str(runs)
        folder.mkdir(exist_ok=True)
        step = steps[kills % len(steps)]
        if killed_at(folder, random_.choice(("rows", "bulk")), step, random_.choice((1, 1, 1, 2))):
            kills += 1
        else:
            assert_whole(outcome(folder))
            runs += 1
    assert_whole(outcome(tmp_path / str(runs)))
    assert runs > 0


def test_killed_from_outside_at_any_moment_each_row_is_there_once(tmp_path: Path) -> None:
    for way, steps in (("rows", 5), ("bulk", 22)):
        with subprocess.Popen(command(tmp_path, way, "any"), stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(steps):
                process.stdout.readline()
            process.kill()
        assert process.returncode == -signal.SIGKILL
    assert_whole(outcome(tmp_path))
