"""Live figures of media: each fragment counts once in its minute, however its batches come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.fragments import Fragment, FragmentBatch, PlacedBatch
from domain.log.position import Position
from streams.live_figures.entries import KEPT_MINUTES, Entry, MediaMinute, MediaSource, decode, encode, reached
from streams.live_figures.media_entries import fold_media
from streams.live_figures.media_facts import LiveMedia
from streams.live_figures.report import report

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def noted(call_id: str, seqs: Sequence[int], *, shed: int = 0, org_id: str = "org") -> FragmentBatch:
    """A fragment each 20 s of the call: in turn a partial, a piece of a model's text, and a mark."""
    kinds = (
        ("machine.input", {"input": "PartialHeard"}),
        ("machine.input", {"input": "ModelText"}),
        ("mark.t4", {"turn": 1}),
    )
    return FragmentBatch(
        call_id=call_id,
        source="media-1",
        org_id=org_id,
        started_at=NOON,
        fragments=tuple(
            Fragment(seq=seq, type=kinds[seq % 3][0], at_ms=20_000.0 * seq, data=dict(kinds[seq % 3][1]))
            for seq in seqs
        ),
        dropped=shed,
    )


def take(entries: dict[str, Entry], placed: Sequence[tuple[int, FragmentBatch]]) -> None:
    """Fold one range into the entries."""
    rows = [rows for number, batch in placed for rows in LiveMedia().apply(0, PlacedBatch(number, batch))]
    for key, entry in fold_media(entries, Position(0, placed[-1][0]), rows).items():
        if entry is None:
            del entries[key]
        else:
            entries[key] = entry


BATCHES = [
    (2, noted("a", range(0, 2))),
    (3, noted("b", range(0, 3), org_id="other")),
    (5, noted("a", range(2, 5), shed=2)),
    (6, noted("b", range(3, 4), org_id="other")),
    (9, noted("a", range(5, 9))),
]


def test_each_minute_tells_what_was_noted_in_it() -> None:
    entries: dict[str, Entry] = {}
    take(entries, BATCHES)
    minutes = report(entries.items(), "org", NOON + timedelta(minutes=2, seconds=30), 4).minutes
    found = [(m.media.partial_transcripts, m.media.model_pieces, m.media.fragments) for m in minutes]
    assert found == [(0, 0, 0), (1, 1, 3), (1, 1, 3), (1, 1, 3)]
    assert [m.media.fragments_shed for m in minutes] == [0, 2, 0, 0]
    assert reached(entries, 0).through == 9
    assert {key: decode(encode(entry)) for key, entry in entries.items()} == entries


LENGTHS = {"a": 9, "b": 4}
SENDINGS = st.tuples(st.sampled_from(sorted(LENGTHS)), st.integers(0, 8), st.integers(1, 9), st.integers(0, 2))


@given(sendings=st.lists(SENDINGS, max_size=12))
def test_repetitions_overlaps_and_crashes_change_nothing(sendings: list[tuple[str, int, int, int]]) -> None:
    """Batches come again under later numbers and cut elsewhere; what a crash left unkept comes again too."""
    whole: dict[str, Entry] = {}
    take(whole, BATCHES)
    entries: dict[str, Entry] = {}
    through = dict.fromkeys(LENGTHS, 0)
    finally_all = [(call_id, 0, length, 2) for call_id, length in LENGTHS.items()]
    for number, (call_id, begin, length, kept) in enumerate([*sendings, *finally_all], 1):
        # A sender goes back, but passes over nothing that it has not sent yet.
        begin = min(begin, through[call_id])
        end = min(begin + length, LENGTHS[call_id])
        if begin < end:
            batch = noted(call_id, range(begin, end), org_id="org" if call_id == "a" else "other")
            rows = list(LiveMedia().apply(0, PlacedBatch(number, batch)))
            changes = fold_media(entries, Position(0, number), rows)
            # How far all are comes last, so that a crash leaves nothing, the entry alone, or both.
            entries |= {key: entry for key, entry in list(changes.items())[:kept] if entry is not None}
            if kept:
                through[call_id] = max(through[call_id], end)
    counts = {key: entry.minutes for key, entry in entries.items() if isinstance(entry, MediaSource)}
    expected = {
        key: {minute: MediaMinute(c.partials, c.pieces, c.fragments) for minute, c in entry.minutes.items()}
        for key, entry in whole.items()
        if isinstance(entry, MediaSource)
    }
    assert counts == expected
    assert reached(entries, 0).minute == reached(whole, 0).minute


def test_old_minutes_and_calls_go() -> None:
    entries: dict[str, Entry] = {}
    take(entries, BATCHES)
    late = FragmentBatch(
        call_id="c",
        source="media-1",
        org_id="org",
        started_at=NOON + timedelta(minutes=KEPT_MINUTES + 2),
        fragments=(Fragment(seq=0, type="mark.t0", at_ms=0.0),),
    )
    take(entries, [(10, late)])
    assert sorted(key for key in entries if "|media|" in key) == ["0|org|media|a|media-1", "0|org|media|c|media-1"]
    left = entries["0|org|media|a|media-1"]
    assert isinstance(left, MediaSource)
    assert len(left.minutes) == 1


@pytest.mark.parametrize("at_ms", [-1.0, 1e300])
def test_a_time_that_is_none_stops_nobody(at_ms: float) -> None:
    odd = FragmentBatch(
        call_id="c",
        source="media-1",
        org_id="org",
        started_at=NOON,
        fragments=(Fragment(seq=0, type="mark.t0", at_ms=at_ms),),
    )
    entries: dict[str, Entry] = {}
    take(entries, [(1, odd)])
    assert sum(
        counts.fragments for e in entries.values() if isinstance(e, MediaSource) for counts in e.minutes.values()
    )
