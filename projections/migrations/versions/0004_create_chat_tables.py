"""Create the tables of chats and sessions, and the views that analysts read.

Chats and sessions from before are not in them: ``callfold rebuild`` fills them from the log.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

TABLES = {
    "chats_v1": """
CREATE TABLE IF NOT EXISTS chats_v1
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `log_shard` UInt16 COMMENT 'Shard of the log that the event behind this row stands in',
    `log_ordinal` UInt64 COMMENT 'Gapless number of that event within its shard; newer rows have higher numbers',
    `recorded_at` DateTime64(6, 'UTC') COMMENT 'When the event was recorded on the log (UTC)',
    `chat_id` String COMMENT 'Chat',
    `created_at` DateTime64(6, 'UTC') COMMENT 'When the message to be answered came (UTC)',
    `assistant_id` Nullable(String) COMMENT 'Stored assistant that answered; null for one sent inside the request',
    `status` LowCardinality(String) COMMENT 'completed, failed or deleted',
    `failure` LowCardinality(Nullable(String)) COMMENT 'Why there is no whole answer; null where there is one',
    `name` Nullable(String) COMMENT 'Label given by the client',
    `session_id` Nullable(String) COMMENT 'Session that the chat belongs to; joins to sessions.session_id',
    `previous_chat_id` Nullable(String) COMMENT 'Chat that this one goes on from',
    `from_web_page` Bool COMMENT 'Whether it came with a public key',
    `duration_seconds` Nullable(Float64) COMMENT 'Seconds from the message to the end of its answer',
    `input_message_count` UInt32 COMMENT 'Messages in the request',
    `assistant_message_count` UInt32 COMMENT 'Messages that the assistant wrote',
    `tool_call_count` UInt32 COMMENT 'Tool calls made',
    `tool_failure_count` UInt32 COMMENT 'Tool calls that failed',
    `warning_count` UInt32 COMMENT 'Warnings recorded during the chat',
    `cost_usd` Float64 COMMENT 'Everything the chat cost (USD): the sum of the cost parts',
    `cost_llm_usd` Float64 COMMENT 'Language model part of the cost (USD)',
    `cost_chat_usd` Float64 COMMENT 'Platform part of the cost (USD): the fee for an answered message',
    `llm_prompt_tokens` UInt64 COMMENT 'Tokens sent to the language model, cached ones included',
    `llm_completion_tokens` UInt64 COMMENT 'Tokens written by the language model',
    `llm_cached_prompt_tokens` UInt64 COMMENT 'Prompt tokens that the model''s provider had cached',
    `deleted_at` Nullable(DateTime64(6, 'UTC')) COMMENT 'When the chat was deleted (UTC); such chats are not shown'
)
ENGINE = MergeTree
ORDER BY (org_id, created_at, chat_id, log_ordinal)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Chats: one row when a chat is over and one when it is deleted'
""",
    "chats_v1_newest": """
