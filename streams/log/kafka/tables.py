"""What a replica's file holds beside the tables of an embedded log.

In a replica ``commits.sequence`` is the record's offset + 1: records that are no commit of their own (repetitions and
poison) take a number too, and stand in ``other_records``.
"""

from __future__ import annotations

OTHER_RECORDS = """
CREATE TABLE IF NOT EXISTS other_records (
    sequence INTEGER PRIMARY KEY,          -- the record's offset + 1
    kind TEXT NOT NULL,                    -- duplicate: repeats a commit id; poison: breaks the record's form
    commit_id TEXT,                        -- of the commit that is repeated
    reason TEXT NOT NULL,
    record BLOB,                           -- headers and value; NULL where it repeats its commit byte for byte
    record_hash BLOB NOT NULL,
    chain BLOB NOT NULL
)"""

REPLICA_POSITION = """
CREATE TABLE IF NOT EXISTS replica_position (
    shard INTEGER PRIMARY KEY,
    next_offset INTEGER NOT NULL,          -- of the record to read next
    next_ordinal INTEGER NOT NULL,
    chain BLOB NOT NULL,
    record_hash BLOB NOT NULL,             -- of the record before next_offset; empty before the first
    cluster_id TEXT NOT NULL,
    topic_id TEXT NOT NULL
)"""

UNFOLDED = """
CREATE TABLE IF NOT EXISTS unfolded (
    originator_id TEXT PRIMARY KEY,        -- its document stays as it was before this event
    version INTEGER NOT NULL,
    reason TEXT NOT NULL
) WITHOUT ROWID"""

REPLICA_TABLES = (OTHER_RECORDS, REPLICA_POSITION, UNFOLDED)
