"""The log under real processes: races, kill -9 at every step, followers elsewhere, and disks without space."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from domain.log.position import Position
from tests.chaos.crash_points import IN_A_FILE, KILLS, Death
from tests.chaos.log_processes import (
    PROCESSES,
    fill_until_refused,
    follow,
    meet_a_size_limit,
    open_tally_log,
    race,
    subscribe,
    write_until_killed,
)
from tests.contracts.log_contract import START
from tests.contracts.tally import TALLY, Add, Added, Open

ALONE = KILLS // 10
"""How often a writer is killed that nobody races with, and the file looked through after each time."""

STEPS = (None, *IN_A_FILE)
"""Where a writer dies; ``None`` is wherever it happens to be when it is killed from outside."""


SECONDS = 120
"""Long, for busy machines."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "log.sqlite"
    with closing(open_tally_log(path)) as log:
        asyncio.run(log.execute(TALLY, "a", Open("org-1")))
    return path


@contextmanager
def running(target: Callable[..., None], path: Path, *arguments: Any) -> Iterator[tuple[Any, Connection]]:
    """A process and this side of its pipe. It is killed when it still runs at the end."""
    here, there = PROCESSES.Pipe()
    process = PROCESSES.Process(target=target, args=(path, there, *arguments))
    process.start()
    there.close()
    try:
        yield process, here
    finally:
        process.kill()
        process.join()
        here.close()


def told(connection: Connection) -> Any:
    assert connection.poll(SECONDS), "the process tells nothing"
    return connection.recv()


def rest(connection: Connection) -> Iterator[Any]:
    """Everything that was told before the process ended."""
    with contextlib.suppress(EOFError, ConnectionResetError):
        while connection.poll(SECONDS):
            yield connection.recv()


def test_racing_processes_lose_no_update_and_leave_no_gap(path: Path) -> None:
    additions, names = 60, ("p", "q", "r")
    accepted: list[tuple[int, str]] = []
    with contextlib.ExitStack() as stack:
        pipes = [stack.enter_context(running(race, path, name, additions))[1] for name in names]
        assert [told(pipe) for pipe in pipes] == ["ready"] * len(pipes)
        for pipe in pipes:
            pipe.send("go")
        while pipes:
            for pipe in wait(pipes, timeout=SECONDS):
                assert isinstance(pipe, Connection)
                message = told(pipe)
                if message == "done":
                    pipes.remove(pipe)
                else:
                    accepted.append(message)
    with closing(open_tally_log(path)) as log:
        history = log.history("a", after_version=1)
        assert [p.recorded.originator_version for p in history] == list(range(2, 3 * additions + 2))
        notes = {p.recorded.originator_version: getattr(p.recorded.event, "note", "") for p in history}
        assert dict(accepted) == notes
        assert len(set(notes.values())) == len(accepted) == 3 * additions
        document = log.get("tally", "a")
        assert document is not None
        assert document.state.total == 3 * additions
        assert document.state == log.rebuilt("a").state
        assert log.verify().broken is None


def kill_at_random(process: BaseProcess, pipe: Connection, acknowledgements: int) -> list[Any]:
    """Kill from outside after so many acknowledgements, wherever the writer is by then."""
    messages = []
    for message in rest(pipe):
        messages.append(message)
        if message[0] == "acknowledged":
            acknowledgements -= 1
            if acknowledgements == 0:
                process.kill()
    return messages


@pytest.mark.timeout(900 + ALONE * 3)
def test_a_killed_writer_loses_nothing_that_was_acknowledged(path: Path) -> None:
    chance = random.Random(20261121)
    sent: set[str] = set()
    acknowledged: set[str] = set()
    for attempt in range(ALONE):
        step = STEPS[attempt % len(STEPS)]
        nth = chance.randrange(1, 30)
        death = None if step is None else Death(step, nth)
        with running(write_until_killed, path, f"k{attempt}", death) as (process, pipe):
            messages = kill_at_random(process, pipe, nth) if death is None else list(rest(pipe))
            process.join(SECONDS)
            assert process.exitcode == -signal.SIGKILL
        sent |= {commit_id for kind, commit_id in messages if kind == "sent"}
        acknowledged |= {commit_id for kind, commit_id in messages if kind == "acknowledged"}
        with closing(open_tally_log(path)) as log:
            lost = [commit_id for commit_id in acknowledged if log.receipt(commit_id) is None]
            assert lost == [], f"killed {step or 'from outside'}, seed position {attempt}"
    with closing(open_tally_log(path)) as log:
        found = log.verify()
        assert found.broken is None
        history = log.history("a", after_version=1)
        firsts = [
            p.recorded.event.note for p in history if isinstance(p.recorded.event, Added) and p.recorded.event.note
        ]
        assert len(history) == 2 * len(firsts), "half a commit was applied"
        assert acknowledged <= set(firsts) <= sent
        assert len(set(firsts)) == len(firsts)
        # Whatever the killed writers did not learn, they learn by sending the same again.
        for commit_id in sorted(sent - acknowledged):
            facts = [Added(amount=1, note=commit_id), Added(amount=1)]
            asyncio.run(log.record("a", facts, [START, START], commit_id=commit_id))
        document = log.get("tally", "a")
        assert document is not None
        assert document.state.total == 2 * len(sent)
        assert document.state == log.rebuilt("a").state
        assert log.verify().broken is None
    assert len(acknowledged) >= ALONE


@pytest.mark.parametrize("target", [follow, subscribe])
def test_another_process_sees_what_is_appended(path: Path, target: Callable[..., None]) -> None:
    with running(target, path, 6) as (_, pipe), closing(open_tally_log(path)) as log:
        assert told(pipe) == "ready"
        seen = [told(pipe)]
        for number in range(5):
            asyncio.run(log.record("a", [Added(amount=number)], [START]))
            seen.append(told(pipe))
    assert seen == [1, 2, 3, 4, 5, 6]


def test_a_file_that_may_not_grow_refuses_commits_and_recovers(tmp_path: Path) -> None:
    with running(meet_a_size_limit, tmp_path / "log.sqlite") as (_, pipe):
        outcome = told(pipe)
    assert outcome["accepted"] > 0
    assert outcome == {**outcome, "full": True, "readable": True, "total": outcome["accepted"] + 1, "broken": None}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


async def test_a_full_disk_refuses_commits_and_recovers(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(300_000))
    with closing(open_tally_log(small_disk / "log.sqlite")) as log:
        await log.execute(TALLY, "a", Open("org-1"))
        accepted, refusal = await fill_until_refused(log)
        assert accepted > 0
        assert refusal.full
        assert "no space" in str(refusal)
        document = log.get("tally", "a")
        assert document is not None
        assert document.state.total == accepted
        assert log.head() == Position(0, accepted + 1)
        ballast.unlink()
        state, _ = await log.execute(TALLY, "a", Add(1, "after"))
        assert state.total == accepted + 1
        assert log.verify().broken is None
    with closing(open_tally_log(small_disk / "log.sqlite")) as log:
        assert log.head() == Position(0, accepted + 2)
