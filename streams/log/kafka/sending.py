"""A commit on its way to a partition, and what a writer counts."""

from __future__ import annotations

import msgspec
from kafka.errors import KafkaError
from msgspec.structs import replace

from domain.event import Recorded
from domain.log.commit import Commit, Slot
from domain.log.envelope import Record
from domain.log.ports import LogUnavailable
from domain.log.receipt import Receipt
from streams.kafka.clients import Sent
from streams.log.proposals import Outcome, Proposal

MAX_RACES = 100
"""Races that facts may lose to other nodes before their sender is asked to try again."""


class WriterCounters(msgspec.Struct):
    """What a writer has done since it was opened."""

    commits: int = 0
    adopted: int = 0
    """Applied on acknowledgement, without reading them back."""
    void: int = 0
    """Sent and void: races lost between the look at the replica and the log."""
    refused: int = 0
    """Void commits that were never sent, since the replica already showed it."""
    resent: int = 0
    unknown: int = 0


class CommitOnItsWay(msgspec.Struct):
    """Judged ahead of time (``receipt``, ``states``); ``outcome`` is what the log made of it.

    ``offset`` is set once a broker has acknowledged it, ``was_sent`` from the first attempt on.
    """

    index: int
    proposal: Proposal
    commit: Commit
    record: Record
    key: bytes
    receipt: Receipt
    events: tuple[Recorded, ...]
    states: dict[str, object]
    sent: Sent | None = None
    was_sent: bool = False
    offset: int | None = None
    outcome: Outcome | Exception | Proposal | None = None


def acknowledged(sent: Sent | None) -> int | None:
    """The offset, where the broker told one. A broker that knows only that it has the record tells -1."""
    if sent is None:
        return None
    try:
        offset = sent.get(timeout=0)
    except KafkaError:
        return None
    return offset.offset if offset.offset >= 0 else None


def expired(sent: Sent | None) -> bool:
    """Whether the producer has given the record up. One that it still works on is not expired."""
    return sent is not None and sent.is_done and sent.failed()


def again(proposal: Proposal) -> Proposal:
    """The next attempt at facts that have lost a race, under an id of its own. Raises ``LogUnavailable``."""
    if proposal.attempt >= MAX_RACES:
        raise LogUnavailable(
            f"{proposal.originator_id} was changed by other nodes {MAX_RACES} times in a row; try again"
        )
    return replace(proposal, attempt=proposal.attempt + 1)


def commit_of(proposal: Proposal, slots: tuple[Slot, ...]) -> Commit:
    """What is sent for a proposal: the same bytes whenever it is sent for the same slots."""
    return Commit(
        commit_id=proposal.sent_as,
        slots=slots,
        topics=proposal.topics,
        bodies=proposal.bodies,
        tracking=proposal.tracking,
    )
