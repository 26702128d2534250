"""The writing thread: what it does with too much, with too late, and with pages that pile up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from domain.aggregate import Conflicting
from domain.log.ports import LogUnavailable
from domain.log.position import Position
from streams.log import checkpointer, commands, proposals
from streams.log.commit_signal import CommitSignal
from streams.log.embedded import EmbeddedLog
from tests.contracts.log_contract import START, SteppingClock, commit, new_id
from tests.contracts.tally import TALLIES, TALLY, TALLY_TYPES, Add, Added, Open, Opened
from tests.patience import PATIENCE_S


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    opened = EmbeddedLog.open(
        tmp_path / "log.sqlite", clock=SteppingClock(), new_id=new_id, aggregates=TALLIES, types=TALLY_TYPES
    )
    with closing(opened):
        yield opened


async def test_more_than_may_wait_is_refused_at_once(log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    await log.execute(TALLY, "a", Open("org-1"))
    monkeypatch.setattr(proposals, "MAX_PENDING", 5)
    datastore = log.application.datastore
    with datastore.transaction(commit=True):  # the writer has to wait, as for a slow disk
        waiting = [asyncio.ensure_future(log.record("a", [Added(amount=1)], [START])) for _ in range(20)]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        refusals = [task.exception() for task in done]
    assert refusals
    assert all(isinstance(refusal, LogUnavailable) and not refusal.full for refusal in refusals)
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    accepted = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    document = log.get("tally", "a")
    assert document is not None
    assert document.state.total == len(accepted) > 0


async def test_a_file_at_its_page_limit_refuses_whole_batches_and_recovers(log: EmbeddedLog) -> None:
    await log.execute(TALLY, "a", Open("org-1"))
    datastore = log.application.datastore

    def limit_pages(count: int) -> None:
        with datastore.transaction(commit=True) as cursor:
            cursor.execute(f"PRAGMA max_page_count={count}")

    limit_pages(60)
    note = "x" * 3000
    outcomes: list[object] = []
    while not any(isinstance(outcome, BaseException) for outcome in outcomes):
        outcomes += await asyncio.gather(
            *(log.record("a", [Added(amount=1, note=note)], [START]) for _ in range(5)), return_exceptions=True
        )
    refusals = [outcome for outcome in outcomes if isinstance(outcome, LogUnavailable)]
    assert all(refusal.full for refusal in refusals)
    accepted = len(outcomes) - len(refusals)
    document = log.get("tally", "a")
    assert document is not None
    assert document.state.total == accepted == log.head().ordinal - 1
    limit_pages(100_000)
    state, _ = await log.execute(TALLY, "a", Add(1))
    assert state.total == accepted + 1
    assert log.verify().broken is None


async def test_what_is_pending_at_the_close_is_appended(log: EmbeddedLog) -> None:
    await log.execute(TALLY, "a", Open("org-1"))
    pending = [asyncio.ensure_future(log.record("a", [Added(amount=1)], [START])) for _ in range(50)]
    await asyncio.sleep(0)  # each has handed its commit over
    await asyncio.to_thread(log.close)
    appended = await asyncio.gather(*pending)
    assert [receipt.position for receipt in appended] == [Position(0, n) for n in range(2, 52)]


def test_a_closed_log_refuses_by_name(log: EmbeddedLog) -> None:
    log.append(commit("one", ("a", 1, Opened(org_id="org-1"))))
    log.close()
    log.close()
    with pytest.raises(LogUnavailable, match="closed"):
        log.append(commit("two", ("b", 1, Opened(org_id="org-1"))))
    with pytest.raises(LogUnavailable, match="closed"):
        log.get("tally", "a")


async def test_a_command_that_loses_every_race_is_told_to_try_again(
    log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await log.execute(TALLY, "a", Open("org-1"))
    monkeypatch.setattr(commands, "MAX_ATTEMPTS", 3)
    for attempt in range(3):
        log.append(commit(f"intent~{attempt}" if attempt else "intent", ("a", 1, Opened(org_id="x"))))
    with pytest.raises(Conflicting, match="changed 3 times"):
        await log.execute(TALLY, "a", Add(1), commit_id="intent")


def test_threads_and_event_loops_append_side_by_side(log: EmbeddedLog) -> None:
    asyncio.run(log.execute(TALLY, "a", Open("org-1")))

    def from_own_loop() -> None:
        async def add() -> None:
            for _ in range(10):
                await log.execute(TALLY, "a", Add(1))

        asyncio.run(add())

    def from_thread(name: str) -> None:
        for number in range(10):
            log.append(commit(f"{name}-{number}", (f"{name}-{number}", 1, Opened(org_id="org-1"))))

    threads = [threading.Thread(target=from_own_loop) for _ in range(3)]
    threads += [threading.Thread(target=from_thread, args=(name,)) for name in ("p", "q")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    document = log.get("tally", "a")
    assert document is not None
    assert document.state.total == 30
    assert log.head() == Position(0, 51)
    assert log.verify().broken is None


async def test_a_caller_that_gave_up_does_not_stop_the_others(log: EmbeddedLog) -> None:
    await log.execute(TALLY, "a", Open("org-1"))
    first = asyncio.ensure_future(log.record("a", [Added(amount=1)], [START]))
    await asyncio.sleep(0)
    first.cancel()
    await log.record("a", [Added(amount=2)], [START])
    document = log.get("tally", "a")
    assert document is not None
    assert document.state.total == 3
    assert first.cancelled()


async def test_pages_are_moved_while_the_log_is_open(
    log: EmbeddedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = threading.Event()
    checkpoint = log.application.datastore.checkpoint

    def checkpoint_and_tell() -> None:
        checkpoint()
        moved.set()

    monkeypatch.setattr(checkpointer, "CHECKPOINT_BYTES", 100_000)
    monkeypatch.setattr(log.application.datastore, "checkpoint", checkpoint_and_tell)
    await log.execute(TALLY, "a", Open("org-1"))
    for number in range(20):
        await log.record("a", [Added(amount=1, note="x" * 10_000 + str(number))], [START])
    assert await asyncio.to_thread(moved.wait, PATIENCE_S)
    assert (tmp_path / "log.sqlite").stat().st_size > 50_000


def test_nobody_is_watched_for_when_nobody_waits() -> None:
    looked = threading.Event()
    woken = threading.Event()
    versions = iter(range(10_000))

    def data_version() -> int:
        looked.set()
        return next(versions)

    signal = CommitSignal(data_version)
    assert not looked.is_set()
    others = set(threading.enumerate())
    signal.attach(woken.set)
    assert woken.wait(PATIENCE_S), "a commit of another process wakes nobody"
    (watcher,) = (each for each in threading.enumerate() if each.name == "log-watcher" and each not in others)
    signal.detach(woken.set)
    watcher.join(PATIENCE_S)
    assert not watcher.is_alive()
