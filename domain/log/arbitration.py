"""The one rule that settles conflicts: a pure function of the log's order and of record headers.

Every reader of a shard judges its commits in log order with this rule, so all readers reach the same verdicts
without a leader. The rule never looks at a payload, a clock or a setting: two nodes that differ in any of these
would otherwise disagree about what happened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from domain.log.commit import ENVELOPE_VERSION, Commit, Slot

FIRST_VERSIONS = (0, 1)
"""A history starts at 1. The eventsourcing library lets its users choose 0, so a log that serves as its recorder
admits both; callfold's own writers only ever claim 1."""


class UnknownEnvelopeVersion(Exception):
    """A newer writer's record. The reader must halt: guessing a verdict would make it differ from its peers."""

    def __init__(self, version: object, *, commit_id: str = "") -> None:
        commit = f" of commit {commit_id}" if commit_id else ""
        super().__init__(
            f"envelope version {version!r}{commit} is not known here (this build reads {ENVELOPE_VERSION}); "
            "upgrade this node before any writer of the newer version"
        )
        self.version = version
        self.commit_id = commit_id


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """Accepted, or void for every reader with the ``reason`` in words. Void commits leave no other trace."""

    accepted: bool
    reason: str = ""


ACCEPTED = Verdict(True)


def judge(
    slots: Sequence[Slot], tracking: tuple[str, int] | None, heads: Mapping[str, int], tracked: Mapping[str, int]
) -> Verdict:
    """Judge one commit against what was accepted before it.

    ``heads`` holds the last accepted version of each originator (absent: none), ``tracked`` the last accepted
    position of each upstream application. Admissible iff every slot's version is the originator's head + 1, counting
    earlier slots of the same commit, and a tracking position is strictly greater than the recorded one.
    """
    claimed: dict[str, int] = {}
    for slot in slots:
        head = claimed.get(slot.originator_id, heads.get(slot.originator_id))
        if head is None:
            if slot.version not in FIRST_VERSIONS:
                return Verdict(False, f"{slot.originator_id} has no events yet, version {slot.version} leaves a gap")
        elif slot.version <= head:
            return Verdict(False, f"{slot.originator_id} is at version {head}, version {slot.version} is taken")
        elif slot.version > head + 1:
            return Verdict(False, f"{slot.originator_id} is at version {head}, version {slot.version} leaves a gap")
        claimed[slot.originator_id] = slot.version
    if tracking is not None:
        application, position = tracking
        recorded = tracked.get(application)
        if recorded is not None and position <= recorded:
            return Verdict(False, f"{application} is tracked up to {recorded}, position {position} is not after it")
    return ACCEPTED


class Arbiter:
    """The arbitration state of one shard, or of the part of it that a batch of commits touches.

    ``heads`` and ``tracked`` are what ``judge`` reads; ``verdicts`` are those of the commit ids seen so far. A batch
    needs only the entries its own commits name, so a store loads those, judges, and writes them back.
    """

    __slots__ = ("heads", "tracked", "verdicts")

    def __init__(
        self,
        heads: Mapping[str, int] | None = None,
        tracked: Mapping[str, int] | None = None,
        verdicts: Mapping[str, Verdict] | None = None,
    ) -> None:
        self.heads = dict(heads or {})
        self.tracked = dict(tracked or {})
        self.verdicts = dict(verdicts or {})

    def settle(self, commit: Commit) -> Verdict:
        """Give the commit's verdict and, when accepted, move the heads on.

        The first instance of a commit id fixes its verdict; a later one returns it and changes nothing.
        Raises ``UnknownEnvelopeVersion``.
        """
        if commit.v != ENVELOPE_VERSION:
            raise UnknownEnvelopeVersion(commit.v, commit_id=commit.commit_id)
        known = self.verdicts.get(commit.commit_id)
        if known is not None:
            return known
        verdict = judge(commit.slots, commit.tracking, self.heads, self.tracked)
        self.verdicts[commit.commit_id] = verdict
        if verdict.accepted:
            for slot in commit.slots:
                self.heads[slot.originator_id] = slot.version
            if commit.tracking is not None:
                self.tracked[commit.tracking[0]] = commit.tracking[1]
        return verdict

    def advance(self, slots: Sequence[Slot]) -> bool:
        """Accept slots that plainly follow what was accepted before, each the next version of its originator.

        ``False``, with nothing changed, for all others: ``settle`` has to judge them. For who takes in many commits and
        keeps their ids and tracking positions himself.
        """
        claimed: dict[str, int] = {}
        for slot in slots:
            originator_id, version = slot.originator_id, slot.version
            head = claimed.get(originator_id)
            if version != (self.heads.get(originator_id, 0) if head is None else head) + 1:
                return False
            claimed[originator_id] = version
        self.heads.update(claimed)
        return True

    def next_version(self, originator_id: str) -> int:
        """The version that the originator's next event has to claim."""
        return self.heads.get(originator_id, 0) + 1
