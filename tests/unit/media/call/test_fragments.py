"""Fragments on their way to their log: gapless, bounded, partials first to go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.fragments import Fragment, FragmentBatch
from media.call.fragment_spool import FragmentSpool
from media.call.fragments import FragmentBuffer, FragmentSource
from media.call.spool_file import SpoolFile
from media.call.spool_records import decode_batch
from media.machine.inputs import FinalHeard, PartialHeard
from streams.media_log.embedded import EmbeddedFragmentLog
from tests.patience import PATIENCE_S

START = datetime(2026, 1, 1, tzinfo=UTC)


class Store:
    def __init__(self, failures: int = 0) -> None:
        self.batches: list[FragmentBatch] = []
        self.failures = failures

    def append(self, batches: Sequence[FragmentBatch]) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError(28, "No space left on device")
        self.batches.extend(batches)

    def read(self, call_id: str, *, source: str | None = None, types: Iterable[str] = ()) -> list[Fragment]:
        return [fragment for batch in self.batches if batch.call_id == call_id for fragment in batch.fragments]


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def buffer(
    store: Store | EmbeddedFragmentLog,
    thread: ThreadPoolExecutor,
    spool: Path,
    cap: int = 1_000,
    spool_bytes: int = 1 << 20,
    patience_s: float = PATIENCE_S,
) -> FragmentBuffer:
    return FragmentBuffer(
        store,
        thread,
        FragmentSpool(spool, cap_bytes=spool_bytes),
        thread,
        cap=cap,
        flush_ms=10,
        patience_s=patience_s,
        retry_s=0.0,
    )


async def test_each_call_has_its_own_gapless_numbers_in_one_batch_per_flush(
    thread: ThreadPoolExecutor, tmp_path: Path
) -> None:
    store = Store()
    buffered = buffer(store, thread, tmp_path / "spool")
    calls = [buffered.open(name, "call", "org", START) for name in ("a", "b")]
    for round_number in range(3):
        for call in calls:
            for step in range(4):
                call.note("mark.t1", round_number * 10.0 + step, {"turn": step})
        await buffered.flush()
    assert len(store.batches) == 6
    for name in ("a", "b"):
        fragments = store.read(name)
        assert [fragment.seq for fragment in fragments] == list(range(1, 13))
        assert [fragment.at_ms for fragment in fragments] == sorted(fragment.at_ms for fragment in fragments)


async def test_machine_inputs_are_kept_as_plain_values(thread: ThreadPoolExecutor, tmp_path: Path) -> None:
    store = Store()
    buffered = buffer(store, thread, tmp_path / "spool")
    buffered.open("a", "call", "org", START).note("machine.input", 5.0, FinalHeard(text="hello"))
    await buffered.flush()
    assert store.read("a")[0].data == {"input": "FinalHeard", "text": "hello"}


async def test_when_full_the_oldest_partials_go_first_and_are_counted(
    thread: ThreadPoolExecutor, tmp_path: Path
) -> None:
    store = Store()
    buffered = buffer(store, thread, tmp_path / "spool", cap=10)
    call = buffered.open("a", "call", "org", START)
    for number in range(5):
        call.note("mark.t1", number, {})
        call.note("machine.input", number, PartialHeard(text=str(number)))
    for number in range(4):
        call.note("transcript.final", 100 + number, {})
    await buffered.flush()
    (batch,) = store.batches
    assert batch.dropped == 4
    assert [fragment.seq for fragment in batch.fragments] == list(range(1, 11))
    assert [f.data["text"] for f in batch.fragments if f.type == "machine.input"] == ["4"]
    assert sum(fragment.type == "transcript.final" for fragment in batch.fragments) == 4


@given(
    st.lists(st.sampled_from(["transcript.partial", "transcript.final", "mark.t4"]), max_size=60), st.integers(1, 20)
)
def test_the_bound_holds_and_no_final_is_ever_dropped(kinds: list[str], cap: int) -> None:
    async def run() -> None:
        store = Store()
        with ThreadPoolExecutor(1) as executor, TemporaryDirectory() as folder:
            buffered = buffer(store, executor, Path(folder) / "spool", cap)
            call = buffered.open("a", "call", "org", START)
            for kind in kinds:
                call.note(kind, 0.0, {})
                assert len(buffered) <= max(cap, kinds.count("transcript.final"))
            await buffered.flush()
        fragments = store.read("a")
        assert sum(fragment.type == "transcript.final" for fragment in fragments) == kinds.count("transcript.final")
        assert len(fragments) + sum(batch.dropped for batch in store.batches) == len(kinds)

    asyncio.run(run())


async def test_what_the_store_refuses_is_stored_the_next_time_in_order(
    thread: ThreadPoolExecutor, tmp_path: Path
) -> None:
    store = Store(failures=2)
    buffered = buffer(store, thread, tmp_path / "spool")
    call = buffered.open("a", "call", "org", START)
    for number in range(3):
        call.note("mark.t1", number, {})
        await buffered.flush()
        assert buffered.available == (number == 2)
    assert [fragment.seq for fragment in store.read("a")] == [1, 2, 3]
    assert len(buffered) == 0


async def test_what_the_store_refuses_waits_on_disk_and_not_in_memory(
    thread: ThreadPoolExecutor, tmp_path: Path
) -> None:
    store = Store(failures=40)
    buffered = buffer(store, thread, tmp_path / "spool", cap=50)
    call = buffered.open("a", "call", "org", START)
    for number in range(40):
        for _ in range(40):
            call.note("mark.t1", number, {})
        await buffered.flush()
        assert len(buffered) == 0
    for _ in range(2):
        call.note("mark.t1", 99.0, {})
        await buffered.flush()
    fragments = store.read("a")
    assert [fragment.seq for fragment in fragments] == list(range(1, 1_603))
    assert sum(batch.dropped for batch in store.batches) == 0
    buffered.close()
    assert not (tmp_path / "spool").exists()


async def test_store_and_disk_that_both_stay_away_do_not_fill_the_memory(
    thread: ThreadPoolExecutor, tmp_path: Path
) -> None:
    store = Store(failures=11)
    (tmp_path / "file-in-the-way").write_text("not a folder")
    buffered = buffer(store, thread, tmp_path / "file-in-the-way" / "spool", cap=50)
    call = buffered.open("a", "call", "org", START)
    for _ in range(10):
        for _ in range(20):
            call.note("mark.t1", 0.0, {})
            call.note("model.delta", 0.0, {})
        call.note("transcript.final", 0.0, {})
        await buffered.flush()
        assert not buffered.kept
    assert len(buffered) <= 50
    await buffered.flush()
    await buffered.flush()
    fragments = store.read("a")
    assert sum(fragment.type == "transcript.final" for fragment in fragments) == 10
    assert sum(batch.dropped for batch in store.batches) + len(fragments) == 410


@pytest.mark.parametrize("spool_bytes", [20_000, 80_000])
async def test_a_full_spool_sheds_the_oldest_partials_first_and_counts_them(
    thread: ThreadPoolExecutor, tmp_path: Path, spool_bytes: int
) -> None:
    store = Store(failures=100)
    spool = tmp_path / "spool"
    buffered = buffer(store, thread, spool, spool_bytes=spool_bytes)
    calls = [buffered.open(name, "call", "org", START) for name in "ab"]
    for number in range(100):
        for call in calls:
            for kind in ("mark.t1", "model.delta", "model.delta"):
                call.note(kind, float(number), {"padding": "x" * 60})
        calls[0].note("transcript.final", float(number), {})
        await buffered.flush()
        assert spool.stat().st_size <= spool_bytes + 2_000
    await buffered.flush()
    kept = store.read("a") + store.read("b")
    kinds = [fragment.type for fragment in kept]
    assert kinds.count("transcript.final") == 100
    assert len(kept) + sum(batch.dropped for batch in store.batches) == 700
    for name in "ab":
        numbers = [fragment.seq for fragment in store.read(name)]
        assert numbers == sorted(set(numbers))
        deltas = [fragment.at_ms for fragment in store.read(name) if fragment.type == "model.delta"]
        assert 99 in deltas
        assert 0 not in deltas
    if spool_bytes == 80_000:
        assert kinds.count("mark.t1") == 200


async def test_a_store_that_does_not_answer_keeps_nothing_off_the_disk(
    thread: ThreadPoolExecutor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answer = Event()

    class Silent(Store):
        def append(self, batches: Sequence[FragmentBatch]) -> None:
            answer.wait(PATIENCE_S)
            super().append(batches)

    store = Silent()
    with ThreadPoolExecutor(1) as spool_thread:
        buffered = FragmentBuffer(
            store,
            thread,
            FragmentSpool(tmp_path / "spool", cap_bytes=1 << 20),
            spool_thread,
            cap=100,
            flush_ms=10,
            patience_s=0.01,
            retry_s=0.0,
        )
        call = buffered.open("a", "call", "org", START)
        for number in range(5):
            call.note("mark.t1", number, {})
            await buffered.flush()
            # So long that it counts as away.
            await asyncio.sleep(0.02)
        assert len(buffered) == 0
        assert not buffered.available
        copy = tmp_path / "copy"
        copy.write_bytes((tmp_path / "spool").read_bytes())
        spooled = SpoolFile(copy)
        assert [decode_batch(record).fragments[0].seq for record in spooled.waiting()] == [1, 2, 3, 4, 5]
        answer.set()
        async with asyncio.timeout(PATIENCE_S):
            while not buffered.available or (tmp_path / "spool").stat().st_size > 8:
                await buffered.flush()
        assert [record.message for record in caplog.records].count("fragments.store_unavailable") == 1
        # The first batch was under way when it was spooled: it comes again, and the log knows its number.
        assert [fragment.seq for fragment in store.read("a")] == [1, 1, 2, 3, 4, 5]


async def test_calls_that_end_while_a_flush_is_under_way_share_the_next_one(
    thread: ThreadPoolExecutor, tmp_path: Path
) -> None:
    answer, asked = Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    class Waiting(Store):
        def __init__(self) -> None:
            super().__init__()
            self.appends = 0

        def append(self, batches: Sequence[FragmentBatch]) -> None:
            self.appends += 1
            loop.call_soon_threadsafe(asked.set)
            answer.wait(PATIENCE_S)
            super().append(batches)

    store = Waiting()
    buffered = buffer(store, thread, tmp_path / "spool")
    calls = [buffered.open(f"call-{number}", "call", "org", START) for number in range(20)]
    calls[0].note("mark.t1", 0.0, {})
    first = asyncio.create_task(buffered.flush())
    await asked.wait()

    async def end(call: FragmentSource) -> None:
        call.note("mark.t2", 1.0, {})
        await buffered.flush()
        assert [fragment.type for fragment in store.read(call.call_id)][-1:] == ["mark.t2"]

    ends = [asyncio.create_task(end(call)) for call in calls]
    await asyncio.sleep(0)
    answer.set()
    await asyncio.gather(first, *ends)
    assert store.appends == 2


async def test_a_flush_that_is_cancelled_loses_nothing(thread: ThreadPoolExecutor, tmp_path: Path) -> None:
    store, busy = Store(), Event()
    buffered = buffer(store, thread, tmp_path / "spool")
    call = buffered.open("a", "call", "org", START)
    call.note("mark.t1", 1.0, {})
    occupied = asyncio.get_running_loop().run_in_executor(thread, busy.wait, PATIENCE_S)
    flush = asyncio.create_task(buffered.flush())
    await asyncio.sleep(0)
    call.note("mark.t1", 2.0, {})
    flush.cancel()
    await asyncio.wait({flush})
    assert flush.cancelled()
    busy.set()
    await occupied
    await buffered.flush()
    assert [(fragment.seq, fragment.at_ms) for fragment in store.read("a")] == [(1, 1.0), (2, 2.0)]
    assert len(buffered) == 0


async def test_the_flusher_writes_by_itself(thread: ThreadPoolExecutor, tmp_path: Path) -> None:
    stored = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Watched(Store):
        def append(self, batches: Sequence[FragmentBatch]) -> None:
            super().append(batches)
            loop.call_soon_threadsafe(stored.set)

    store = Watched()
    buffered = buffer(store, thread, tmp_path / "spool")
    task = asyncio.create_task(buffered.run())
    buffered.open("a", "call", "org", START).note("mark.t1", 0.0, {})
    async with asyncio.timeout(PATIENCE_S):
        await stored.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(store.read("a")) == 1


async def test_a_fragment_that_cannot_be_encoded_takes_no_other_with_it(
    thread: ThreadPoolExecutor, tmp_path: Path
) -> None:
    store = EmbeddedFragmentLog(tmp_path / "media.db")
    buffered = buffer(store, thread, tmp_path / "spool")
    for call in (buffered.open("a", "call", "org", START), buffered.open("b", "call", "org", START)):
        call.note("mark.t1", 1.0, {"at": 1})
        call.note("model.delta", 2.0, {"text": "\ud800" if call.call_id == "a" else "fine"})
        call.note("mark.t1", 3.0, {"at": 3})
    await buffered.flush()
    assert [fragment.data for fragment in store.read("a")] == [{"at": 1}, {"at": 3}]
    assert [fragment.data for fragment in store.read("b")] == [{"at": 1}, {"text": "fine"}, {"at": 3}]
    assert len(buffered) == 0
    store.close()
