"""Create the table of deliveries to tenants' servers, and its view."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"

TABLE = """
CREATE TABLE IF NOT EXISTS deliveries_v1
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `log_shard` UInt16 COMMENT 'Shard of the log that the event behind this row stands in',
    `log_ordinal` UInt64 COMMENT 'Gapless number of that event within its shard; newer rows have higher numbers',
    `recorded_at` DateTime64(6, 'UTC') COMMENT 'When the event was recorded on the log (UTC)',
    `endpoint_id` String COMMENT 'Endpoint: an origin of the organisation',
    `message_id` String COMMENT 'Message; the same for all its attempts, the webhook-id header',
    `message_type` LowCardinality(String) COMMENT 'Type of the message: status-update, end-of-call-report, …',
    `about_id` String COMMENT 'Call, chat or session that it tells about',
    `event_id` String COMMENT 'Event on the log that it follows from',
    `url` String COMMENT 'Where it was sent, without the query',
    `attempt` UInt32 COMMENT 'Number of the attempt at this message, from 1',
    `started_at` DateTime64(6, 'UTC') COMMENT 'When the attempt began (UTC)',
    `total_ms` Float64 COMMENT 'Time from its begin to the end of the answer (ms)',
    `outcome` LowCardinality(String) COMMENT 'success, or why not: status, redirect, gone, throttled, timeout, …',
    `status` Nullable(UInt16) COMMENT 'HTTP status of the answer, where there was one',
    `detail` String COMMENT 'The reason in words',
    `request_bytes` UInt64 COMMENT 'Length of the body',
    `response_bytes` UInt64 COMMENT 'Length of the answer, as far as it was read',
    `body_sha256` String COMMENT 'SHA-256 of the body (hex)',
    `replay` LowCardinality(String) COMMENT 'manual or recover where somebody asked for it again, else empty',
    `next_attempt_at` Nullable(DateTime64(6, 'UTC')) COMMENT 'When it is tried again (UTC); null where it is not'
)
ENGINE = MergeTree
ORDER BY (org_id, started_at, message_id, attempt)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Attempts to deliver messages to the servers of tenants: one row for each'
"""

VIEW = """
CREATE OR REPLACE VIEW deliveries
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `log_shard` UInt16 COMMENT 'Shard of the log that the event behind this row stands in',
    `log_ordinal` UInt64 COMMENT 'Gapless number of that event within its shard; newer rows have higher numbers',
    `recorded_at` DateTime64(6, 'UTC') COMMENT 'When the event was recorded on the log (UTC)',
    `endpoint_id` String COMMENT 'Endpoint: an origin of the organisation',
    `message_id` String COMMENT 'Message; the same for all its attempts, the webhook-id header',
    `message_type` LowCardinality(String) COMMENT 'Type of the message: status-update, end-of-call-report, …',
    `about_id` String COMMENT 'Call, chat or session that it tells about',
    `event_id` String COMMENT 'Event on the log that it follows from',
    `url` String COMMENT 'Where it was sent, without the query',
    `attempt` UInt32 COMMENT 'Number of the attempt at this message, from 1',
    `started_at` DateTime64(6, 'UTC') COMMENT 'When the attempt began (UTC)',
    `total_ms` Float64 COMMENT 'Time from its begin to the end of the answer (ms)',
    `outcome` LowCardinality(String) COMMENT 'success, or why not: status, redirect, gone, throttled, timeout, …',
    `status` Nullable(UInt16) COMMENT 'HTTP status of the answer, where there was one',
    `detail` String COMMENT 'The reason in words',
    `request_bytes` UInt64 COMMENT 'Length of the body',
    `response_bytes` UInt64 COMMENT 'Length of the answer, as far as it was read',
    `body_sha256` String COMMENT 'SHA-256 of the body (hex)',
    `replay` LowCardinality(String) COMMENT 'manual or recover where somebody asked for it again, else empty',
    `next_attempt_at` Nullable(DateTime64(6, 'UTC')) COMMENT 'When it is tried again (UTC); null where it is not'
)
AS SELECT * FROM deliveries_v1
"""


def upgrade() -> None:
    """The view last: it reads the table."""
    for statement in (TABLE, VIEW):
        op.execute(statement)


def downgrade() -> None:
    """The view first: it reads the table."""
    op.execute("DROP VIEW IF EXISTS deliveries")
    op.execute("DROP TABLE IF EXISTS deliveries_v1")
