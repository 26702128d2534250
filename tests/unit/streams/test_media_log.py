"""Media fragments: duplicates, order, and what a reader asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.fragments import Fragment, FragmentBatch
from domain.log.ports import LogUnavailable
from streams.media_log.embedded import EmbeddedFragmentLog

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def batch(source: str, *fragments: Fragment, call_id: str = "call-1", dropped: int = 0) -> FragmentBatch:
    return FragmentBatch(
        call_id=call_id, source=source, org_id="org-1", started_at=START, fragments=fragments, dropped=dropped
    )


def fragment(seq: int, at_ms: float, type: str = "mark.t0", **data: Any) -> Fragment:
    return Fragment(seq=seq, type=type, at_ms=at_ms, data=data)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedFragmentLog]:
    with closing(EmbeddedFragmentLog(tmp_path / "media.sqlite")) as opened:
        yield opened


def test_fragments_come_back_as_they_were(log: EmbeddedFragmentLog) -> None:
    said = fragment(1, 12.5, "transcript.partial", text="héllo", words=[{"at": 1.5}], final=False)
    log.append([batch("machine", said)])
    assert log.read("call-1") == [said]
    assert log.read("call-2") == []


def test_a_batch_sent_again_changes_nothing(log: EmbeddedFragmentLog) -> None:
    first = batch("machine", fragment(1, 1), fragment(2, 2), dropped=3)
    log.append([first])
    log.append([first, batch("machine", fragment(2, 99), fragment(3, 3))])
    assert log.read("call-1") == [fragment(1, 1), fragment(2, 2), fragment(3, 3)]
    assert log.dropped("call-1") == 3


def test_the_same_seq_of_another_source_or_call_is_another_fragment(log: EmbeddedFragmentLog) -> None:
    log.append(
        [
            batch("machine", fragment(1, 1)),
            batch("player", fragment(1, 2)),
            batch("machine", fragment(1, 3), call_id="b"),
        ]
    )
    assert [found.at_ms for found in log.read("call-1")] == [1, 2]
    assert [found.at_ms for found in log.read("b")] == [3]


def test_sources_are_merged_by_time_and_none_is_reordered(log: EmbeddedFragmentLog) -> None:
    log.append([batch("machine", fragment(1, 10), fragment(2, 30), fragment(3, 20), fragment(4, 40))])
    log.append([batch("player", fragment(1, 5), fragment(2, 25), fragment(3, 35))])
    assert [found.at_ms for found in log.read("call-1")] == [5, 10, 25, 30, 20, 35, 40]
    assert [found.seq for found in log.read("call-1", source="machine")] == [1, 2, 3, 4]


def test_only_the_types_asked_for_are_read(log: EmbeddedFragmentLog) -> None:
    log.append([batch("machine", fragment(1, 1, "mark.t0"), fragment(2, 2, "model.delta"), fragment(3, 3, "mark.t4"))])
    assert [found.seq for found in log.read("call-1", types=("mark.t0", "mark.t4"))] == [1, 3]
    assert [found.seq for found in log.read("call-1", source="machine", types=["model.delta"])] == [2]


def test_fragments_are_there_after_a_restart(log: EmbeddedFragmentLog, tmp_path: Path) -> None:
    log.append([batch("machine", fragment(1, 1))])
    log.close()
    with closing(EmbeddedFragmentLog(tmp_path / "media.sqlite")) as again:
        assert again.read("call-1") == [fragment(1, 1)]


def test_an_empty_append_is_no_error(log: EmbeddedFragmentLog) -> None:
    log.append([])
    log.append([batch("machine")])
    assert log.read("call-1") == []


def test_a_closed_log_refuses_by_name(log: EmbeddedFragmentLog) -> None:
    log.close()
    with pytest.raises(LogUnavailable):
        log.append([batch("machine", fragment(1, 1))])


numbered = st.lists(st.tuples(st.sampled_from(["x", "y"]), st.integers(0, 8), st.integers(0, 50)), max_size=30)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(numbered)
def test_each_identity_is_kept_once_whatever_is_sent(
    log: EmbeddedFragmentLog, sent: list[tuple[str, int, int]]
) -> None:
    call = uuid4()
    first: dict[tuple[str, int], int] = {}
    for source, seq, at_ms in sent:
        log.append([batch(source, fragment(seq, at_ms), call_id=str(call))])
        first.setdefault((source, seq), at_ms)
    for source in "xy":
        kept = [(found.seq, found.at_ms) for found in log.read(str(call), source=source)]
        assert kept == sorted((seq, at_ms) for (of, seq), at_ms in first.items() if of == source)
    assert len(log.read(str(call))) == len(first)
