"""A partition's records without a broker: what writers, careful and careless ones, may have put there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from domain.event import Event
from domain.log.codec import EventCodec
from domain.log.commit import Commit, Slot
from domain.log.envelope import Record, to_record
from streams.kafka.identity import LogIdentity
from streams.log.kafka.applying import PlacedRecord
from streams.log.kafka.replica import Replica
from tests.contracts.log_contract import commit
from tests.contracts.tally import TALLIES, TALLY_TYPES

IDENTITY = LogIdentity("cluster", "topic")

_TABLES = (
    "SELECT * FROM stored_events ORDER BY ordinal",
    "SELECT * FROM commits ORDER BY sequence",
    "SELECT * FROM other_records ORDER BY sequence",
    "SELECT * FROM replica_position",
    "SELECT * FROM tracking ORDER BY 1",
    "SELECT * FROM documents ORDER BY id",
    "SELECT * FROM key_hashes ORDER BY hash, document_id",
    "SELECT * FROM unfolded ORDER BY originator_id",
    "SELECT * FROM fold_position",
)


def open_replica(path: Path, *, shard: int = 0, identity: LogIdentity = IDENTITY) -> Replica:
    return Replica.open(path, shard, identity, topic="callfold.log", aggregates=TALLIES, codec=EventCodec(TALLY_TYPES))


def sent(commit_id: str, *claims: tuple[str, int, Event], tracking: tuple[str, int] | None = None) -> Record:
    """A record as a writer of ours sends it."""
    return to_record(commit(commit_id, *claims, tracking=tracking))


def unreadable(commit_id: str, originator_id: str, version: int) -> Record:
    """A well-formed commit whose event no build knows."""
    body = b'{"id":"x","type":"tally.unheard_of","v":1,"time":"2026-11-21T09:00:00Z","data":{}}'
    slots, topics = (Slot(originator_id, version),), ("tally.unheard_of",)
    return to_record(Commit(commit_id=commit_id, slots=slots, topics=topics, bodies=(body,)))


def placed(records: Iterable[Record], start: int = 0) -> list[PlacedRecord]:
    return [PlacedRecord(offset, record) for offset, record in enumerate(records, start)]


def content(path: Path) -> list[list[Any]]:
    """Everything that replicas of one log have in common. Snapshots differ: each node takes its own."""
    with closing(sqlite3.connect(path)) as connection:
        return [connection.execute(statement).fetchall() for statement in _TABLES]


def rows(path: Path, statement: str) -> Sequence[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()
