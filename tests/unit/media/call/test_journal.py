"""Events on their way to the log: in order, in batches, through outages, under stable commit ids."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.call.events import Warned
from domain.event import Event, Recorded
from domain.log.ports import Appended, LogUnavailable, OutcomeUnknown
from domain.log.position import Position
from media.call.event_spool import EventSpool, Waiting
from media.call.journal_writer import JournalWriter
from media.call.spool_file import SpoolFile
from media.call.spool_records import decode_commit
from tests.patience import PATIENCE_S

START = datetime(2026, 1, 1, tzinfo=UTC)


def event(number: int) -> Warned:
    return Warned(code="numbered", detail=str(number))


class FakeLog:
    """Accepts, refuses or forgets to answer, as scripted; knows commits it has seen."""

    def __init__(self, script: Sequence[str] = ()) -> None:
        self._script = iter(script)
        self._default = "accept"
        self._open = asyncio.Event()
        self._open.set()
        self._held = asyncio.Event()
        self.accepted: dict[str, list[tuple[str, datetime]]] = {}
        self.commits: dict[str, tuple[str, int]] = {}
        self.sizes: list[int] = []

    async def execute(self, *arguments: Any, **more: Any) -> Any:
        raise AssertionError("facts are recorded, not commanded")

    async def record(
        self, originator_id: str, events: Sequence[Event], times: Sequence[datetime], *, commit_id: str | None = None
    ) -> Appended:
        await asyncio.sleep(0)
        assert commit_id is not None
        if not self._open.is_set():
            self._held.set()
            await self._open.wait()
        outcome = next(self._script, self._default)
        if outcome == "refuse":
            raise LogUnavailable("not now")
        if outcome == "poison" and any(getattr(event, "detail", "") == "poison" for event in events):
            raise TypeError("cannot be encoded")
        details = [event.detail for event in events if isinstance(event, Warned)]
        if commit_id not in self.commits:
            self.commits[commit_id] = (originator_id, len(events))
            self.sizes.append(len(events))
            self.accepted.setdefault(originator_id, []).extend(zip(details, times, strict=True))
        elif self.commits[commit_id] != (originator_id, len(events)):
            raise AssertionError("a commit id was used for something else")
        if outcome == "forget":
            raise OutcomeUnknown("no answer")
        recorded = tuple(Recorded(originator_id, 1, "", time, event) for event, time in zip(events, times, strict=True))
        return Appended(Position(0, 1), recorded)

    def hold(self) -> None:
        """Answer nobody."""
        self._open.clear()

    async def until_held(self) -> None:
        """Somebody waits for an answer."""
        async with asyncio.timeout(PATIENCE_S):
            await self._held.wait()

    def refuse_from_now_on(self) -> None:
        self._default = "refuse"
        self._open.set()

    def accept_from_now_on(self) -> None:
        self._default = "accept"
        self._open.set()

    def of(self, call: str) -> list[str]:
        return [detail for detail, _ in self.accepted.get(call, [])]


class WatchedSpool(EventSpool):
    """Tells when something was kept or tidied away."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.changed = asyncio.Condition()

    async def keep(self, waiting: Sequence[Waiting]) -> None:
        await super().keep(waiting)
        await self._tell()

    async def tidy(self, kept: Iterable[Waiting]) -> None:
        await super().tidy(kept)
        await self._tell()

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()


class WatchedWriter(JournalWriter):
    def __init__(self, commands: FakeLog, new_id: Callable[[], str], spool: WatchedSpool, **more: Any) -> None:
        super().__init__(commands, new_id, spool, **more)
        self.changed = spool.changed

    async def until(self, condition: Callable[[], bool]) -> None:
        """The condition holds after something was kept or tidied away."""
        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(condition)


