"""What every runner must do with the same processors of fragments and the same fragments, whatever hosts it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest

from domain.fragments import Fragment, FragmentBatch, FragmentFeed, FragmentLog, FragmentProcessor, PlacedBatch
from domain.log.position import Position
from domain.processing import DeadLetter, Effect, Rows, SinkUnavailable
from projections.tables.fragments import FragmentTable
from streams.live_figures.entries import Changes, Entry, MediaSource
from streams.live_figures.entries import reached as reached_of
from streams.live_figures.media_entries import fold_media
from streams.live_figures.media_facts import LiveMedia
from streams.processing.fragments import FragmentPipeline
from tests.contracts.runner_contract import RowFile

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Sensitive:
    """Passes batches on to ``inner``, but fails on those that have a fragment with one of these texts."""

    inner: FragmentProcessor
    poison: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def version(self) -> int:
        return self.inner.version

    def apply(self, partition: int, placed: PlacedBatch) -> Iterable[Effect]:
        for fragment in placed.batch.fragments:
            if fragment.data.get("text") in self.poison:
                raise ValueError(f"{fragment.data['text']} is poison")
        return self.inner.apply(partition, placed)


class HostedFragments(Protocol):
    """A runner at work."""

    async def reached(self, partition: int, number: int) -> None: ...

    async def retry(self, processor: str, call_id: str) -> int: ...

    def letters(self) -> list[DeadLetter]: ...


class Fragments(FragmentLog, FragmentFeed, Protocol):
    """Where batches are appended and read from."""


HostingFragments = Callable[[FragmentPipeline], AbstractAsyncContextManager[HostedFragments]]
"""Host a pipeline on the implementation's fragments, as a process would; twice in a test is a restart."""


def processors(poison: set[str] | None = None) -> tuple[FragmentProcessor, ...]:
    return (Sensitive(FragmentTable(keep_words=True), poison or set()), LiveMedia())


def batches(calls: Iterable[int], *, first_seq: int = 0) -> list[FragmentBatch]:
    """Three fragments of each call, in one batch."""
    return [
        FragmentBatch(
            call_id=f"call-{call}",
            source="media-1",
            org_id=f"org-{call % 2}",
            started_at=START + timedelta(seconds=20 * call),
            fragments=tuple(
                Fragment(
                    seq=first_seq + index,
                    type=kind,
                    at_ms=1000.0 * (first_seq + index),
                    data={"input": "PartialHeard", "text": f"words of {call}"} if kind == "machine.input" else {},
                )
                for index, kind in enumerate(("machine.input", "mark.t4", "turn.state"))
            ),
        )
        for call in calls
    ]


