"""Create the table of media fragments, and the views of their kinds."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"

TABLES = {
    "fragments_v1": """
CREATE TABLE IF NOT EXISTS fragments_v1
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `feed_partition` UInt16 COMMENT 'Partition of the fragment log that holds it; 0 in an embedded one',
    `feed_number` UInt64 COMMENT 'Number of its batch there',
    `call_id` String COMMENT 'Call that the row belongs to; joins to calls.call_id',
    `source` LowCardinality(String) COMMENT 'Process that noted it, in a call that several have served',
    `seq` UInt64 COMMENT 'Gapless number of the fragment within call and source',
    `type` LowCardinality(String) COMMENT 'Dotted type: mark.t4, machine.input, turn.state, ...',
    `input` LowCardinality(String) COMMENT 'Which input of the machine, as PartialHeard; empty for other types',
    `turn` Nullable(UInt32) COMMENT 'Turn of the conversation, where the fragment names one',
    `happened_at` DateTime64(6, 'UTC') COMMENT 'When it happened (UTC); rows expire by it',
    `at_ms` Float64 COMMENT 'When it happened, on the call''s own clock (ms)',
    `noted_ms` Float64 COMMENT 'When it was noted, on the call''s own clock (ms); a mark is noted afterwards',
    `data` String COMMENT 'The fragment''s own values as a JSON object; words only where the operator keeps them',
    `dropped` UInt32 COMMENT 'Fragments of the call that were shed before its batch'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(happened_at)
ORDER BY (org_id, call_id, source, seq)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Media facts of calls, many a second: partial transcripts, measuring points, inputs of the call machine'
""",
}

VIEWS = {
    "fragments": """
CREATE OR REPLACE VIEW fragments
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `feed_partition` UInt16 COMMENT 'Partition of the fragment log that holds it; 0 in an embedded one',
    `feed_number` UInt64 COMMENT 'Number of its batch there',
    `call_id` String COMMENT 'Call that the row belongs to; joins to calls.call_id',
    `source` LowCardinality(String) COMMENT 'Process that noted it, in a call that several have served',
    `seq` UInt64 COMMENT 'Gapless number of the fragment within call and source',
    `type` LowCardinality(String) COMMENT 'Dotted type: mark.t4, machine.input, turn.state, ...',
    `input` LowCardinality(String) COMMENT 'Which input of the machine, as PartialHeard; empty for other types',
    `turn` Nullable(UInt32) COMMENT 'Turn of the conversation, where the fragment names one',
    `happened_at` DateTime64(6, 'UTC') COMMENT 'When it happened (UTC); rows expire by it',
    `at_ms` Float64 COMMENT 'When it happened, on the call''s own clock (ms)',
    `noted_ms` Float64 COMMENT 'When it was noted, on the call''s own clock (ms); a mark is noted afterwards',
    `data` String COMMENT 'The fragment''s own values as a JSON object; words only where the operator keeps them',
    `dropped` UInt32 COMMENT 'Fragments of the call that were shed before its batch'
)
AS SELECT * FROM fragments_v1 AS s FINAL
WHERE s.call_id NOT IN (SELECT call_id FROM calls_v1 WHERE deleted_at IS NOT NULL)
""",
    "marks": """
CREATE OR REPLACE VIEW marks
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `call_id` String COMMENT 'Call that the row belongs to; joins to calls.call_id',
    `turn` Nullable(UInt32) COMMENT 'Turn of the conversation, where the fragment names one',
    `point` String COMMENT 'Measuring point, t0 to t7',
    `happened_at` DateTime64(6, 'UTC') COMMENT 'When it happened (UTC); rows expire by it',
    `at_ms` Float64 COMMENT 'When it happened, on the call''s own clock (ms)'
)
AS SELECT org_id, call_id, turn, substring(type, 6) AS point, happened_at, at_ms
FROM fragments
WHERE startsWith(type, 'mark.')
""",
    "partials": """
CREATE OR REPLACE VIEW partials
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `call_id` String COMMENT 'Call that the row belongs to; joins to calls.call_id',
    `seq` UInt64 COMMENT 'Gapless number of the fragment within call and source',
    `happened_at` DateTime64(6, 'UTC') COMMENT 'When it happened (UTC); rows expire by it',
    `at_ms` Float64 COMMENT 'When it happened, on the call''s own clock (ms)',
    `characters` UInt32 COMMENT 'Length of what had been recognised so far',
    `text` String COMMENT 'What had been recognised; empty unless the operator keeps the words of fragments'
)
AS SELECT org_id, call_id, seq, happened_at, at_ms,
    toUInt32(JSONExtractUInt(data, 'text_characters') + lengthUTF8(JSONExtractString(data, 'text'))) AS characters,
    JSONExtractString(data, 'text') AS text
FROM fragments
WHERE input = 'PartialHeard'
""",
}
"""In the order in which they read each other."""


def upgrade() -> None:
    """The views last: they read the table."""
    for statement in (*TABLES.values(), *VIEWS.values()):
        op.execute(statement)


def downgrade() -> None:
    """The views first, backwards: they read the table and each other."""
    for name in reversed(VIEWS):
        op.execute(f"DROP VIEW IF EXISTS {name}")
    for name in TABLES:
        op.execute(f"DROP TABLE IF EXISTS {name}")