@asynccontextmanager
async def writing(
    log: FakeLog, spool_path: Path | None = None, *, cap_bytes: int = 1 << 20, patience_s: float = PATIENCE_S
) -> AsyncIterator[WatchedWriter]:
    numbers = itertools.count()
    with TemporaryDirectory() as folder, ThreadPoolExecutor(1) as thread:
        path = spool_path or Path(folder) / "journal.events.spool"
        spool = WatchedSpool(path, thread, cap_bytes=cap_bytes, reserve_bytes=1 << 16)
        writer = WatchedWriter(
            log,
            lambda: f"commit-{next(numbers)}",
            spool,
            retry_s=0.001,
            patience_s=patience_s,
            overflowed=lambda: None,
        )
        task = asyncio.create_task(writer.run())
        try:
            yield writer
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            spool.close()


async def test_events_arrive_in_order_with_their_times_and_in_batches() -> None:
    log = FakeLog()
    async with writing(log) as writer:
        journal = writer.open("call", cap=100)
        for number in range(600):
            journal.append(event(number), START + timedelta(seconds=number))
        await journal.flushed()
    assert log.of("call") == [str(number) for number in range(600)]
    assert log.accepted["call"][599][1] == START + timedelta(seconds=599)
    assert len(log.sizes) <= 4


@given(
    st.lists(st.sampled_from(["accept", "refuse", "forget"]), max_size=30),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 4), st.booleans()), max_size=20),
)
def test_whatever_the_log_does_every_event_is_there_once_and_in_order(
    script: list[str], work: list[tuple[str, int, bool]]
) -> None:
    async def run() -> None:
        log = FakeLog(script)
        expected: dict[str, list[str]] = {}
        async with writing(log) as writer:
            journals = {call: writer.open(call, cap=10_000) for call in "abc"}
            numbers = itertools.count()
            for call, count, pause in work:
                for number in itertools.islice(numbers, count):
                    journals[call].append(event(number), START)
                    expected.setdefault(call, []).append(str(number))
                if pause:
                    await asyncio.sleep(0)
            async with asyncio.timeout(PATIENCE_S):
                for journal in journals.values():
                    await journal.flushed()
        assert {call: log.of(call) for call in expected} == expected

    asyncio.run(run())


async def test_one_event_that_cannot_be_appended_keeps_no_other_from_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = FakeLog(["poison"] * 20)
    async with writing(log) as writer:
        journal = writer.open("call", cap=100)
        for detail in ("1", "2", "poison", "3"):
            journal.append(Warned(code="x", detail=detail), START)
        async with asyncio.timeout(PATIENCE_S):
            await journal.flushed()
    assert log.of("call") == ["1", "2", "3"]
    assert any(record.message == "journal.event_refused" for record in caplog.records)


async def test_a_journal_says_when_too_much_waits() -> None:
    log = FakeLog(["refuse"] * 1_000_000)
    async with writing(log) as writer:
        journal = writer.open("call", cap=3)
        for number in range(3):
            journal.append(event(number), START)
        assert not journal.overdue
        journal.append(event(3), START)
        assert journal.overdue
        assert len(journal) == 4


async def test_calls_do_not_wait_for_each_other() -> None:
    release = asyncio.Event()

    class SlowForOne(FakeLog):
        async def record(self, originator_id: str, *arguments: Any, **more: Any) -> Appended:
            if originator_id == "slow":
                await release.wait()
            return await super().record(originator_id, *arguments, **more)

    log = SlowForOne()
    async with writing(log) as writer:
        slow, quick = writer.open("slow", cap=10), writer.open("quick", cap=10)
        slow.append(event(1), START)
        quick.append(event(2), START)
        async with asyncio.timeout(PATIENCE_S):
            await quick.flushed()
        quick.append(event(3), START)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await quick.flushed()
        finally:
            release.set()
        await slow.flushed()
    assert log.of("quick") == ["2", "3"]