class FragmentRunnerContract:
    """Subclasses give the fixtures ``fragments`` (empty) and ``hosting``."""

    @pytest.fixture
    def sink(self, tmp_path: Path) -> RowFile:
        return RowFile(tmp_path / "rows.db", gapless=False)

    async def test_rows_are_those_of_a_plain_loop(
        self, fragments: Fragments, hosting: HostingFragments, sink: RowFile
    ) -> None:
        fragments.append(batches(range(8)))
        async with hosting(FragmentPipeline("contract", processors(), sink, pause_seconds=0.01)) as hosted:
            await reached(hosted, fragments)
            # What comes while it runs is dealt with like what was there.
            fragments.append(batches(range(8, 12)))
            await reached(hosted, fragments)
        assert sink.rows() == plain_rows(fragments)
        assert len(sink.rows()) == 12 * (3 + 1)

    async def test_a_poisoned_batch_parks_what_follows_it_of_its_call_and_nothing_else(
        self, fragments: Fragments, hosting: HostingFragments, sink: RowFile
    ) -> None:
        poison = {"words of 3"}
        fragments.append([*batches(range(6)), *batches(range(6), first_seq=3)])
        pipeline = FragmentPipeline("contract", processors(poison), sink, pause_seconds=0.01)
        async with hosting(pipeline) as hosted:
            await reached(hosted, fragments)
            letters = hosted.letters()
            assert {(letter.processor, letter.originator_id) for letter in letters} == {("fragment-table", "call-3")}
            assert [letter.attempt for letter in letters] == [1, 1]
            assert "words of 3 is poison" in letters[0].reason
            missing = set(plain_rows(fragments)) - set(sink.rows())
            assert len(missing) == 6
            assert all("call-3" in row for _, row in missing)

            # Still poisoned: it is tried, fails, and the order stands.
            assert await hosted.retry("fragment-table", "call-3") == 0
            assert [letter.attempt for letter in hosted.letters()] == [2, 1]
        # Parked over a restart, and behind them what comes now.
        fragments.append(batches([3], first_seq=6))
        poison.clear()
        async with hosting(pipeline) as hosted:
            await reached(hosted, fragments)
            assert len(hosted.letters()) == 3
            assert await hosted.retry("fragment-table", "call-3") == 3
            assert hosted.letters() == []
        assert sink.rows() == plain_rows(fragments)

    async def test_a_sink_that_is_away_holds_everything_back_and_loses_nothing(
        self, fragments: Fragments, hosting: HostingFragments, sink: RowFile
    ) -> None:
        refusals = 0

        def away(first: Position, last: Position) -> None:
            nonlocal refusals
            refusals += 1
            if refusals <= 3:
                raise SinkUnavailable("away")

        sink.before_write = away
        fragments.append(batches(range(4)))
        async with hosting(FragmentPipeline("contract", processors(), sink, pause_seconds=0.01)) as hosted:
            await reached(hosted, fragments)
        assert refusals > 3
        assert sink.rows() == plain_rows(fragments)

    async def test_what_is_sent_again_counts_once_in_the_live_figures(
        self, fragments: Fragments, hosting: HostingFragments
    ) -> None:
        kept = Kept()
        fragments.append(batches(range(4)))
        async with hosting(FragmentPipeline("contract", (LiveMedia(),), kept, pause_seconds=0.01)) as hosted:
            await reached(hosted, fragments)
        # A sender that heard no answer; then one that goes on.
        fragments.append([*batches(range(2)), *batches([0], first_seq=3)])
        async with hosting(FragmentPipeline("contract", (LiveMedia(),), kept, pause_seconds=0.01)) as hosted:
            await reached(hosted, fragments)
        assert kept.totals() == {"partials": 5, "fragments": 15}


class Kept:
    """A ``RowSink`` of entries, as files and tables keep them."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def write(self, first: Position, last: Position, rows: Sequence[Rows]) -> None:
        changes: Changes = fold_media(self.entries, last, rows)
        for key, entry in changes.items():
            if entry is None:
                del self.entries[key]
            else:
                self.entries[key] = entry

    def resume_from(self, shard: int) -> Position:
        return Position(shard, reached_of(self.entries, shard).through)

    def planned_end(self, shard: int) -> Position | None:
        return None

    def totals(self) -> dict[str, int]:
        minutes = [
            counts
            for entry in self.entries.values()
            if isinstance(entry, MediaSource)
            for counts in entry.minutes.values()
        ]
        return {
            "partials": sum(counts.partials for counts in minutes),
            "fragments": sum(counts.fragments for counts in minutes),
        }


async def reached(hosted: HostedFragments, fragments: Fragments) -> None:
    """Until everything that there is now is in the sink."""
    for partition in fragments.partitions:
        await hosted.reached(partition, fragments.end(partition))


def plain_rows(fragments: Fragments) -> list[tuple[str, str]]:
    """The rows that a loop without any runner makes."""
    made = []
    for partition in fragments.partitions:
        for placed in fragments.after(partition, 0, 10_000):
            for processor in processors():
                made += [
                    (part.table, json.dumps(row, default=str))
                    for part in processor.apply(partition, placed)
                    for row in part.rows
                ]
    return sorted(made)
