"""Rows of a segment, and the commit that those of one record come to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from domain.log.commit import Commit, Slot
from domain.log.envelope import MalformedRecord


class Row(NamedTuple):
    """One row; its fields are the columns of ``segment.COLUMNS``, which says what they mean."""

    shard: int
    sequence: int
    outcome: str
    reason: str | None = None
    commit_id: str | None = None
    ordinal: int | None = None
    org_id: str | None = None
    originator_id: str | None = None
    originator_version: int | None = None
    type: str | None = None
    v: int | None = None
    id: str | None = None
    time: datetime | None = None
    body: str | None = None
    tracking_name: str | None = None
    tracking_position: int | None = None
    raw: bytes | None = None
    record_hash: bytes | None = None
    chain: bytes | None = None


def body_of(row: Row) -> bytes:
    """The body of an event as it stood on the log. Raises ``MalformedRecord`` where there is none."""
    if row.body is not None:
        return row.body.encode()
    if row.raw is None:
        raise MalformedRecord("an event has no body")
    return row.raw


def commit_of(rows: Sequence[Row]) -> Commit:
    """The accepted commit that these rows, in the order of ordinals, hold. Raises ``MalformedRecord``."""
    head = rows[0]
    events = [row for row in rows if row.ordinal is not None]
    tracking = None
    if head.tracking_name is not None and head.tracking_position is not None:
        tracking = (head.tracking_name, head.tracking_position)
    return Commit(
        commit_id=head.commit_id or "",
        slots=tuple(_slot(row) for row in events),
        topics=tuple(row.type or "" for row in events),
        bodies=tuple(body_of(row) for row in events),
        tracking=tracking,
    )


def _slot(row: Row) -> Slot:
    if row.originator_id is None or row.originator_version is None:
        raise MalformedRecord("an event claims no place")
    return Slot(row.originator_id, row.originator_version)