def spooled(path: Path) -> list[tuple[str, list[str]]]:
    """Commit ids and details that stand in the spool of a process that is gone."""
    spool = SpoolFile(path)
    commits = [decode_commit(record) for record in spool.waiting()]
    spool.close()
    return [
        (commit.commit_id, [event.detail for event, _ in commit.facts if isinstance(event, Warned)])
        for commit in commits
    ]


async def test_while_the_log_answers_nothing_is_spooled(tmp_path: Path) -> None:
    path = tmp_path / "journal.events.spool"
    log = FakeLog()
    async with writing(log, path) as writer:
        journal = writer.open("call", cap=100)
        for number in range(50):
            journal.append(event(number), START)
            await journal.flushed()
        assert path.read_bytes().strip(b"\0") == b""
        assert writer.trouble == ""
    assert not path.exists()


async def test_what_waits_is_on_disk_under_the_ids_it_is_sent_with_and_goes_when_the_log_has_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.events.spool"
    log = FakeLog(["accept", "forget"])
    async with writing(log, path) as writer:
        journal = writer.open("call", cap=100)
        journal.append(event(0), START)
        await journal.flushed()
        log.hold()
        journal.append(event(1), START)
        journal.append(event(2), START)
        log.refuse_from_now_on()
        await writer.until(lambda: journal.unkept == 0 and len(journal) == 2)
        journal.append(event(3), START)
        await writer.until(lambda: journal.unkept == 0 and len(journal) == 3)
        copy = tmp_path / "copy"
        copy.write_bytes(path.read_bytes())
        assert "not now" in writer.trouble
        log.accept_from_now_on()
        await journal.flushed()
        waiting = spooled(copy)
        assert [detail for _, details in waiting for detail in details] == ["1", "2", "3"]
        assert {commit_id for commit_id, _ in waiting} <= set(log.commits)
        await writer.until(lambda: path.read_bytes()[:8] == bytes(8))
        assert writer.trouble == ""
    assert log.of("call") == ["0", "1", "2", "3"]
    assert not path.exists()


async def test_a_log_that_does_not_answer_at_all_is_away_too(tmp_path: Path) -> None:
    path = tmp_path / "journal.events.spool"
    log = FakeLog()
    async with writing(log, path, patience_s=0.01) as writer:
        log.hold()
        journals = [writer.open(f"call-{number}", cap=100) for number in range(20)]
        for journal in journals:
            journal.append(event(1), START)
        await writer.until(lambda: all(journal.unkept == 0 for journal in journals))
        assert all(len(journal) == 1 for journal in journals)
        log.accept_from_now_on()
        for journal in journals:
            await journal.flushed()
    assert all(log.of(f"call-{number}") == ["1"] for number in range(20))


async def test_a_log_that_is_slow_for_one_call_is_no_trouble_and_what_waits_is_kept_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "journal.events.spool"
    release = asyncio.Event()

    class SlowForOne(FakeLog):
        async def record(self, originator_id: str, *arguments: Any, **more: Any) -> Appended:
            if originator_id == "slow":
                await release.wait()
            return await super().record(originator_id, *arguments, **more)

    async with writing(SlowForOne(), path, patience_s=0.3) as writer:
        slow, quick = writer.open("slow", cap=10), writer.open("quick", cap=10_000)
        slow.append(event(1), START)
        kept = asyncio.create_task(writer.until(lambda: slow.unkept == 0))
        while not kept.done():
            quick.append(event(2), START)
            await quick.flushed()
            await asyncio.wait({kept}, timeout=0.01)
        assert writer.trouble == ""
        release.set()
        await slow.flushed()
    assert not any("log_unavailable" in record.message for record in caplog.records)
    assert not path.exists()


async def test_a_process_that_stood_still_does_not_take_the_log_for_away() -> None:
    log = FakeLog()
    async with writing(log) as writer:
        journal = writer.open("call", cap=100)
        log.hold()
        journal.append(event(1), START)
        await log.until_held()
        for in_vain in range(4):
            assert writer.trouble == ""
            # However late it is, it is one look.
            writer._look(journal, asyncio.get_running_loop().time() - 3_600, writer._answered_s, in_vain)
        assert "no answer for 3600" in writer.trouble
        log.accept_from_now_on()
        await journal.flushed()
        assert writer.trouble == ""


