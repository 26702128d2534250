"""What stands in a spool: commits that the log has not acknowledged, batches that the fragment log has not taken."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from domain.event import Event, Recorded
from domain.fragments import FragmentBatch
from domain.log.codec import EventCodec

Fact = tuple[Event, datetime]
"""An event with the time at which it happened."""


class UnreadableRecord(Exception):
    """A record that another build wrote, or that is damaged."""


class _Commit(msgspec.Struct, array_like=True, gc=False):
    call_id: str
    commit_id: str
    bodies: list[tuple[str, bytes]]
    """Type and body of each event."""


class SpooledCommit(msgspec.Struct, frozen=True):
    """Events of one call that are to be appended under one commit id."""

    call_id: str
    commit_id: str
    facts: tuple[Fact, ...]

    def split(self) -> tuple[SpooledCommit, ...]:
        """One commit an event, under ids that are the same whoever splits it."""
        return tuple(
            SpooledCommit(self.call_id, part_id(self.commit_id, index), (fact,))
            for index, fact in enumerate(self.facts)
        )


def part_id(commit_id: str, index: int) -> str:
    """The commit id of one event of a commit that could not be appended as a whole."""
    return f"{commit_id}/{index}"


_codec = EventCodec()
_encode = msgspec.msgpack.Encoder().encode
_decode_commit = msgspec.msgpack.Decoder(_Commit).decode
_decode_batch = msgspec.msgpack.Decoder(FragmentBatch).decode


def encode_commit(call_id: str, commit_id: str, facts: Sequence[Fact]) -> bytes:
    """Raises what the codec raises for an event that cannot be encoded."""
    bodies = [(event.TYPE, _codec.encode(event, id=commit_id, time=time)) for event, time in facts]
    return _encode(_Commit(call_id, commit_id, bodies))


def decode_commit(record: bytes) -> SpooledCommit:
    """Raises ``UnreadableRecord``, and ``UNREADABLE`` of the codec for events of another build."""
    try:
        commit = _decode_commit(record)
    except msgspec.DecodeError as error:
        raise UnreadableRecord(f"a spooled commit cannot be read: {error}") from error
    read: list[Recorded] = [_codec.decode(kind, body, commit.call_id, 0) for kind, body in commit.bodies]
    return SpooledCommit(commit.call_id, commit.commit_id, tuple((each.event, each.time) for each in read))


def encode_batch(batch: FragmentBatch) -> bytes:
    """Raises ``ValueError`` or ``TypeError`` for a fragment that cannot be encoded."""
    return _encode(batch)


def decode_batch(record: bytes) -> FragmentBatch:
    """Raises ``UnreadableRecord``."""
    try:
        return _decode_batch(record)
    except msgspec.DecodeError as error:
        raise UnreadableRecord(f"a spooled batch of fragments cannot be read: {error}") from error
