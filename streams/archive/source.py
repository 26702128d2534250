"""What an archive is made of: the records of a log file, in order and whole, each held against its hash."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

import msgspec

from domain.log.chain import GENESIS, link, record_hash
from domain.log.commit import Commit, Slot
from domain.log.envelope import MalformedRecord, to_record
from domain.log.ports import LogUnavailable
from streams.archive.segment import ACCEPTED, DUPLICATE, VOID
from streams.kafka.identity import LogIdentity
from streams.log.append import decode_record, encode_record
from streams.log.file_uri import read_only_uri

_COMMITS = """
SELECT sequence, CASE WHEN void_reason IS NULL THEN 'accepted' ELSE 'void' END, coalesce(void_reason, ''), commit_id,
    v, first_ordinal, events, tracking_name, tracking_position, void_record, record_hash, chain
  FROM commits WHERE sequence>:after"""

_OTHERS = """
UNION ALL SELECT sequence, kind, reason, coalesce(commit_id, ''), 0, 0, 0, NULL, NULL, record, record_hash, chain
  FROM other_records WHERE sequence>:after"""

_EVENTS = """
SELECT originator_id, originator_version, topic, state FROM stored_events WHERE ordinal>=? ORDER BY ordinal"""

_INSTANCE = """
SELECT sequence, v, first_ordinal, events, tracking_name, tracking_position, void_record FROM commits
WHERE commit_id=?"""

_CHAIN_AT = "SELECT chain FROM commits WHERE sequence=:at"
_OTHER_CHAIN_AT = " UNION ALL SELECT chain FROM other_records WHERE sequence=:at"

_ORGANISATIONS = """
SELECT id, org_id FROM documents WHERE id IN (SELECT value FROM json_each(:ids))
UNION ALL SELECT originator_id, org_id FROM pruned WHERE originator_id IN (SELECT value FROM json_each(:ids))"""


class Unarchivable(Exception):
    """A record that cannot go into an archive as it stands; the message names it."""


class SourceRecord(msgspec.Struct, frozen=True, gc=False):
    """One record of a log file: ``commit`` where it was accepted, else ``raw``, its headers and value as msgpack.

    ``raw`` is missing where the record repeats one whose bodies are gone. ``first_ordinal`` counts for commits.
    """

    sequence: int
    outcome: str
    reason: str
    commit_id: str
    first_ordinal: int
    commit: Commit | None
    raw: bytes | None
    hashed: bytes
    chain: bytes


class LogSource:
    """A log file, embedded or a replica of a shard, opened for reading while others write to it."""

    def __init__(self, connection: sqlite3.Connection, path: Path, shard: int) -> None:
        self._connection = connection
        self._tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        self.path = path
        self.shard = shard

    @property
    def log(self) -> str:
        """What the log is called where a cluster named it; empty for an embedded one."""
        if "replica_position" not in self._tables:
            return ""
        row = self._connection.execute(
            "SELECT cluster_id, topic_id FROM replica_position WHERE shard=?", (self.shard,)
        ).fetchone()
        return LogIdentity(*row).name if row else ""

    def events_after(self, sequence: int) -> int:
        """How many accepted events the records behind this one hold."""
        ((events,),) = self._connection.execute("SELECT sum(events) FROM commits WHERE sequence>?", (sequence,))
        return events or 0

    def chain_at(self, sequence: int) -> bytes | None:
        """The chain's value after a record; ``None`` where the log has no such record."""
        if sequence == 0:
            return GENESIS
        others = _OTHER_CHAIN_AT if "other_records" in self._tables else ""
        row = self._connection.execute(_CHAIN_AT + others, {"at": sequence}).fetchone()
        return bytes(row[0]) if row else None

    def organisations(self, originators: Iterable[str]) -> Mapping[str, str]:
        """Whose these are, as far as the file's documents know."""
        if not {"documents", "pruned"} <= self._tables:
            return {}
        return dict(self._connection.execute(_ORGANISATIONS, {"ids": json.dumps(list(originators))}))

    def records(self, after: int, next_ordinal: int, chain: bytes) -> Iterator[SourceRecord]:
        """Every record behind sequence ``after``, at which the log stands at ``next_ordinal`` and ``chain``.

        Raises ``Unarchivable`` at the first one that is not what was hashed, or whose bodies are gone.
        """
        statement = _COMMITS + (_OTHERS if "other_records" in self._tables else "") + " ORDER BY sequence"
        events = self._connection.cursor().execute(_EVENTS, (next_ordinal,))
        for row in self._connection.cursor().execute(statement, {"after": after}):
            sequence, outcome, reason, commit_id, v, first, count, name, position, raw, hashed, after_it = row
            if sequence != after + 1:
                raise self._refusal(after + 1, "it is missing")
            commit = None
            if outcome == ACCEPTED:
                tracking = (name, position) if name is not None else None
                commit = self._commit(sequence, commit_id, v, list(islice(events, count)), tracking)
            if outcome == DUPLICATE and raw is None:
                raw = self._first_instance(commit_id)
            if first != next_ordinal and outcome in (ACCEPTED, VOID):
                raise self._refusal(sequence, f"its first ordinal is {first}, not {next_ordinal}")
            if _hash(commit, raw, hashed if outcome == DUPLICATE else b"") != hashed:
                raise self._refusal(sequence, "its content differs from what was hashed when it was appended")
            chain = link(chain, hashed)
            if chain != after_it:
                raise self._refusal(sequence, "its link does not follow from the link before it")
            yield SourceRecord(sequence, outcome, reason, commit_id, first, commit, raw, hashed, chain)
            after, next_ordinal = sequence, next_ordinal + count

    def _first_instance(self, commit_id: str) -> bytes | None:
        """The record under this id, which a repetition of it does not hold again; ``None`` if a body is gone."""
        row = self._connection.execute(_INSTANCE, (commit_id,)).fetchone()
        if row is None:
            return None
        sequence, v, first, count, name, position, raw = row
        if raw is not None:
            return bytes(raw)
        events = self._connection.execute(_EVENTS + " LIMIT ?", (first, count)).fetchall()
        if not all(body for *_, body in events):
            return None
        tracking = (name, position) if name is not None else None
        return encode_record(to_record(self._commit(sequence, commit_id, v, events, tracking)))

    def _commit(
        self,
        sequence: int,
        commit_id: str,
        v: int,
        events: list[tuple[str, int, str, bytes]],
        tracking: tuple[str, int] | None,
    ) -> Commit:
        gone = next((originator_id for originator_id, _, _, body in events if not body), None)
        if gone is not None:
            raise self._refusal(sequence, f"the bodies of {gone} were given up here; archive from another replica")
        return Commit(
            commit_id=commit_id,
            slots=tuple(Slot(originator_id, version) for originator_id, version, _, _ in events),
            topics=tuple(topic for *_, topic, _ in events),
            bodies=tuple(body for *_, body in events),
            tracking=tracking,
            v=v,
        )

    def _refusal(self, sequence: int, reason: str) -> Unarchivable:
        return Unarchivable(
            f"record {sequence} of shard {self.shard} cannot be archived: {reason}; `callfold verify` tells more"
        )


def _hash(commit: Commit | None, raw: bytes | None, otherwise: bytes) -> bytes:
    try:
        if commit is not None:
            return record_hash(to_record(commit))
        return record_hash(decode_record(raw)) if raw is not None else otherwise
    except (MalformedRecord, msgspec.MsgspecError):
        return b""


@contextmanager
def opened_source(path: Path, shard: int) -> Iterator[LogSource]:
    """Read a log file as it is now, whatever is appended meanwhile. Raises ``LogUnavailable``."""
    try:
        with closing(sqlite3.connect(read_only_uri(path), uri=True, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            yield LogSource(connection, path, shard)
    except sqlite3.Error as problem:
        raise LogUnavailable(f"the log at {path} cannot be read: {problem}") from problem