async def test_that_the_log_is_away_is_said_once_however_many_calls_wait(caplog: pytest.LogCaptureFixture) -> None:
    log = FakeLog()
    async with writing(log, patience_s=0.01) as writer:
        log.hold()
        journals = [writer.open(f"call-{number}", cap=100) for number in range(40)]
        for journal in journals:
            journal.append(event(1), START)
        await writer.until(lambda: writer.trouble != "")
        assert writer.log_wait_ms > 10
        log.accept_from_now_on()
        for journal in journals:
            await journal.flushed()
        assert writer.trouble == ""
    assert [record.message for record in caplog.records].count("journal.log_unavailable") == 1


async def test_beyond_its_bound_the_spool_asks_for_fewer_calls_and_still_keeps_everything(tmp_path: Path) -> None:
    path = tmp_path / "journal.events.spool"
    log = FakeLog()
    async with writing(log, path, cap_bytes=2_000) as writer:
        journal = writer.open("call", cap=10_000)
        log.refuse_from_now_on()
        for number in range(100):
            journal.append(event(number), START)
        await writer.until(lambda: writer.overflowing)
        assert journal.unkept == 0
        assert journal.overdue
        log.accept_from_now_on()
        await journal.flushed()
        await writer.until(lambda: not writer.overflowing)
    assert log.of("call") == [str(number) for number in range(100)]


async def test_one_call_that_stays_away_does_not_let_the_file_grow_by_what_others_have_sent(tmp_path: Path) -> None:
    path = tmp_path / "journal.events.spool"

    class AwayForOne(FakeLog):
        async def record(self, originator_id: str, *arguments: Any, **more: Any) -> Appended:
            if originator_id == "away":
                await asyncio.sleep(0)
                raise LogUnavailable("its shard is away")
            return await super().record(originator_id, *arguments, **more)

    log = AwayForOne()
    async with writing(log, path, cap_bytes=4_000) as writer:
        away, other = writer.open("away", cap=100), writer.open("other", cap=10_000)
        away.append(event(1), START)
        for number in range(8):
            log.refuse_from_now_on()
            for part in range(10):
                other.append(event(number * 10 + part), START)
            await writer.until(lambda: other.unkept == 0)
            log.accept_from_now_on()
            await other.flushed()
        assert not writer.overflowing
        assert path.stat().st_size <= 1 << 16
        assert len(away) == 1
    assert log.of("other") == [str(number) for number in range(80)]
    assert ["1"] in [details for _, details in spooled(path)]


async def test_what_cannot_be_kept_on_disk_either_stays_in_memory_and_is_said(tmp_path: Path) -> None:
    path = tmp_path / "file-in-the-way" / "journal.events.spool"
    path.parent.write_text("not a folder")
    log = FakeLog()
    async with writing(log, path) as writer:
        journal = writer.open("call", cap=100)
        log.refuse_from_now_on()
        journal.append(event(1), START)
        await writer.until(lambda: writer.overflowing)
        assert "in memory only" in writer.trouble
        assert journal.unkept == 1
        log.accept_from_now_on()
        await journal.flushed()
    assert log.of("call") == ["1"]


async def test_a_process_that_ends_while_the_log_is_away_leaves_everything_in_the_spool(tmp_path: Path) -> None:
    path = tmp_path / "journal.events.spool"
    log = FakeLog()
    async with writing(log, path) as writer:
        journal = writer.open("call", cap=100)
        log.hold()
        for number in range(300):
            journal.append(event(number), START)
        await log.until_held()
        assert journal.unkept == 300
        assert await writer.leave() == 0
    assert [detail for _, details in spooled(path) for detail in details] == [str(number) for number in range(300)]
