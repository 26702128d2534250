"""Spools of processes that are gone reach their logs: in order, once, and without what cannot be read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.call.events import Warned
from domain.fragments import Fragment, FragmentBatch
from domain.log.ports import LogUnavailable
from media.call.left_behind import LeftBehind
from media.call.spool_file import SpoolFile
from media.call.spool_records import encode_batch, encode_commit
from tests.unit.media.call.test_fragments import Store
from tests.unit.media.call.test_journal import FakeLog

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def commit(call_id: str, commit_id: str, *details: str) -> bytes:
    return encode_commit(call_id, commit_id, [(Warned(code="x", detail=detail), START) for detail in details])


def batch(call_id: str, *numbers: int) -> bytes:
    fragments = tuple(Fragment(seq=number, type="mark.t1", at_ms=0.0) for number in numbers)
    return encode_batch(
        FragmentBatch(call_id=call_id, source="call", org_id="org", started_at=START, fragments=fragments)
    )


def leave(path: Path, records: Sequence[bytes]) -> None:
    spool = SpoolFile(path)
    spool.append(records)
    spool.close()


async def test_commits_and_fragments_reach_their_logs_in_order_and_the_files_go(
    tmp_path: Path, thread: ThreadPoolExecutor
) -> None:
    leave(
        tmp_path / "dead.events.spool", [commit("a", "1", "one", "two"), commit("b", "2", "x"), commit("a", "3", "3")]
    )
    leave(tmp_path / "dead.fragments.spool", [batch("a", 1, 2), batch("a", 3)])
    log, store = FakeLog(), Store()
    assert await LeftBehind(tmp_path, log, store, thread).look() == 5
    assert log.of("a") == ["one", "two", "3"]
    assert log.of("b") == ["x"]
    assert set(log.commits) == {"1", "2", "3"}
    assert [fragment.seq for fragment in store.read("a")] == [1, 2, 3]
    assert not await asyncio.to_thread(lambda: list(tmp_path.iterdir()))


async def test_a_log_that_goes_away_again_meanwhile_gets_the_rest_later_and_nothing_twice(
    tmp_path: Path, thread: ThreadPoolExecutor
) -> None:
    leave(tmp_path / "dead.events.spool", [commit("a", str(number), str(number)) for number in range(5)])
    log = FakeLog(["accept", "accept", "forget", "refuse"])
    left_behind = LeftBehind(tmp_path, log, Store(), thread)
    for _ in range(2):
        with pytest.raises(LogUnavailable):
            await left_behind.look()
    assert await left_behind.look() == 5
    assert log.of("a") == ["0", "1", "2", "3", "4"]


async def test_a_living_process_keeps_its_spool(tmp_path: Path, thread: ThreadPoolExecutor) -> None:
    living = SpoolFile(tmp_path / "living.events.spool")
    living.append([commit("a", "1", "one")])
    log = FakeLog()
    assert await LeftBehind(tmp_path, log, Store(), thread).look() == 0
    assert log.of("a") == []
    assert list(living.waiting()) == [commit("a", "1", "one")]
    living.close()


async def test_two_who_look_at_once_bring_it_once(tmp_path: Path, thread: ThreadPoolExecutor) -> None:
    leave(tmp_path / "dead.events.spool", [commit("a", str(number), str(number)) for number in range(20)])
    log = FakeLog()
    await asyncio.gather(*(LeftBehind(tmp_path, log, Store(), thread).look() for _ in range(3)))
    assert log.of("a") == [str(number) for number in range(20)]


async def test_one_event_that_cannot_be_appended_and_one_record_of_another_build_keep_no_other_back(
    tmp_path: Path, thread: ThreadPoolExecutor
) -> None:
    foreign = commit("a", "2", "two").replace(b"call.warned", b"call.future")
    leave(
        tmp_path / "dead.events.spool",
        [commit("a", "1", "one", "poison", "1b"), foreign, b"no commit at all", commit("a", "3", "three")],
    )
    log = FakeLog(["poison"] * 20)
    assert await LeftBehind(tmp_path, log, Store(), thread).look() == 4
    assert log.of("a") == ["one", "1b", "three"]
    aside = SpoolFile(tmp_path / "dead.events.unreadable")
    assert list(aside.waiting()) == [foreign, b"no commit at all"]
    aside.close()
