"""The tables of a log file. ``stored_events`` and ``commits`` are the log; everything else is derived from them."""

from __future__ import annotations

EVENTS = """
CREATE TABLE IF NOT EXISTS stored_events (
    ordinal INTEGER PRIMARY KEY,           -- gapless count of accepted events; explicit, so VACUUM keeps it
    originator_id TEXT NOT NULL,
    originator_version INTEGER NOT NULL,
    topic TEXT NOT NULL,
    state BLOB NOT NULL,
    UNIQUE (originator_id, originator_version)
)"""

COMMITS = """
CREATE TABLE IF NOT EXISTS commits (
    sequence INTEGER PRIMARY KEY,          -- order of the records, accepted and void
    commit_id TEXT NOT NULL UNIQUE,
    v INTEGER NOT NULL,                    -- envelope version
    void_reason TEXT,                      -- NULL: accepted
    first_ordinal INTEGER NOT NULL,        -- ordinal of its first event, or the one it would have had
    events INTEGER NOT NULL,
    tracking_name TEXT,
    tracking_position INTEGER,
    void_record BLOB,                      -- headers and value of a void record, which has no rows elsewhere
    record_hash BLOB NOT NULL,
    chain BLOB NOT NULL
)"""

TRACKING = """
CREATE TABLE IF NOT EXISTS tracking (
    application_name TEXT PRIMARY KEY,
    notification_id INTEGER                -- position of the last upstream event that was processed
) WITHOUT ROWID"""

TRACKING_LAYOUT = """
INSERT OR IGNORE INTO tracking VALUES ('__migration__', 1)"""
"""Tells eventsourcing's own tracking recorder that the table has its present layout already."""

DOCUMENTS = """
CREATE TABLE IF NOT EXISTS documents (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    org_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,           -- microseconds since 1970, UTC
    updated_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    reference TEXT NOT NULL,
    deleted INTEGER NOT NULL,
    version INTEGER NOT NULL
)"""

WITHOUT_FIRST_INDEX = """
DROP INDEX IF EXISTS documents_by_creation"""

WITHOUT_SECOND_INDEX = """
DROP INDEX IF EXISTS live_documents_by_creation"""

DOCUMENTS_BY_CREATION = """
CREATE INDEX IF NOT EXISTS live_documents_by_creation_and_reference
    ON documents (kind, org_id, deleted, created_at DESC, id DESC, reference)"""
"""Answers counts and finds pages, of one reference too, without a look at the documents themselves. What changes with
every event is not in it: each would write the index anew."""

KEY_HASHES = """
CREATE TABLE IF NOT EXISTS key_hashes (
    hash TEXT NOT NULL,
    kind TEXT NOT NULL,
    document_id TEXT NOT NULL,
    PRIMARY KEY (hash, document_id)        -- so that no order of writing shows, should two ever have the same
) WITHOUT ROWID"""

KEY_HASHES_BY_DOCUMENT = """
CREATE INDEX IF NOT EXISTS key_hashes_by_document ON key_hashes (document_id)"""

SNAPSHOTS = """
CREATE TABLE IF NOT EXISTS stored_snapshots (
    originator_id TEXT,
    originator_version INTEGER,
    topic TEXT,                            -- kind@fingerprint, so that changed code never reads an old snapshot
    state BLOB,
    PRIMARY KEY (originator_id, originator_version)
) WITHOUT ROWID"""

FOLDS = """
CREATE TABLE IF NOT EXISTS folds (
    kind TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL              -- of the code and state schema that made the documents of this kind
) WITHOUT ROWID"""

FOLD_POSITION = """
CREATE TABLE IF NOT EXISTS fold_position (
    shard INTEGER PRIMARY KEY,
    ordinal INTEGER NOT NULL               -- of the last event that the documents have seen
)"""

PRUNED = """
CREATE TABLE IF NOT EXISTS pruned (
    originator_id TEXT PRIMARY KEY,        -- its events have no bodies here any more, and it has no document
    org_id TEXT NOT NULL,
    version INTEGER NOT NULL
) WITHOUT ROWID"""

LOG_TABLES = (EVENTS, COMMITS, TRACKING, TRACKING_LAYOUT)
DOCUMENT_TABLES = (
    DOCUMENTS,
    WITHOUT_FIRST_INDEX,
    WITHOUT_SECOND_INDEX,
    DOCUMENTS_BY_CREATION,
    KEY_HASHES,
    KEY_HASHES_BY_DOCUMENT,
    SNAPSHOTS,
    FOLDS,
    FOLD_POSITION,
    PRUNED,
)