CREATE TABLE IF NOT EXISTS chats_v1_newest
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `log_shard` UInt16 COMMENT 'Shard of the log that the event behind this row stands in',
    `log_ordinal` UInt64 COMMENT 'Gapless number of that event within its shard; newer rows have higher numbers',
    `recorded_at` DateTime64(6, 'UTC') COMMENT 'When the event was recorded on the log (UTC)',
    `chat_id` String COMMENT 'Chat',
    `created_at` DateTime64(6, 'UTC') COMMENT 'When the message to be answered came (UTC)',
    `assistant_id` Nullable(String) COMMENT 'Stored assistant that answered; null for one sent inside the request',
    `status` LowCardinality(String) COMMENT 'completed, failed or deleted',
    `failure` LowCardinality(Nullable(String)) COMMENT 'Why there is no whole answer; null where there is one',
    `name` Nullable(String) COMMENT 'Label given by the client',
    `session_id` Nullable(String) COMMENT 'Session that the chat belongs to; joins to sessions.session_id',
    `previous_chat_id` Nullable(String) COMMENT 'Chat that this one goes on from',
    `from_web_page` Bool COMMENT 'Whether it came with a public key',
    `duration_seconds` Nullable(Float64) COMMENT 'Seconds from the message to the end of its answer',
    `input_message_count` UInt32 COMMENT 'Messages in the request',
    `assistant_message_count` UInt32 COMMENT 'Messages that the assistant wrote',
    `tool_call_count` UInt32 COMMENT 'Tool calls made',
    `tool_failure_count` UInt32 COMMENT 'Tool calls that failed',
    `warning_count` UInt32 COMMENT 'Warnings recorded during the chat',
    `cost_usd` Float64 COMMENT 'Everything the chat cost (USD): the sum of the cost parts',
    `cost_llm_usd` Float64 COMMENT 'Language model part of the cost (USD)',
    `cost_chat_usd` Float64 COMMENT 'Platform part of the cost (USD): the fee for an answered message',
    `llm_prompt_tokens` UInt64 COMMENT 'Tokens sent to the language model, cached ones included',
    `llm_completion_tokens` UInt64 COMMENT 'Tokens written by the language model',
    `llm_cached_prompt_tokens` UInt64 COMMENT 'Prompt tokens that the model''s provider had cached',
    `deleted_at` Nullable(DateTime64(6, 'UTC')) COMMENT 'When the chat was deleted (UTC); such chats are not shown'
)
ENGINE = ReplacingMergeTree(log_ordinal)
ORDER BY (org_id, created_at, chat_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Of chats: the newest row of each'
""",
    "sessions_v1": """
CREATE TABLE IF NOT EXISTS sessions_v1
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `log_shard` UInt16 COMMENT 'Shard of the log that the event behind this row stands in',
    `log_ordinal` UInt64 COMMENT 'Gapless number of that event within its shard; newer rows have higher numbers',
    `recorded_at` DateTime64(6, 'UTC') COMMENT 'When the event was recorded on the log (UTC)',
    `session_id` String COMMENT 'Session',
    `created_at` DateTime64(6, 'UTC') COMMENT 'When the session was created (UTC)',
    `status` LowCardinality(String) COMMENT 'active or completed, as somebody said; see expires_at too',
    `expires_at` DateTime64(6, 'UTC') COMMENT 'From when on the session takes no more conversations (UTC)',
    `name` Nullable(String) COMMENT 'Label given by the client',
    `assistant_id` Nullable(String) COMMENT 'Stored assistant that answers; null for one sent inside the request',
    `squad_id` Nullable(String) COMMENT 'Stored squad that answers, where one does',
    `phone_number_id` Nullable(String) COMMENT 'Stored phone number of the session, where it has one',
    `customer_number` Nullable(String) COMMENT 'Telephone number of the other side (E.164), where there is one',
    `chat_count` UInt32 COMMENT 'Chats held in it since its messages were last replaced',
    `call_count` UInt32 COMMENT 'Calls held in it since its messages were last replaced',
    `deleted_at` Nullable(DateTime64(6, 'UTC')) COMMENT 'When it was deleted (UTC); such sessions are not shown'
)
ENGINE = MergeTree
ORDER BY (org_id, created_at, session_id, log_ordinal)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Sessions: one row per change of a session, the highest log_ordinal is its present state'
""",
    "sessions_v1_newest": """
