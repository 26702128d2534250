"""The arbitration rule, against a brute-force model that keeps every accepted event in a list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from domain.log.arbitration import Arbiter, UnknownEnvelopeVersion, Verdict
from domain.log.commit import Commit, Slot


def commit(commit_id: str, *slots: tuple[str, int], tracking: tuple[str, int] | None = None, v: int = 1) -> Commit:
    return Commit(
        commit_id=commit_id,
        slots=tuple(Slot(*slot) for slot in slots),
        topics=("topic",) * len(slots),
        bodies=(b"{}",) * len(slots),
        tracking=tracking,
        v=v,
    )


class BruteForce:
    """All accepted events and tracking positions in lists; every question is answered by looking through them."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int]] = []
        self.tracking: list[tuple[str, int]] = []
        self.first_verdicts: list[tuple[str, bool]] = []

    def settle(self, candidate: Commit) -> bool:
        for commit_id, accepted in self.first_verdicts:
            if commit_id == candidate.commit_id:
                return accepted
        accepted = self._admissible(candidate)
        self.first_verdicts.append((candidate.commit_id, accepted))
        if accepted:
            self.events += [(slot.originator_id, slot.version) for slot in candidate.slots]
            self.tracking += [candidate.tracking] if candidate.tracking else []
        return accepted

    def _admissible(self, candidate: Commit) -> bool:
        history = list(self.events)
        for slot in candidate.slots:
            versions = [version for originator_id, version in history if originator_id == slot.originator_id]
            if slot.version not in ([versions[-1] + 1] if versions else [0, 1]):
                return False
            history.append((slot.originator_id, slot.version))
        if candidate.tracking is None:
            return True
        application, position = candidate.tracking
        return all(recorded < position for name, recorded in self.tracking if name == application)


originators = st.sampled_from(["a", "b", "c"])
slots = st.lists(st.tuples(originators, st.integers(0, 6)), max_size=4)
tracking = st.none() | st.tuples(st.sampled_from(["up", "side"]), st.integers(0, 4))
commits = st.builds(
    lambda number, taken, tracked: commit(f"commit-{number}", *taken, tracking=tracked),
    st.integers(0, 30),
    slots,
    tracking,
)


@given(st.lists(commits, max_size=40))
def test_verdicts_are_those_of_the_brute_force_model(history: list[Commit]) -> None:
    arbiter, model = Arbiter(), BruteForce()
    for candidate in history:
        assert arbiter.settle(candidate).accepted == model.settle(candidate), candidate
    assert arbiter.heads == dict(model.events)


@given(st.lists(commits, max_size=40))
def test_what_advances_is_what_is_accepted(history: list[Commit]) -> None:
    """``advance`` takes nothing that the rule refuses, moves the heads as it does, and leaves the rest as it was."""
    arbiter, rule = Arbiter(), Arbiter()
    for number, candidate in enumerate(history):
        once = structs.replace(candidate, commit_id=f"{number}", tracking=None)
        before = dict(arbiter.heads)
        advanced = arbiter.advance(once.slots)
        accepted = rule.settle(once).accepted
        assert accepted or not advanced
        if advanced:
            assert arbiter.heads == rule.heads
        else:
            assert arbiter.heads == before
            arbiter.heads = dict(rule.heads)


def test_an_event_after_the_newest_one_advances() -> None:
    arbiter = Arbiter({"call": 3})
    assert arbiter.advance(commit("one", ("call", 4), ("org", 1), ("call", 5)).slots)
    assert arbiter.heads == {"call": 5, "org": 1}


@given(st.data())
def test_contended_histories_are_accepted_without_gap(data: st.DataObject) -> None:
    """Writers that claim the head they last saw: exactly one claim per version survives."""
    arbiter = Arbiter()
    seen = [0, 0, 0]
    accepted: list[int] = []
    for number in range(data.draw(st.integers(1, 30))):
        writer = data.draw(st.integers(0, 2))
        if data.draw(st.booleans()):
            seen[writer] = arbiter.heads.get("call", 0)
        if arbiter.settle(commit(f"{number}", ("call", seen[writer] + 1))).accepted:
            accepted.append(seen[writer] + 1)
    assert accepted == list(range(1, len(accepted) + 1))


@given(st.lists(commits, max_size=30), st.lists(st.integers(1, 7), max_size=10))
def test_batch_boundaries_do_not_matter(history: list[Commit], sizes: list[int]) -> None:
    """An arbiter loaded with only the entries that a batch names settles it like one that knows everything."""
    whole = Arbiter()
    expected = [whole.settle(candidate) for candidate in history]
    heads: dict[str, int] = {}
    tracked: dict[str, int] = {}
    verdicts: dict[str, Verdict] = {}
    got: list[Verdict] = []
    remaining, boundaries = list(history), iter([*sizes, *([3] * len(history))])
    while remaining:
        size = next(boundaries)
        batch, remaining = remaining[:size], remaining[size:]
        named = {slot.originator_id for candidate in batch for slot in candidate.slots}
        ids = {candidate.commit_id for candidate in batch}
        partial = Arbiter(
            {originator_id: heads[originator_id] for originator_id in named if originator_id in heads},
            tracked,
            {commit_id: verdicts[commit_id] for commit_id in ids if commit_id in verdicts},
        )
        got += [partial.settle(candidate) for candidate in batch]
        heads |= partial.heads
        tracked |= partial.tracked
        verdicts |= partial.verdicts
    assert got == expected


def test_earlier_events_of_the_same_commit_count() -> None:
    assert Arbiter().settle(commit("one", ("call", 1), ("org", 1), ("call", 2))).accepted
    assert not Arbiter().settle(commit("one", ("call", 1), ("call", 1))).accepted


def test_a_commit_is_accepted_whole_or_not_at_all() -> None:
    arbiter = Arbiter({"taken": 3})
    assert not arbiter.settle(commit("one", ("fresh", 1), ("taken", 3))).accepted
    assert arbiter.next_version("fresh") == 1


def test_tracking_has_to_move_forward() -> None:
    arbiter = Arbiter()
    assert arbiter.settle(commit("one", tracking=("up", 7))).accepted
    assert not arbiter.settle(commit("two", tracking=("up", 7))).accepted
    assert arbiter.settle(commit("three", ("call", 1), tracking=("up", 8))).accepted


def test_the_first_instance_of_a_commit_id_fixes_its_verdict() -> None:
    arbiter = Arbiter()
    too_early = commit("two", ("call", 2))
    refused = arbiter.settle(too_early)
    assert arbiter.settle(commit("one", ("call", 1))).accepted
    assert arbiter.settle(too_early) == refused
    assert not refused.accepted
    assert arbiter.heads == {"call": 1}


@pytest.mark.parametrize(
    ("head", "claimed", "reason"),
    [
        (4, 4, "call is at version 4, version 4 is taken"),
        (4, 6, "call is at version 4, version 6 leaves a gap"),
        (None, 2, "call has no events yet, version 2 leaves a gap"),
    ],
)
def test_a_void_verdict_says_why(head: int | None, claimed: int, reason: str) -> None:
    arbiter = Arbiter({} if head is None else {"call": head})
    assert arbiter.settle(commit("one", ("call", claimed))) == Verdict(False, reason)


def test_a_newer_envelope_halts_the_reader() -> None:
    arbiter = Arbiter()
    with pytest.raises(UnknownEnvelopeVersion, match="envelope version 2 of commit one"):
        arbiter.settle(commit("one", ("call", 1), v=2))
    assert arbiter.heads == {}
