"""What every carrier of the log must do. A carrier's test module subclasses ``LogContract`` and opens nodes on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Protocol
from uuid import uuid4

import pytest

from domain.aggregate import NotFound, Refused
from domain.event import Event
from domain.log.codec import EventCodec, UnknownEventType
from domain.log.commit import Commit, Slot
from domain.log.ports import Appended, Commands, Documents, EventLog, LogUnavailable, Positioned, Step
from domain.log.position import Position
from domain.log.receipt import CommitIdReused, Receipt
from tests.contracts.tally import (
    TALLY,
    TALLY_TYPES,
    Add,
    Added,
    Close,
    CutKey,
    Look,
    MeltKeys,
    Noticed,
    Open,
    Opened,
    Tally,
)

SECONDS = 60.0
"""Long, for busy machines."""
START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
BEGINNING = Position(0, 0)
CODEC = EventCodec(TALLY_TYPES)


class Node(Commands, Documents, EventLog, Protocol):
    """One opened log. Several nodes may be open on the same log, as processes would have them."""

    def append(self, commit: Commit) -> Receipt: ...

    def receipt(self, commit_id: str) -> Receipt | None: ...

    async def wait_for(self, position: Position, timeout_s: float) -> bool: ...

    def close(self) -> None: ...


class SteppingClock:
    """Every look at it is a second later."""

    def __init__(self) -> None:
        self._seconds = count()

    def __call__(self) -> datetime:
        return START + timedelta(seconds=next(self._seconds))


def commit(commit_id: str, *claims: tuple[str, int, Event], tracking: tuple[str, int] | None = None) -> Commit:
    """A commit as a writer sends it."""
    return Commit(
        commit_id=commit_id,
        slots=tuple(Slot(originator_id, version) for originator_id, version, _ in claims),
        topics=tuple(event.TYPE for *_, event in claims),
        bodies=tuple(
            CODEC.encode(event, id=f"{commit_id}.{index}", time=START) for index, (*_, event) in enumerate(claims)
        ),
        tracking=tracking,
    )


def ordinals(events: Sequence[Positioned]) -> list[int]:
    return [positioned.position.ordinal for positioned in events]


def new_id() -> str:
    return str(uuid4())


OPENED = Opened(org_id="org-1")


class LogContract:
    """The cases. ``open_node`` opens a further node on the log of the present test."""

    @pytest.fixture
    def open_node(self) -> Iterator[Callable[[], Node]]:
        raise NotImplementedError("a carrier's test class gives this fixture")

    @pytest.fixture
    def node(self, open_node: Callable[[], Node]) -> Node:
        return open_node()

    # Commits

    def test_accepted_events_are_counted_without_gap(self, node: Node) -> None:
        receipts = [
            node.append(commit("one", ("a", 1, OPENED), ("a", 2, Added(amount=1)))),
            node.append(commit("two", ("b", 1, OPENED))),
            node.append(commit("three", ("a", 3, Added(amount=2)))),
        ]
        assert [list(receipt.ordinals) for receipt in receipts] == [[1, 2], [3], [4]]
        assert [receipt.position for receipt in receipts] == [Position(0, 2), Position(0, 3), Position(0, 4)]
        assert node.head() == Position(0, 4)
        assert [(p.recorded.originator_id, p.recorded.originator_version) for p in node.read(BEGINNING, 10)] == [
            ("a", 1),
            ("a", 2),
            ("b", 1),
            ("a", 3),
        ]

    @pytest.mark.parametrize("version", [0, 2, 3, 5])
    def test_a_version_that_is_not_next_is_void(self, node: Node, version: int) -> None:
        node.append(commit("one", ("a", 1, OPENED), ("a", 2, Added(amount=1)), ("a", 3, Added(amount=1))))
        receipt = node.append(commit("two", ("a", version, Added(amount=9))))
        assert not receipt.verdict.accepted
        assert "a is at version 3" in receipt.verdict.reason
        assert receipt.position is None
        assert node.head() == Position(0, 3)

    def test_void_commits_leave_no_gap_behind(self, node: Node) -> None:
        node.append(commit("one", ("a", 1, OPENED)))
        node.append(commit("void", ("a", 1, OPENED)))
        assert list(node.append(commit("two", ("a", 2, Added(amount=1)))).ordinals) == [2]

    def test_a_commit_over_several_originators_is_all_or_nothing(self, node: Node) -> None:
        node.append(commit("one", ("a", 1, OPENED), ("b", 1, OPENED)))
        assert not node.append(commit("two", ("a", 2, Added(amount=1)), ("b", 1, OPENED))).verdict.accepted
        assert [len(node.history(originator_id)) for originator_id in "ab"] == [1, 1]
        assert node.append(commit("three", ("a", 2, Added(amount=1)), ("b", 2, Added(amount=2)))).verdict.accepted
        assert [len(node.history(originator_id)) for originator_id in "ab"] == [2, 2]

    def test_a_re_sent_commit_gives_the_same_receipt_and_no_second_event(self, node: Node) -> None:
        first = commit("one", ("a", 1, OPENED))
        receipt = node.append(first)
        node.append(commit("two", ("a", 2, Added(amount=1))))
        assert node.append(first) == receipt
        assert node.receipt("one") == receipt
        assert node.head() == Position(0, 2)

    def test_a_void_verdict_stands_even_when_the_gap_is_filled_later(self, node: Node) -> None:
        node.append(commit("one", ("a", 1, OPENED)))
        early = commit("early", ("a", 3, Added(amount=1)))
        void = node.append(early)
        node.append(commit("two", ("a", 2, Added(amount=1))))
        assert node.append(early) == void
        assert not void.verdict.accepted
        assert len(node.history("a")) == 2

    def test_another_commit_under_a_used_id_is_refused_by_name(self, node: Node) -> None:
        node.append(commit("one", ("a", 1, OPENED)))
        with pytest.raises(CommitIdReused, match="'one'"):
            node.append(commit("one", ("a", 1, Opened(org_id="org-2"))))
        with pytest.raises(CommitIdReused, match="'one'"):
            node.append(commit("one", ("b", 1, OPENED)))
        assert node.head() == Position(0, 1)

    def test_a_tracking_position_moves_only_forward(self, node: Node) -> None:
        assert node.append(commit("one", ("a", 1, OPENED), tracking=("up", 7))).verdict.accepted
        assert not node.append(commit("two", ("a", 2, Added(amount=1)), tracking=("up", 7))).verdict.accepted
        assert node.append(commit("three", tracking=("up", 8))).verdict.accepted
        assert len(node.history("a")) == 1

    def test_an_event_outside_the_registry_is_not_appended(self, node: Node) -> None:
        foreign = Commit(commit_id="x", slots=(Slot("a", 1),), topics=("os:system",), bodies=(b"{}",))
        with pytest.raises(UnknownEventType, match="os:system"):
            node.append(foreign)
        assert node.head() == BEGINNING

    def test_an_unseen_commit_id_has_no_receipt(self, node: Node) -> None:
        assert node.receipt("never") is None

    # Commands

    async def test_a_command_gives_state_and_receipt(self, node: Node) -> None:
        state, opened = await node.execute(TALLY, "a", Open("org-1", "first"))
        assert (state.org_id, state.label, state.total) == ("org-1", "first", 0)
        state, added = await node.execute(TALLY, "a", Add(5))
        assert state.total == 5
        assert (opened.position, added.position) == (Position(0, 1), Position(0, 2))
        assert [(r.originator_version, r.event) for r in added.events] == [(2, Added(amount=5))]

    async def test_a_refused_command_appends_nothing(self, node: Node) -> None:
        with pytest.raises(NotFound):
            await node.execute(TALLY, "a", Add(1))
        await node.execute(TALLY, "a", Open("org-1"))
        with pytest.raises(Refused, match="negative"):
            await node.execute(TALLY, "a", Add(-1))
        assert node.head() == Position(0, 1)

    async def test_a_command_that_decides_nothing_appends_nothing(self, node: Node) -> None:
        await node.execute(TALLY, "a", Open("org-1"))
        state, appended = await node.execute(TALLY, "a", Look())
        assert (state.total, appended.events, appended.position) == (0, (), Position(0, 1))

    async def test_racing_commands_are_all_decided_on_the_state_they_change(
        self, open_node: Callable[[], Node]
    ) -> None:
        one, other = open_node(), open_node()
        _, opened = await one.execute(TALLY, "a", Open("org-1"))
        await seen(other, opened.position)
        results = await asyncio.gather(
            *(node.execute(TALLY, "a", Add(1, f"{number}")) for number in range(20) for node in (one, other))
        )
        totals = sorted(state.total for state, _ in results)
        assert totals == list(range(1, 41))
        await seen(one, max(appended.position for _, appended in results))
        assert ordinals(one.history("a")) == list(range(1, 42))

    async def test_a_command_sent_again_under_its_commit_id_happens_once(self, open_node: Callable[[], Node]) -> None:
        node = open_node()
        await node.execute(TALLY, "a", Open("org-1"))
        first = await node.execute(TALLY, "a", Add(5), commit_id="intent")
        await node.execute(TALLY, "a", Add(1))
        assert await node.execute(TALLY, "a", Add(5), commit_id="intent") == first
        assert await open_node().execute(TALLY, "a", Add(5), commit_id="intent") == first
        document = node.get("tally", "a")
        assert document is not None
        assert document.state.total == 6

    async def test_a_command_sent_again_after_losing_its_first_race_happens_once(self, node: Node) -> None:
        await node.execute(TALLY, "a", Open("org-1"))
        node.append(commit("intent", ("a", 1, OPENED)))  # a lost race under this id: void for good
        first = await node.execute(TALLY, "a", Add(5), commit_id="intent")
        assert await node.execute(TALLY, "a", Add(5), commit_id="intent") == first
        assert len(node.history("a")) == 2

    async def test_a_command_sent_twice_at_once_under_one_commit_id_happens_once(
        self, open_node: Callable[[], Node]
    ) -> None:
        one, other = open_node(), open_node()
        _, opened = await one.execute(TALLY, "a", Open("org-1"))
        await seen(other, opened.position)
        results = await asyncio.gather(
            *(node.execute(TALLY, "a", Add(5), commit_id="intent") for node in (one, other, one, other))
        )
        assert all(result == results[0] for result in results)
        await seen(one, results[0][1].position)
        assert len(one.history("a")) == 2

    async def test_a_decision_about_several_is_one_commit(self, node: Node) -> None:
        await node.execute(TALLY, "a", Open("org-1"))
        steps = (Step(TALLY, "b", Open("org-1", "second")), Step(TALLY, "a", Add(5)))
        (second, first), appended = await node.execute_together(steps)
        assert (second.label, first.total) == ("second", 5)
        assert [(r.originator_id, r.originator_version) for r in appended.events] == [("b", 1), ("a", 2)]
        assert node.get("tally", "b") is not None

    async def test_a_decision_about_several_is_refused_as_a_whole(self, node: Node) -> None:
        await node.execute(TALLY, "a", Open("org-1"))
        with pytest.raises(Refused, match="negative"):
            await node.execute_together((Step(TALLY, "b", Open("org-1")), Step(TALLY, "a", Add(-1))))
        assert node.get("tally", "b") is None
        with pytest.raises(ValueError, match="another originator"):
            await node.execute_together((Step(TALLY, "a", Add(1)), Step(TALLY, "a", Add(1))))
        assert node.head() == Position(0, 1)

    async def test_racing_decisions_about_several_lose_nothing(self, open_node: Callable[[], Node]) -> None:
        one, other = open_node(), open_node()
        _, opened = await one.execute(TALLY, "a", Open("org-1"))
        await seen(other, opened.position)
        results = await asyncio.gather(
            *(
                node.execute_together((Step(TALLY, f"{name}-{number}", Open("org-1")), Step(TALLY, "a", Add(1))))
                for number in range(10)
                for name, node in (("one", one), ("other", other))
            )
        )
        assert sorted(shared.total for (_, shared), _ in results) == list(range(1, 21))
        await seen(one, max(appended.position for _, appended in results))
        assert ordinals(one.history("a")) == sorted(ordinals(one.history("a")))
        assert all(one.get("tally", f"{name}-{number}") for name in ("one", "other") for number in range(10))

    async def test_a_decision_about_several_sent_again_under_its_commit_id_happens_once(self, node: Node) -> None:
        await node.execute(TALLY, "a", Open("org-1"))
        steps = (Step(TALLY, "b", Open("org-1")), Step(TALLY, "a", Add(5)))
        first = await node.execute_together(steps, commit_id="intent")
        assert await node.execute_together(steps, commit_id="intent") == first
        assert len(node.history("a")) == 2

    async def test_a_commit_id_of_another_originator_is_refused(self, node: Node) -> None:
        await node.execute(TALLY, "a", Open("org-1"), commit_id="intent")
        with pytest.raises(CommitIdReused):
            await node.execute(TALLY, "b", Open("org-1"), commit_id="intent")
        assert node.get("tally", "b") is None

    async def test_an_id_of_another_kind_is_refused(self, node: Node) -> None:
        await node.execute(TALLY, "a", Open("org-1"))
        with pytest.raises(ValueError, match="a is of kind tally"):
            await node.record("a", [Noticed(text="rain")], [START])

    async def test_facts_are_recorded_in_the_order_they_were_given(self, node: Node) -> None:
        await node.execute(TALLY, "a", Open("org-1"))
        await asyncio.gather(
            *(node.record("a", [Added(amount=1, note=f"{n}"), Added(amount=0)], [START, START]) for n in range(30))
        )
        document = node.get("tally", "a")
        assert document is not None
        assert [note for note in document.state.notes if note] == [str(number) for number in range(30)]

    async def test_facts_and_commands_on_one_originator_do_not_lose_each_other(
        self, open_node: Callable[[], Node]
    ) -> None:
        one, other = open_node(), open_node()
        _, opened = await one.execute(TALLY, "a", Open("org-1"))
        await seen(other, opened.position)

        async def command() -> Appended:
            _, appended = await other.execute(TALLY, "a", Add(100))
            return appended

        everything = await asyncio.gather(
            *(one.record("a", [Added(amount=1)], [START]) for _ in range(20)), *(command() for _ in range(10))
        )
        await seen(other, max(appended.position for appended in everything))
        document = other.get("tally", "a")
        assert document is not None
        assert document.state.total == 1020

    async def test_facts_sent_again_under_their_commit_id_are_recorded_once(self, node: Node) -> None:
        await node.execute(TALLY, "a", Open("org-1"))
        first = await node.record("a", [Added(amount=1), Added(amount=2)], [START, START], commit_id="batch")
        await node.record("a", [Added(amount=4)], [START])
        assert await node.record("a", [Added(amount=1), Added(amount=2)], [START, START], commit_id="batch") == first
        for others in ([Added(amount=1), Added(amount=3)], [Added(amount=1)]):
            with pytest.raises(CommitIdReused):
                await node.record("a", others, [START] * len(others), commit_id="batch")
        document = node.get("tally", "a")
        assert document is not None
        assert document.state.total == 7

    async def test_facts_sent_twice_at_once_under_one_commit_id_are_recorded_once(self, node: Node) -> None:
        await node.execute(TALLY, "a", Open("org-1"))
        same = await asyncio.gather(
            *(node.record("a", [Added(amount=1), Added(amount=2)], [START, START], commit_id="batch") for _ in range(4))
        )
        assert all(appended == same[0] for appended in same)
        assert len(node.history("a")) == 3

    async def test_kinds_are_not_mixed_within_one_batch_either(self, node: Node) -> None:
        outcomes = await asyncio.gather(
            node.record("x", [Noticed(text="rain")], [START]),
            node.record("x", [OPENED], [START]),
            return_exceptions=True,
        )
        assert isinstance(outcomes[1], ValueError)
        assert len(node.history("x")) == 1

    async def test_a_fact_that_the_fold_refuses_does_not_harm_its_neighbours(self, node: Node) -> None:
        await node.execute(TALLY, "a", Open("org-1"))
        outcomes = await asyncio.gather(
            node.record("a", [Added(amount=1)], [START]),
            node.record("missing", [Added(amount=1)], [START]),
            node.record("a", [Added(amount=2)], [START]),
            return_exceptions=True,
        )
        assert isinstance(outcomes[1], NotFound)
        document = node.get("tally", "a")
        assert document is not None
        assert document.state.total == 3
        assert node.head() == Position(0, 3)

    async def test_recording_nothing_is_an_error(self, node: Node) -> None:
        with pytest.raises(ValueError, match="nothing to record"):
            await node.record("a", [], [])

    async def test_events_of_kinds_that_nobody_folds_are_kept(self, node: Node) -> None:
        await node.record("sky", [Noticed(text="rain")], [START])
        assert [positioned.recorded.event for positioned in node.history("sky")] == [Noticed(text="rain")]
        assert node.get("weather", "sky") is None

    # Documents

    async def test_what_was_written_can_be_read_at_once(self, open_node: Callable[[], Node]) -> None:
        one, other = open_node(), open_node()
        _, opened = await one.execute(TALLY, "a", Open("org-1"))
        await seen(other, opened.position)
        for expected in range(1, 20):
            state, appended = await one.execute(TALLY, "a", Add(1))
            await seen(other, appended.position)
            mine, theirs = one.get("tally", "a"), other.get("tally", "a")
            assert mine is not None
            assert mine == theirs
            assert (mine.version, mine.state) == (expected + 1, state)

    async def test_a_document_is_shown_only_to_who_may_see_it(self, node: Node) -> None:
        await node.execute(TALLY, "a", Open("org-1"))
        assert node.get("tally", "a") is not None
        assert node.get("tally", "a", org_id="org-1") is not None
        assert node.get("tally", "a", org_id="org-2") is None
        assert node.get("call", "a") is None
        assert node.get("tally", "b") is None
        await node.execute(TALLY, "a", Close())
        assert node.get("tally", "a") is None
        assert node.list("tally") == []
        with pytest.raises(NotFound):
            await node.execute(TALLY, "a", Add(1))

    async def test_lists_are_filtered_and_newest_first(self, node: Node) -> None:
        for number in range(6):
            await node.execute(TALLY, f"t{number}", Open(f"org-{number % 2}", f"label-{number % 3}"))
        await node.execute(TALLY, "t4", Add(1))

        def ids(**filters: Any) -> list[str]:
            return [document.id for document in node.list("tally", **filters)]

        created = {document.id: document.keys.created_at for document in node.list("tally")}
        assert ids() == ["t5", "t4", "t3", "t2", "t1", "t0"]
        assert ids(limit=2) == ["t5", "t4"]
        assert ids(limit=2, offset=3) == ["t2", "t1"]
        assert ids(offset=6) == []
        assert ids(limit=2, oldest_first=True) == ["t0", "t1"]
        assert (node.count("tally"), node.count("tally", org_id="org-0"), node.count("call")) == (6, 3, 0)
        assert node.count("tally", status=["used"], created=(("gt", created["t3"]),)) == 1
        assert ids(org_id="org-0") == ["t4", "t2", "t0"]
        assert ids(reference="label-1") == ["t4", "t1"]
        assert ids(status=["used"]) == ["t4"]
        assert ids(status=["used", "empty"], org_id="org-0") == ["t4", "t2", "t0"]
        assert ids(created=(("gt", created["t1"]), ("le", created["t3"]))) == ["t3", "t2"]
        assert ids(created=(("ge", created["t4"]),)) == ["t5", "t4"]
        assert ids(created=(("lt", created["t1"]),)) == ["t0"]
        assert ids(updated=(("gt", created["t5"]),)) == ["t4"]
        with pytest.raises(ValueError, match="bound 'ne'"):
            ids(created=(("ne", START),))

    async def test_a_document_is_found_by_the_keys_that_open_it_now(self, node: Node) -> None:
        await node.execute(TALLY, "a", Open("org-1"))
        await node.execute(TALLY, "a", CutKey("hash-1"))
        await node.execute(TALLY, "a", CutKey("hash-2"))
        found = node.find_key("hash-1")
        assert found is not None
        assert found == node.find_key("hash-2") == node.get("tally", "a")
        await node.execute(TALLY, "a", MeltKeys())
        assert node.find_key("hash-1") is None

    # Reading

    async def test_reading_goes_on_after_a_position_and_by_type(self, node: Node) -> None:
        await node.execute(TALLY, "a", Open("org-1"))
        for number in range(5):
            await node.execute(TALLY, "a", Add(number))
        assert ordinals(node.read(Position(0, 2), 2)) == [3, 4]
        assert ordinals(node.read(Position(0, 6), 2)) == []
        assert ordinals(node.read(BEGINNING, 10, frozenset({"tally.opened"}))) == [1]
        assert ordinals(node.history("a", after_version=4)) == [5, 6]
        assert node.history("nobody") == []

    async def test_another_shard_is_not_here(self, node: Node) -> None:
        with pytest.raises(ValueError, match="no shard 7"):
            node.head(7)

    async def test_following_gives_old_events_then_new_ones_of_every_node(self, open_node: Callable[[], Node]) -> None:
        one, other = open_node(), open_node()
        _, opened = await one.execute(TALLY, "a", Open("org-1"))
        await seen(other, opened.position)
        following = one.follow(BEGINNING)
        assert ordinals(await next_batch(following)) == [1]
        pending = asyncio.ensure_future(next_batch(following))
        await one.execute(TALLY, "a", Add(1))
        assert ordinals(await pending) == [2]
        pending = asyncio.ensure_future(next_batch(following))
        await other.execute(TALLY, "a", Add(1))
        assert ordinals(await pending) == [3]

    async def test_following_some_types_passes_over_the_others(self, node: Node) -> None:
        following = node.follow(BEGINNING, frozenset({"tally.opened"}))
        pending = asyncio.ensure_future(next_batch(following))
        await node.execute(TALLY, "a", Open("org-1"))
        assert ordinals(await pending) == [1]
        pending = asyncio.ensure_future(next_batch(following))
        await node.execute(TALLY, "a", Add(1))
        await node.execute(TALLY, "b", Open("org-1"))
        assert ordinals(await pending) == [3]

    async def test_a_long_history_is_followed_without_loss(self, node: Node) -> None:
        await node.execute(TALLY, "a", Open("org-1"))
        await node.record("a", [Added(amount=1)] * 1200, [START] * 1200)
        seen: list[int] = []
        async with asyncio.timeout(SECONDS):
            async for batch in node.follow(Position(0, 100)):
                seen += ordinals(batch)
                if len(seen) >= 1101:
                    break
        assert seen == list(range(101, 1202))

    async def test_closing_ends_what_follows_and_refuses_what_comes(self, node: Node) -> None:
        await node.execute(TALLY, "a", Open("org-1"))
        following = node.follow(Position(0, 1))
        pending = asyncio.ensure_future(anext(following, None))
        await asyncio.sleep(0)
        await asyncio.to_thread(node.close)
        async with asyncio.timeout(SECONDS):
            assert await pending is None
        with pytest.raises(LogUnavailable, match="closed"):
            await node.record("a", [Added(amount=1)], [START])

    # Restart

    async def test_everything_is_there_after_a_restart(self, open_node: Callable[[], Node]) -> None:
        node = open_node()
        await node.execute(TALLY, "a", Open("org-1", "kept"))
        for number in range(150):
            await node.record("a", [Added(amount=number)], [START])
        before, events = node.get("tally", "a"), node.read(BEGINNING, 1000)
        node.close()
        again = open_node()
        assert again.get("tally", "a") == before
        assert again.read(BEGINNING, 1000) == events
        state, _ = await again.execute(TALLY, "a", Add(1))
        assert isinstance(state, Tally)
        assert state.total == sum(range(150)) + 1

    # Read-your-writes

    async def test_waiting_for_a_position_ends_when_it_is_seen(self, open_node: Callable[[], Node]) -> None:
        one, other = open_node(), open_node()
        waiting = asyncio.ensure_future(other.wait_for(Position(0, 2), SECONDS))
        _, opened = await one.execute(TALLY, "a", Open("org-1"))
        await seen(other, opened.position)
        assert not waiting.done()
        await one.execute(TALLY, "a", Add(1))
        assert await waiting
        assert await other.wait_for(Position(0, 1), 0)
        assert not await other.wait_for(Position(0, 3), 0.01)

    async def test_waiting_ends_with_the_log(self, node: Node) -> None:
        waiting = asyncio.ensure_future(node.wait_for(Position(0, 1), 2 * SECONDS))
        await asyncio.sleep(0)
        await asyncio.to_thread(node.close)
        async with asyncio.timeout(SECONDS):
            assert not await waiting


async def seen(node: Node, position: Position) -> None:
    """Read-your-writes over nodes: wait until ``node`` has what another one was told."""
    assert await node.wait_for(position, SECONDS), f"{node.head()} is not {position}"


async def next_batch(following: AsyncIterator[Sequence[Positioned]]) -> Sequence[Positioned]:
    async with asyncio.timeout(SECONDS):
        return await anext(following)
