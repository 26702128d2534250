"""Batches of fragments as records: whole, readable without callfold, and never too large."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.fragments import Fragment, FragmentBatch
from streams.media_log.envelope import (
    FragmentTooLarge,
    Heading,
    UnreadableBatch,
    read_batch,
    read_heading,
    to_records,
)

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
MANY = 1_000_000


def batch(*fragments: Fragment, dropped: int = 0) -> FragmentBatch:
    return FragmentBatch(
        call_id="call-1", source="media-1", org_id="org-1", started_at=START, fragments=fragments, dropped=dropped
    )


def words(*texts: str) -> tuple[Fragment, ...]:
    return tuple(
        Fragment(seq=seq, type="transcript.partial", at_ms=seq * 10.0, data={"text": text})
        for seq, text in enumerate(texts, 1)
    )


def test_any_tool_reads_the_value() -> None:
    (record,) = to_records(batch(*words("héllo"), dropped=2), MANY)
    assert json.loads(record.value) == {
        "call_id": "call-1",
        "source": "media-1",
        "org_id": "org-1",
        "started_at": "2026-11-21T09:00:00Z",
        "fragments": [{"seq": 1, "type": "transcript.partial", "at_ms": 10.0, "data": {"text": "héllo"}}],
        "dropped": 2,
    }
    assert record.headers == (
        ("v", b"1"),
        ("call", b"call-1"),
        ("source", b"media-1"),
        ("seqs", b"[1,1]"),
        ("dropped", b"2"),
        ("content-type", b"application/json"),
    )


def test_the_headers_alone_say_whose_it_is() -> None:
    (record,) = to_records(batch(*words("a", "b")), MANY)
    assert read_heading(record.headers) == Heading("call-1", "media-1", 1, 0)


def test_a_batch_without_fragments_is_no_record() -> None:
    assert list(to_records(batch(dropped=3), MANY)) == []


@given(st.lists(st.text(max_size=200), min_size=1, max_size=40), st.integers(0, 9))
def test_a_large_batch_is_split_and_loses_nothing(texts: list[str], dropped: int) -> None:
    whole = batch(*words(*texts), dropped=dropped)
    most = 2500
    records = list(to_records(whole, most))
    parts = [read_batch(record.value) for record in records]
    assert all(len(record.value) <= most for record in records)
    assert tuple(found for part in parts for found in part.fragments) == whole.fragments
    assert sum(part.dropped for part in parts) == dropped
    assert [read_heading(record.headers).first_seq for record in records] == [part.fragments[0].seq for part in parts]


def test_a_fragment_that_no_record_can_hold_is_named() -> None:
    with pytest.raises(FragmentTooLarge, match=r"fragment 2 \(transcript.partial\) of call call-1 .* may have 500"):
        list(to_records(batch(*words("short", "long" * 500)), 500))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"v": None}, "version is b'missing'"),
        ({"v": b"2"}, "version is b'2', not 1"),
        ({"call": None}, "header 'call' is missing"),
        ({"seqs": b"[1]"}, "cannot be read"),
        ({"seqs": b"one"}, "cannot be read"),
        ({"dropped": b"many"}, "cannot be read"),
        ({"call": b"\xff"}, "cannot be read"),
    ],
)
def test_headers_of_something_else_are_refused(changed: dict[str, bytes | None], said: str) -> None:
    (record,) = to_records(batch(*words("a")), MANY)
    headers = dict(record.headers) | changed
    with pytest.raises(UnreadableBatch, match=said):
        read_heading([(name, content) for name, content in headers.items() if content is not None])


def test_a_value_of_something_else_is_refused() -> None:
    with pytest.raises(UnreadableBatch, match="no batch of fragments"):
        read_batch(b'{"call_id": 7}')
