"""Fragments on their way to their log: gapless, bounded, partials first to go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.fragments import Fragment, FragmentBatch
from media.call.fragments import FragmentBuffer
from media.machine.inputs import FinalHeard, PartialHeard
from streams.media_log.embedded import EmbeddedFragmentLog

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


def buffer(store: Store, thread: ThreadPoolExecutor, cap: int = 1_000) -> FragmentBuffer:
    return FragmentBuffer(store, thread, cap=cap, flush_ms=10)


async def test_each_call_has_its_own_gapless_numbers_in_one_batch_per_flush(thread: ThreadPoolExecutor) -> None:
    store = Store()
    buffered = buffer(store, thread)
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


async def test_machine_inputs_are_kept_as_plain_values(thread: ThreadPoolExecutor) -> None:
    store = Store()
    buffered = buffer(store, thread)
    buffered.open("a", "call", "org", START).note("machine.input", 5.0, FinalHeard(text="hello"))
    await buffered.flush()
    assert store.read("a")[0].data == {"input": "FinalHeard", "text": "hello"}


async def test_when_full_the_oldest_partials_go_first_and_are_counted(thread: ThreadPoolExecutor) -> None:
    store = Store()
    buffered = buffer(store, thread, cap=10)
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
        with ThreadPoolExecutor(1) as executor:
            buffered = buffer(store, executor, cap)
            call = buffered.open("a", "call", "org", START)
            for kind in kinds:
                call.note(kind, 0.0, {})
                assert len(buffered) <= max(cap, kinds.count("transcript.final"))
            await buffered.flush()
        fragments = store.read("a")
        assert sum(fragment.type == "transcript.final" for fragment in fragments) == kinds.count("transcript.final")
        assert len(fragments) + sum(batch.dropped for batch in store.batches) == len(kinds)

    asyncio.run(run())


async def test_what_the_store_refuses_is_stored_the_next_time_in_order(thread: ThreadPoolExecutor) -> None:
    store = Store(failures=2)
    buffered = buffer(store, thread)
    call = buffered.open("a", "call", "org", START)
    for number in range(3):
        call.note("mark.t1", number, {})
        await buffered.flush()
        assert buffered.available == (number == 2)
    assert [fragment.seq for fragment in store.read("a")] == [1, 2, 3]
    assert len(buffered) == 0


async def test_a_store_that_stays_away_does_not_fill_the_memory(thread: ThreadPoolExecutor) -> None:
    store = Store(failures=10)
    buffered = buffer(store, thread, cap=50)
    call = buffered.open("a", "call", "org", START)
    for _ in range(10):
        for _ in range(40):
            call.note("mark.t1", 0.0, {})
        call.note("transcript.final", 0.0, {})
        await buffered.flush()
    assert len(buffered) <= 50 + 41
    await buffered.flush()
    assert sum(fragment.type == "transcript.final" for fragment in store.read("a")) == 10
    assert sum(batch.dropped for batch in store.batches) + len(store.read("a")) == 410


async def test_the_flusher_writes_by_itself(thread: ThreadPoolExecutor) -> None:
    stored = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Watched(Store):
        def append(self, batches: Sequence[FragmentBatch]) -> None:
            super().append(batches)
            loop.call_soon_threadsafe(stored.set)

    store = Watched()
    buffered = buffer(store, thread)
    task = asyncio.create_task(buffered.run())
    buffered.open("a", "call", "org", START).note("mark.t1", 0.0, {})
    async with asyncio.timeout(5):
        await stored.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(store.read("a")) == 1


async def test_a_fragment_that_cannot_be_encoded_takes_no_other_with_it(
    thread: ThreadPoolExecutor, tmp_path: Path
) -> None:
    store = EmbeddedFragmentLog(tmp_path / "media.db")
    buffered = buffer(store, thread)
    for call in (buffered.open("a", "call", "org", START), buffered.open("b", "call", "org", START)):
        call.note("mark.t1", 1.0, {"at": 1})
        call.note("model.delta", 2.0, {"text": "\ud800" if call.call_id == "a" else "fine"})
        call.note("mark.t1", 3.0, {"at": 3})
    await buffered.flush()
    assert [fragment.data for fragment in store.read("a")] == [{"at": 1}, {"at": 3}]
    assert [fragment.data for fragment in store.read("b")] == [{"at": 1}, {"text": "fine"}, {"at": 3}]
    assert len(buffered) == 0
    store.close()