CREATE TABLE IF NOT EXISTS sessions_v1_newest
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `log_shard` UInt16 COMMENT 'Shard of the log that the event behind this row stands in',
    `log_ordinal` UInt64 COMMENT 'Gapless number of that event within its shard; newer rows have higher numbers',
    `recorded_at` DateTime64(6, 'UTC') COMMENT 'When the event was recorded on the log (UTC)',
    `session_id` String COMMENT 'Session',
    `created_at` DateTime64(6, 'UTC') COMMENT 'When the session was created (UTC)',
    `status` LowCardinality(String) COMMENT 'active or completed, as somebody said; see expires_at too',
    `expires_at` DateTime64(6, 'UTC') COMMENT 'From when on the session takes no more conversations (UTC)',
    `name` Nullable(String) COMMENT 'Label given by the client',
    `assistant_id` Nullable(String) COMMENT 'Stored assistant that answers; null for one sent inside the request',
    `squad_id` Nullable(String) COMMENT 'Stored squad that answers, where one does',
    `phone_number_id` Nullable(String) COMMENT 'Stored phone number of the session, where it has one',
    `customer_number` Nullable(String) COMMENT 'Telephone number of the other side (E.164), where there is one',
    `chat_count` UInt32 COMMENT 'Chats held in it since its messages were last replaced',
    `call_count` UInt32 COMMENT 'Calls held in it since its messages were last replaced',
    `deleted_at` Nullable(DateTime64(6, 'UTC')) COMMENT 'When it was deleted (UTC); such sessions are not shown'
)
ENGINE = ReplacingMergeTree(log_ordinal)
ORDER BY (org_id, created_at, session_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Of sessions: the newest row of each'
""",
}

VIEWS = {
    "chats": """
CREATE OR REPLACE VIEW chats
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `log_shard` UInt16 COMMENT 'Shard of the log that the event behind this row stands in',
    `chat_id` String COMMENT 'Chat',
    `created_at` DateTime64(6, 'UTC') COMMENT 'When the message to be answered came (UTC)',
    `assistant_id` Nullable(String) COMMENT 'Stored assistant that answered; null for one sent inside the request',
    `log_ordinal` UInt64 COMMENT 'Gapless number of that event within its shard; newer rows have higher numbers',
    `recorded_at` DateTime64(6, 'UTC') COMMENT 'When the event was recorded on the log (UTC)',
    `status` LowCardinality(String) COMMENT 'completed, failed or deleted',
    `failure` LowCardinality(Nullable(String)) COMMENT 'Why there is no whole answer; null where there is one',
    `name` Nullable(String) COMMENT 'Label given by the client',
    `session_id` Nullable(String) COMMENT 'Session that the chat belongs to; joins to sessions.session_id',
    `previous_chat_id` Nullable(String) COMMENT 'Chat that this one goes on from',
    `from_web_page` Bool COMMENT 'Whether it came with a public key',
    `duration_seconds` Nullable(Float64) COMMENT 'Seconds from the message to the end of its answer',
    `input_message_count` UInt32 COMMENT 'Messages in the request',
    `assistant_message_count` UInt32 COMMENT 'Messages that the assistant wrote',
    `tool_call_count` UInt32 COMMENT 'Tool calls made',
    `tool_failure_count` UInt32 COMMENT 'Tool calls that failed',
    `warning_count` UInt32 COMMENT 'Warnings recorded during the chat',
    `cost_usd` Float64 COMMENT 'Everything the chat cost (USD): the sum of the cost parts',
    `cost_llm_usd` Float64 COMMENT 'Language model part of the cost (USD)',
    `cost_chat_usd` Float64 COMMENT 'Platform part of the cost (USD): the fee for an answered message',
    `llm_prompt_tokens` UInt64 COMMENT 'Tokens sent to the language model, cached ones included',
    `llm_completion_tokens` UInt64 COMMENT 'Tokens written by the language model',
    `llm_cached_prompt_tokens` UInt64 COMMENT 'Prompt tokens that the model''s provider had cached',
    `deleted_at` Nullable(DateTime64(6, 'UTC')) COMMENT 'When the chat was deleted (UTC); such chats are not shown'
)
AS SELECT
    org_id,
    log_shard,
    chat_id,
    created_at,
    assistant_id,
    log_ordinal,
    recorded_at,
    status,
    failure,
    name,
    session_id,
    previous_chat_id,
    from_web_page,
    duration_seconds,
    input_message_count,
    assistant_message_count,
    tool_call_count,
    tool_failure_count,
    warning_count,
    cost_usd,
    cost_llm_usd,
    cost_chat_usd,
    llm_prompt_tokens,
    llm_completion_tokens,
    llm_cached_prompt_tokens,
    deleted_at
FROM chats_v1_newest FINAL
WHERE deleted_at IS NULL
""",
    "sessions": """
CREATE OR REPLACE VIEW sessions
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `log_shard` UInt16 COMMENT 'Shard of the log that the event behind this row stands in',
    `session_id` String COMMENT 'Session',
    `created_at` DateTime64(6, 'UTC') COMMENT 'When the session was created (UTC)',
    `log_ordinal` UInt64 COMMENT 'Gapless number of that event within its shard; newer rows have higher numbers',
    `recorded_at` DateTime64(6, 'UTC') COMMENT 'When the event was recorded on the log (UTC)',
    `status` LowCardinality(String) COMMENT 'active or completed, as somebody said; see expires_at too',
    `expires_at` DateTime64(6, 'UTC') COMMENT 'From when on the session takes no more conversations (UTC)',
    `name` Nullable(String) COMMENT 'Label given by the client',
    `assistant_id` Nullable(String) COMMENT 'Stored assistant that answers; null for one sent inside the request',
    `squad_id` Nullable(String) COMMENT 'Stored squad that answers, where one does',
    `phone_number_id` Nullable(String) COMMENT 'Stored phone number of the session, where it has one',
    `customer_number` Nullable(String) COMMENT 'Telephone number of the other side (E.164), where there is one',
    `chat_count` UInt32 COMMENT 'Chats held in it since its messages were last replaced',
    `call_count` UInt32 COMMENT 'Calls held in it since its messages were last replaced',
    `deleted_at` Nullable(DateTime64(6, 'UTC')) COMMENT 'When it was deleted (UTC); such sessions are not shown'
)
AS SELECT
    org_id,
    log_shard,
    session_id,
    created_at,
    log_ordinal,
    recorded_at,
    status,
    expires_at,
    name,
    assistant_id,
    squad_id,
    phone_number_id,
    customer_number,
    chat_count,
    call_count,
    deleted_at
FROM sessions_v1_newest FINAL
WHERE deleted_at IS NULL
""",
}


def upgrade() -> None:
    """The views last: they read the tables."""
    for statement in (*TABLES.values(), *VIEWS.values()):
        op.execute(statement)


def downgrade() -> None:
    """The views first: they read the tables."""
    for name in VIEWS:
        op.execute(f"DROP VIEW IF EXISTS {name}")
    for name in reversed(TABLES):
        op.execute(f"DROP TABLE IF EXISTS {name}")
