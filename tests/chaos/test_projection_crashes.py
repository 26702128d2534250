"""Given a process that is killed while it projects, then the tables hold every row exactly once afterwards."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 60.0


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
    assert all(found["rows"].values())


def test_killed_between_any_two_steps_each_row_is_there_once(tmp_path: Path) -> None:
    """One after the other, each on what the one before left behind."""
    steps = (
        ("after_plan", "1"),
        ("after_insert_calls", "2"),
        ("after_insert_latencies", "1"),
        ("after_insert_events", "1"),
        ("after_range", "1"),
    )
    for step, count in steps:
        killed = project(tmp_path, step, count)
        assert killed.returncode == -signal.SIGKILL, (step, killed.stderr)
    assert_whole(outcome(tmp_path))


def test_killed_from_outside_at_any_moment_each_row_is_there_once(tmp_path: Path) -> None:
    for steps in (5, 22):
        with subprocess.Popen(command(tmp_path, "any"), stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(steps):
                process.stdout.readline()
            process.kill()
        assert process.returncode == -signal.SIGKILL
    assert_whole(outcome(tmp_path))
