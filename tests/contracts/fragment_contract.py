"""What every carrier of fragments must do. A carrier's test module subclasses ``FragmentContract``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.fragments import Fragment, FragmentBatch, FragmentFeed, FragmentLog
from domain.log.ports import LogUnavailable

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


class FragmentNode(FragmentLog, FragmentFeed, Protocol):
    """One opened fragment log. Several may be open on the same fragments, as processes would have them."""

    def dropped(self, call_id: str) -> int: ...

    def close(self) -> None: ...


OpenNode = Callable[[], FragmentNode]


def batch(call_id: str, source: str, *fragments: Fragment, dropped: int = 0) -> FragmentBatch:
    return FragmentBatch(
        call_id=call_id, source=source, org_id="org-1", started_at=START, fragments=fragments, dropped=dropped
    )


def fragment(seq: int, at_ms: float, type: str = "mark.t0", **data: Any) -> Fragment:
    return Fragment(seq=seq, type=type, at_ms=at_ms, data=data)


def numbers(fragments: Iterable[Fragment]) -> list[int]:
    return [found.seq for found in fragments]


Sent = st.lists(st.tuples(st.sampled_from(["x", "y"]), st.integers(0, 8), st.integers(0, 50)), max_size=30)


class FragmentContract:
    """``open_node`` opens a log and closes it after the test; all of them hold the same fragments."""

    @pytest.fixture
    def call(self) -> str:
        return str(uuid4())

    @pytest.fixture
    def log(self, open_node: OpenNode) -> FragmentNode:
        return open_node()

    def test_fragments_come_back_as_they_were(self, log: FragmentNode, call: str) -> None:
        said = fragment(1, 12.5, "transcript.partial", text="héllo", words=[{"at": 1.5}], final=False)
        log.append([batch(call, "machine", said)])
        assert log.read(call) == [said]
        assert log.read("another call") == []

    def test_a_batch_sent_again_changes_nothing(self, log: FragmentNode, call: str) -> None:
        first = batch(call, "machine", fragment(1, 1), fragment(2, 2), dropped=3)
        log.append([first])
        log.append([first, batch(call, "machine", fragment(2, 99), fragment(3, 3))])
        assert log.read(call) == [fragment(1, 1), fragment(2, 2), fragment(3, 3)]
        assert log.dropped(call) == 3

    def test_the_feed_gives_every_batch_in_the_order_of_its_call(self, log: FragmentNode, call: str) -> None:
        before = {partition: log.end(partition) for partition in log.partitions}
        sent = [
            batch(call, "machine", fragment(1, 1, words="one"), fragment(2, 2)),
            batch(call, "machine", fragment(3, 3), dropped=4),
        ]
        log.append(sent)
        log.append([batch(str(uuid4()), "machine", fragment(1, 1))])
        fed = [
            placed
            for partition, end in before.items()
            for placed in log.after(partition, end, 100)
            if placed.batch.call_id == call
        ]
        assert [placed.batch for placed in fed] == sent
        assert fed[0].number < fed[1].number <= max(log.end(partition) for partition in log.partitions)

    def test_the_feed_goes_on_where_it_was_left(self, log: FragmentNode, call: str) -> None:
        before = {partition: log.end(partition) for partition in log.partitions}
        log.append([batch(call, "machine", fragment(number, number)) for number in range(1, 8)])
        (partition,) = [partition for partition, end in before.items() if log.end(partition) > end]
        number, seen = before[partition], list[int]()
        while found := log.after(partition, number, 3):
            assert len(found) <= 3
            seen += [one.seq for placed in found for one in placed.batch.fragments if placed.batch.call_id == call]
            number = found[-1].number
        assert seen == [1, 2, 3, 4, 5, 6, 7]
        assert number == log.end(partition)

    def test_the_same_seq_of_another_source_or_call_is_another_fragment(self, log: FragmentNode, call: str) -> None:
        other = str(uuid4())
        log.append(
            [
                batch(call, "machine", fragment(1, 1)),
                batch(call, "player", fragment(1, 2)),
                batch(other, "machine", fragment(1, 3)),
            ]
        )
        assert [found.at_ms for found in log.read(call)] == [1, 2]
        assert [found.at_ms for found in log.read(other)] == [3]

    def test_sources_are_merged_by_time_and_none_is_reordered(self, log: FragmentNode, call: str) -> None:
        log.append([batch(call, "machine", fragment(1, 10), fragment(2, 30), fragment(3, 20), fragment(4, 40))])
        log.append([batch(call, "player", fragment(1, 5), fragment(2, 25), fragment(3, 35))])
        assert [found.at_ms for found in log.read(call)] == [5, 10, 25, 30, 20, 35, 40]
        assert numbers(log.read(call, source="machine")) == [1, 2, 3, 4]

    def test_a_source_is_read_by_number_whatever_order_its_batches_came_in(self, log: FragmentNode, call: str) -> None:
        later, earlier = (
            batch(call, "machine", fragment(3, 30)),
            batch(call, "machine", fragment(1, 10), fragment(2, 20)),
        )
        log.append([later])
        log.append([earlier])
        assert numbers(log.read(call)) == [1, 2, 3]

    def test_only_the_types_asked_for_are_read(self, log: FragmentNode, call: str) -> None:
        noted = fragment(1, 1, "mark.t0"), fragment(2, 2, "model.delta"), fragment(3, 3, "mark.t4")
        log.append([batch(call, "machine", *noted)])
        assert numbers(log.read(call, types=("mark.t0", "mark.t4"))) == [1, 3]
        assert numbers(log.read(call, source="machine", types=["model.delta"])) == [2]
        assert log.read(call, source="player") == []

    def test_what_was_shed_is_counted_over_all_batches(self, log: FragmentNode, call: str) -> None:
        log.append(
            [batch(call, "machine", fragment(1, 1), dropped=2), batch(call, "player", fragment(1, 1), dropped=1)]
        )
        log.append([batch(call, "machine", fragment(2, 2), dropped=4)])
        assert log.dropped(call) == 7
        assert log.dropped("another call") == 0

    def test_fragments_are_there_after_a_restart(self, open_node: OpenNode, call: str) -> None:
        first = open_node()
        first.append([batch(call, "machine", fragment(1, 1))])
        first.close()
        again = open_node()
        assert again.read(call) == [fragment(1, 1)]
        again.append([batch(call, "machine", fragment(2, 2))])
        assert numbers(again.read(call)) == [1, 2]

    def test_another_node_reads_what_this_one_wrote(self, open_node: OpenNode, call: str) -> None:
        writing, reading = open_node(), open_node()
        for seq in range(1, 6):
            writing.append([batch(call, "machine", fragment(seq, seq), dropped=1)])
            assert numbers(reading.read(call)) == list(range(1, seq + 1))
        assert reading.dropped(call) == 5

    def test_calls_that_are_written_together_are_read_apart(self, log: FragmentNode) -> None:
        calls = [str(uuid4()) for _ in range(20)]
        for seq in range(1, 11):
            log.append([batch(call, "machine", fragment(seq, seq, call=call)) for call in calls])
        for call in calls:
            assert log.read(call) == [fragment(seq, seq, call=call) for seq in range(1, 11)]

    def test_an_empty_append_is_no_error(self, log: FragmentNode, call: str) -> None:
        log.append([])
        log.append([batch(call, "machine")])
        assert log.read(call) == []

    def test_a_closed_log_refuses_by_name(self, log: FragmentNode, call: str) -> None:
        log.close()
        with pytest.raises(LogUnavailable):
            log.append([batch(call, "machine", fragment(1, 1))])
        with pytest.raises(LogUnavailable):
            log.read(call)

    # Each carrier is an executor of its own, and every example has a call of its own.
    @settings(
        max_examples=15,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(sent=Sent)
    def test_each_identity_is_kept_once_whatever_is_sent(
        self, log: FragmentNode, sent: list[tuple[str, int, int]]
    ) -> None:
        call = str(uuid4())
        first: dict[tuple[str, int], int] = {}
        for source, seq, at_ms in sent:
            first.setdefault((source, seq), at_ms)
        log.append([batch(call, source, fragment(seq, at_ms)) for source, seq, at_ms in sent])
        for source in "xy":
            kept = [(found.seq, found.at_ms) for found in log.read(call, source=source)]
            assert kept == sorted((seq, at_ms) for (of, seq), at_ms in first.items() if of == source)
        assert len(log.read(call)) == len(first)
