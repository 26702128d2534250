"""A process is known for what it is: paused, dead, or another one under the same pid."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from infra.kafka.processes import Condition, Process, spawn, wait_for

SECONDS = 30.0
UNTIL_SIGNALLED = "import signal; print('here', end='', flush=True); signal.pause()"


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    output = tmp_path / "output"
    os.mkfifo(output)
    reader = os.open(output, os.O_RDONLY | os.O_NONBLOCK)
    started = spawn([sys.executable, "-c", UNTIL_SIGNALLED], output=output)
    os.set_blocking(reader, True)
    select.select([reader], [], [], SECONDS)
    assert os.read(reader, 100) == b"here"
    os.close(reader)
    yield started
    started.send(signal.SIGKILL)
    started.wait(SECONDS)


def test_it_runs_pauses_goes_on_and_dies(process: Process) -> None:
    assert wait_for(process, Condition.RUNNING, seconds=SECONDS)
    assert process.send(signal.SIGSTOP)
    assert wait_for(process, Condition.PAUSED, seconds=SECONDS)
    assert process.send(signal.SIGCONT)
    assert wait_for(process, Condition.RUNNING, seconds=SECONDS)
    assert not process.wait(0)
    assert process.send(signal.SIGKILL)
    assert process.wait(SECONDS)
    assert process.condition is Condition.DEAD
    assert process.resident_mb == 0


def test_a_dead_process_takes_no_signal_and_reaches_no_other_condition(process: Process) -> None:
    process.send(signal.SIGKILL)
    process.wait(SECONDS)

    assert not process.send(signal.SIGCONT)
    assert not wait_for(process, Condition.PAUSED, seconds=SECONDS)


def test_a_child_that_has_ended_but_was_not_waited_for_is_dead(process: Process) -> None:
    process.send(signal.SIGKILL)

    assert wait_for(process, Condition.DEAD, seconds=SECONDS)


@pytest.mark.parametrize("difference", [{"started_ticks": 1}, {"boot": "another"}])
def test_another_process_under_the_same_pid_is_never_touched(process: Process, difference: dict[str, object]) -> None:
    former = msgspec.structs.replace(process, **difference)

    assert former.condition is Condition.DEAD
    assert not former.send(signal.SIGKILL)
    assert former.wait(0)
    assert process.condition is Condition.RUNNING


def test_it_lives_in_a_session_of_its_own(process: Process) -> None:
    assert os.getsid(process.pid) == process.pid != os.getsid(0)
    assert process.resident_mb > 1


def test_the_death_of_somebody_elses_child_is_seen_too(tmp_path: Path) -> None:
    starter = (
        "import sys; from pathlib import Path; import msgspec; from infra.kafka.processes import spawn;"
        f"started = spawn([sys.executable, '-c', {UNTIL_SIGNALLED!r}], output=Path({str(tmp_path / 'output')!r}));"
        "sys.stdout.buffer.write(msgspec.json.encode(started))"
    )
    done = subprocess.run([sys.executable, "-c", starter], capture_output=True, check=True)
    orphan = msgspec.json.decode(done.stdout, type=Process)

    assert orphan.condition is Condition.RUNNING
    orphan.send(signal.SIGKILL)
    assert orphan.wait(SECONDS)
    assert wait_for(orphan, Condition.DEAD, seconds=SECONDS)
