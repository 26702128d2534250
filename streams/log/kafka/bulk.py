"""Taking in many records at once: the next commit of a history, which nearly all of them are, costs little here.

The outcome is the one that ``ReplicaTransaction`` comes to record by record; it also takes whatever is less plain.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from domain.log.chain import link
from domain.log.commit import Commit
from streams.log.kafka.applying import ReadRecord, ReplicaTail, ReplicaTransaction


class BulkTransaction(ReplicaTransaction):
    """Collects what a batch of records leaves in the replica."""

    def __init__(self, connection: sqlite3.Connection, shard: int, tail: ReplicaTail, *, repeats: bool) -> None:
        """Without ``repeats`` no commit id is looked up in the replica. Should it hold one of them, which is rare,
        SQLite refuses the row (``sqlite3.IntegrityError``), and the batch has to be taken again, with ``repeats``.
        """
        super().__init__(connection, shard, tail)
        self._repeats = repeats
        self._taken: dict[str, bytes] = {}
        """The record hash of each commit that was taken plainly."""
        self._judged: set[str] = set()
        """Ids that have a verdict already and are not among ``_taken``."""

    def apply_all(self, records: Sequence[ReadRecord]) -> list[Commit]:
        """The same with few steps for each; to be called once."""
        self._foresee([read.commit for read in records if read.commit is not None])
        taken, judged, advance = self._taken, self._judged, self._arbiter.advance
        accepted: list[Commit] = []
        for read in records:
            commit = read.commit
            if commit is None:
                self.apply(read)
            elif commit.commit_id in taken:
                self.repeat(read, commit.commit_id, taken[commit.commit_id])
            elif commit.tracking is None and commit.commit_id not in judged and advance(commit.slots):
                self._take_plainly(read, commit)
                accepted.append(commit)
            else:
                judged.add(commit.commit_id)
                accepted += super().apply_all([read])
        return accepted

    def _foresee(self, commits: Sequence[Commit]) -> None:
        """Look up the heads that these commits name, and, where asked to, their ids."""
        self.load_heads({slot.originator_id for commit in commits for slot in commit.slots})
        ids = {commit.commit_id for commit in commits}
        if self._repeats:
            self._judged |= self.held(ids)
        self._settled.update(dict.fromkeys(ids - self._judged))

    def _take_plainly(self, read: ReadRecord, commit: Commit) -> None:
        """What ``take`` does with a commit that is accepted and tracks nothing."""
        hashed, first = read.hashed, self._next_ordinal
        self._sequence = sequence = read.offset + 1
        self._chain = chain = link(self._chain, hashed)
        self._record_hash = self._taken[commit.commit_id] = hashed
        ordinal = first
        for slot, topic, body in zip(commit.slots, commit.topics, commit.bodies, strict=True):
            self._events.append((ordinal, slot.originator_id, slot.version, topic, bytearray(body)))
            ordinal += 1
        self._next_ordinal = ordinal
        hashes = bytearray(hashed), bytearray(chain)
        self._accepted.append((sequence, commit.commit_id, commit.v, first, ordinal - first, *hashes))
