"""Create the tables of the first calls, and the views that analysts read.

ClickHouse has no transactions around DDL, so every statement may be run again after a crash in the middle.

The statements repeat what ``projections.tables`` defines, on purpose: a migration is history and stays as it ran, while
the definitions go on to describe newer versions. Tests hold the newest migration and the definitions equal.
"""

from __future__ import annotations

import re

from alembic import op

revision = "0001"
down_revision = None

TABLES = {
    "calls_v1": """
CREATE TABLE IF NOT EXISTS calls_v1
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `log_shard` UInt16 COMMENT 'Shard of the log that the event behind this row stands in',
    `log_ordinal` UInt64 COMMENT 'Gapless number of that event within its shard; newer rows have higher numbers',
    `recorded_at` DateTime64(6, 'UTC') COMMENT 'When the event was recorded on the log (UTC)',
    `call_id` String COMMENT 'Call',
    `created_at` DateTime64(6, 'UTC') COMMENT 'When the call was accepted (UTC); filters and buckets use it',
    `type` LowCardinality(String) COMMENT 'inboundPhoneCall, outboundPhoneCall, webCall or vapi.websocketCall',
    `assistant_id` Nullable(String) COMMENT 'Stored assistant that answers; null for one sent inside the request',
    `status` LowCardinality(String) COMMENT 'queued, ringing, in-progress or ended',
    `ended_reason` LowCardinality(Nullable(String)) COMMENT 'Why the call ended; null while it runs',
    `name` Nullable(String) COMMENT 'Label given by the client',
    `transport_provider` LowCardinality(String) COMMENT 'Transport that carries the audio, as vapi.websocket',
    `customer_number` Nullable(String) COMMENT 'Telephone number of the other side (E.164), where there is one',
    `started_at` Nullable(DateTime64(6, 'UTC')) COMMENT 'When audio began to flow (UTC); null if it never did',
    `ended_at` Nullable(DateTime64(6, 'UTC')) COMMENT 'When the call ended (UTC)',
    `duration_seconds` Nullable(Float64) COMMENT 'Seconds from started_at to ended_at; null if it never started',
    `cost_usd` Float64 COMMENT 'Everything the call cost so far (USD): the sum of the cost parts',
    `cost_transport_usd` Float64 COMMENT 'Transport part of the cost (USD)',
    `cost_stt_usd` Float64 COMMENT 'Speech recognition part of the cost (USD)',
    `cost_llm_usd` Float64 COMMENT 'Language model part of the cost (USD)',
    `cost_tts_usd` Float64 COMMENT 'Speech synthesis part of the cost (USD)',
    `cost_vapi_usd` Float64 COMMENT 'Platform part of the cost (USD)',
    `cost_analysis_summary_usd` Float64 COMMENT 'Cost of the summary made after the call (USD)',
    `llm_prompt_tokens` UInt64 COMMENT 'Tokens sent to the language model, cached ones included',
    `llm_completion_tokens` UInt64 COMMENT 'Tokens written by the language model',
    `llm_cached_prompt_tokens` UInt64 COMMENT 'Prompt tokens that the model''s provider had cached',
    `tts_characters` UInt64 COMMENT 'Characters sent to speech synthesis',
    `average_endpointing_latency_ms` Nullable(Float64) COMMENT 'Mean wait for the end of the user''s turn (ms)',
    `average_transcriber_latency_ms` Nullable(Float64) COMMENT 'Mean delay of the final transcript (ms)',
    `average_model_latency_ms` Nullable(Float64) COMMENT 'Mean time to the model''s first token (ms)',
    `average_voice_latency_ms` Nullable(Float64) COMMENT 'Mean time from first text to first audio (ms)',
    `average_turn_latency_ms` Nullable(Float64) COMMENT 'Mean time from the user''s last word to audio (ms)',
    `user_message_count` UInt32 COMMENT 'Messages of the user in the conversation',
    `assistant_message_count` UInt32 COMMENT 'Messages of the assistant in the conversation',
    `tool_call_count` UInt32 COMMENT 'Tool calls made',
    `tool_failure_count` UInt32 COMMENT 'Tool calls that failed',
    `assistant_interruption_count` UInt32 COMMENT 'Times the caller cut the assistant off',
    `user_interruption_count` UInt32 COMMENT 'Times the assistant began to speak while the user spoke',
    `warning_count` UInt32 COMMENT 'Warnings recorded during the call',
    `success_evaluation` LowCardinality(Nullable(String)) COMMENT 'Verdict of the analysis after the call',
    `variable_values` Map(String, String) COMMENT 'Template variables of the call; other than text as JSON',
    `deleted_at` Nullable(DateTime64(6, 'UTC')) COMMENT 'When the call was deleted (UTC); such calls are not shown'
)
ENGINE = MergeTree
ORDER BY (org_id, created_at, call_id, log_ordinal)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Calls: one row per change of a call, the highest log_ordinal is its present state'
""",
    "turns_v1": """
CREATE TABLE IF NOT EXISTS turns_v1
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `log_shard` UInt16 COMMENT 'Shard of the log that the event behind this row stands in',
    `log_ordinal` UInt64 COMMENT 'Gapless number of that event within its shard; newer rows have higher numbers',
    `recorded_at` DateTime64(6, 'UTC') COMMENT 'When the event was recorded on the log (UTC)',
    `call_id` String COMMENT 'Call that the row belongs to; joins to calls.call_id',
    `turn` UInt32 COMMENT 'Number of the conversation turn within the call',
    `rule` LowCardinality(Nullable(String)) COMMENT 'Rule that decided that the user''s turn was over',
    `wait_ms` Nullable(Float64) COMMENT 'Pause that the rule asked for (ms)',
    `decided_ms` Nullable(Float64) COMMENT 'When it was decided, on the call''s own clock (ms)',
    `source` LowCardinality(Nullable(String)) COMMENT 'Origin of the answer''s text: model, first-message, say, …',
    `t0_ms` Nullable(Float64) COMMENT 'Last voiced frame of the user, on the call''s own clock (ms)',
    `t1_ms` Nullable(Float64) COMMENT 'Final transcript (ms)',
    `t2_ms` Nullable(Float64) COMMENT 'Turn decision (ms)',
    `t3_ms` Nullable(Float64) COMMENT 'Request to the model (ms)',
    `t4_ms` Nullable(Float64) COMMENT 'First token of the model (ms)',
    `t5_ms` Nullable(Float64) COMMENT 'First text handed to the voice (ms)',
    `t6_ms` Nullable(Float64) COMMENT 'First audio from the voice (ms)',
    `t7_ms` Nullable(Float64) COMMENT 'First frame sent to the caller (ms)',
    `interrupted_by` LowCardinality(Nullable(String)) COMMENT 'voice, words, phrase or control, if cut off',
    `heard_ms` Nullable(Float64) COMMENT 'Audio that had been played when the caller cut in (ms)'
)
ENGINE = MergeTree
ORDER BY (org_id, call_id, turn, log_ordinal)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Turns of calls: one row per fact about a turn, the view folds them into one row a turn'
""",
    "messages_v1": """
CREATE TABLE IF NOT EXISTS messages_v1
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `log_shard` UInt16 COMMENT 'Shard of the log that the event behind this row stands in',
    `log_ordinal` UInt64 COMMENT 'Gapless number of that event within its shard; newer rows have higher numbers',
    `recorded_at` DateTime64(6, 'UTC') COMMENT 'When the event was recorded on the log (UTC)',
    `call_id` String COMMENT 'Call that the row belongs to; joins to calls.call_id',
    `message_id` String COMMENT 'Message',
    `role` LowCardinality(String) COMMENT 'system, user, assistant or tool',
    `turn` UInt32 COMMENT 'Number of the conversation turn within the call',
    `text` String COMMENT 'Words said; for the assistant the part that was heard before any interruption',
    `generated_text` Nullable(String) COMMENT 'What the model wrote, where it differs from what was heard',
    `source` LowCardinality(String) COMMENT 'Origin of a spoken text: model, first-message, say, …',
    `interrupted` Bool COMMENT 'Whether the caller cut the message off',
    `confidence` Nullable(Float64) COMMENT 'Recogniser''s confidence from 0 to 1',
    `spoken_at` Nullable(DateTime64(6, 'UTC')) COMMENT 'When speaking began (UTC)',
    `started_ms` Float64 COMMENT 'Begin on the call''s own clock (ms since the call was claimed)',
    `ended_ms` Float64 COMMENT 'End on the call''s own clock (ms)'
)
ENGINE = MergeTree
ORDER BY (org_id, call_id, log_ordinal)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Messages of calls: what the user said and what the user heard, one row each'
""",
    "tool_calls_v1": """
CREATE TABLE IF NOT EXISTS tool_calls_v1
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `log_shard` UInt16 COMMENT 'Shard of the log that the event behind this row stands in',
    `log_ordinal` UInt64 COMMENT 'Gapless number of that event within its shard; newer rows have higher numbers',
    `recorded_at` DateTime64(6, 'UTC') COMMENT 'When the event was recorded on the log (UTC)',
    `call_id` String COMMENT 'Call that the row belongs to; joins to calls.call_id',
    `tool_call_id` String COMMENT 'Tool call',
    `status` LowCardinality(String) COMMENT 'called, completed or failed',
    `name` LowCardinality(Nullable(String)) COMMENT 'Name of the tool',
    `kind` LowCardinality(Nullable(String)) COMMENT 'Type of the tool: function, endCall, …',
    `turn` Nullable(UInt32) COMMENT 'Turn in which the model called the tool',
    `arguments` Nullable(String) COMMENT 'Arguments as a JSON object',
    `result` Nullable(String) COMMENT 'What the tool answered',
    `failure` LowCardinality(Nullable(String)) COMMENT 'Category of the failure: timeout, http-status, bad-body, …',
    `error` Nullable(String) COMMENT 'What the model was told about the failure',
    `called_ms` Nullable(Float64) COMMENT 'When it was called, on the call''s own clock (ms)',
    `finished_ms` Nullable(Float64) COMMENT 'When it was answered or had failed (ms)'
)
ENGINE = MergeTree
ORDER BY (org_id, call_id, tool_call_id, log_ordinal)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Tool calls: one row per fact about one, the view folds them into one row a tool call'
""",
    "costs_v1": """
CREATE TABLE IF NOT EXISTS costs_v1
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `log_shard` UInt16 COMMENT 'Shard of the log that the event behind this row stands in',
    `log_ordinal` UInt64 COMMENT 'Gapless number of that event within its shard; newer rows have higher numbers',
    `recorded_at` DateTime64(6, 'UTC') COMMENT 'When the event was recorded on the log (UTC)',
    `call_id` String COMMENT 'Call that the row belongs to; joins to calls.call_id',
    `meter` LowCardinality(String) COMMENT 'transport, transcriber, model, voice or vapi (the platform)',
    `provider` LowCardinality(String) COMMENT 'Provider whose service was used',
    `model` LowCardinality(String) COMMENT 'Model or voice of the provider, where there is one',
    `turn` Nullable(UInt32) COMMENT 'Turn that the reading belongs to, where it belongs to one',
    `minutes` Float64 COMMENT 'Metered minutes',
    `prompt_tokens` UInt64 COMMENT 'Metered prompt tokens, cached ones included',
    `completion_tokens` UInt64 COMMENT 'Metered completion tokens',
    `cached_prompt_tokens` UInt64 COMMENT 'Metered prompt tokens that were cached',
    `characters` UInt64 COMMENT 'Metered characters of synthesised speech',
    `price_table` LowCardinality(String) COMMENT 'Dated price table that the amount follows',
    `priced` Bool COMMENT 'False where the price table has no such price; the amount is then 0',
    `cost_usd` Float64 COMMENT 'Amount (USD)'
)
ENGINE = MergeTree
ORDER BY (org_id, call_id, log_ordinal)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Cost of calls: one row per meter reading, priced'
""",
    "latencies_v1": """
CREATE TABLE IF NOT EXISTS latencies_v1
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `log_shard` UInt16 COMMENT 'Shard of the log that the event behind this row stands in',
    `log_ordinal` UInt64 COMMENT 'Gapless number of that event within its shard; newer rows have higher numbers',
    `recorded_at` DateTime64(6, 'UTC') COMMENT 'When the event was recorded on the log (UTC)',
    `call_id` String COMMENT 'Call that the row belongs to; joins to calls.call_id',
    `turn` UInt32 COMMENT 'Number of the conversation turn within the call',
    `source` LowCardinality(String) COMMENT 'Where the answer''s text came from: model, first-message, say …',
    `transcriber_provider` LowCardinality(String) COMMENT 'Provider of speech recognition',
    `model_provider` LowCardinality(String) COMMENT 'Provider of the language model',
    `model` LowCardinality(String) COMMENT 'Language model',
    `voice_provider` LowCardinality(String) COMMENT 'Provider of speech synthesis',
    `transcriber_ms` Nullable(Float64) COMMENT 'Last voiced frame to final transcript (ms)',
    `endpointing_ms` Nullable(Float64) COMMENT 'Final transcript to the decision that the turn was over (ms)',
    `model_ms` Nullable(Float64) COMMENT 'Request to first token (ms)',
    `voice_ms` Nullable(Float64) COMMENT 'First text handed over to first audio (ms)',
    `turn_ms` Nullable(Float64) COMMENT 'Last voiced frame of the user to first frame of the answer (ms)'
)
ENGINE = MergeTree
ORDER BY (org_id, call_id, log_ordinal)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Delays of answered turns by stage, derived from their measuring points, one row per measured turn'
""",
    "events_v1": """
CREATE TABLE IF NOT EXISTS events_v1
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `log_shard` UInt16 COMMENT 'Shard of the log that the event behind this row stands in',
    `log_ordinal` UInt64 COMMENT 'Gapless number of that event within its shard; newer rows have higher numbers',
    `recorded_at` DateTime64(6, 'UTC') COMMENT 'When the event was recorded on the log (UTC)',
    `event_id` String COMMENT 'Unique id of the event: id of its commit and index within it',
    `type` LowCardinality(String) COMMENT 'Dotted event type, aggregate first, as call.ended',
    `schema_version` UInt16 COMMENT 'Version of the event type''s schema that data follows',
    `originator_kind` LowCardinality(String) COMMENT 'organization, assistant or call',
    `originator_id` String COMMENT 'Organisation, assistant or call that the event happened to',
    `originator_version` UInt32 COMMENT 'Gapless number of the event in the originator''s own history, from 1',
    `data` String COMMENT 'Fields of the event as a JSON object; read them with JSONExtractString and the like',
    INDEX originator originator_id TYPE bloom_filter GRANULARITY 4
)
ENGINE = MergeTree
ORDER BY (org_id, log_shard, log_ordinal)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Every event of the log, in order, one row each'
""",
}

VIEWS = {
    "calls": """SELECT
    s.org_id AS org_id,
    s.log_shard AS log_shard,
    s.call_id AS call_id,
    s.created_at AS created_at,
    s.type AS type,
    s.assistant_id AS assistant_id,
    max(s.log_ordinal) AS log_ordinal,
    max(s.recorded_at) AS recorded_at,
    tupleElement(argMax(tuple(s.status), s.log_ordinal), 1) AS status,
    tupleElement(argMax(tuple(s.ended_reason), s.log_ordinal), 1) AS ended_reason,
    tupleElement(argMax(tuple(s.name), s.log_ordinal), 1) AS name,
    tupleElement(argMax(tuple(s.transport_provider), s.log_ordinal), 1) AS transport_provider,
    tupleElement(argMax(tuple(s.customer_number), s.log_ordinal), 1) AS customer_number,
    tupleElement(argMax(tuple(s.started_at), s.log_ordinal), 1) AS started_at,
    tupleElement(argMax(tuple(s.ended_at), s.log_ordinal), 1) AS ended_at,
    tupleElement(argMax(tuple(s.duration_seconds), s.log_ordinal), 1) AS duration_seconds,
    tupleElement(argMax(tuple(s.cost_usd), s.log_ordinal), 1) AS cost_usd,
    tupleElement(argMax(tuple(s.cost_transport_usd), s.log_ordinal), 1) AS cost_transport_usd,
    tupleElement(argMax(tuple(s.cost_stt_usd), s.log_ordinal), 1) AS cost_stt_usd,
    tupleElement(argMax(tuple(s.cost_llm_usd), s.log_ordinal), 1) AS cost_llm_usd,
    tupleElement(argMax(tuple(s.cost_tts_usd), s.log_ordinal), 1) AS cost_tts_usd,
    tupleElement(argMax(tuple(s.cost_vapi_usd), s.log_ordinal), 1) AS cost_vapi_usd,
    tupleElement(argMax(tuple(s.cost_analysis_summary_usd), s.log_ordinal), 1) AS cost_analysis_summary_usd,
    tupleElement(argMax(tuple(s.llm_prompt_tokens), s.log_ordinal), 1) AS llm_prompt_tokens,
    tupleElement(argMax(tuple(s.llm_completion_tokens), s.log_ordinal), 1) AS llm_completion_tokens,
    tupleElement(argMax(tuple(s.llm_cached_prompt_tokens), s.log_ordinal), 1) AS llm_cached_prompt_tokens,
    tupleElement(argMax(tuple(s.tts_characters), s.log_ordinal), 1) AS tts_characters,
    tupleElement(argMax(tuple(s.average_endpointing_latency_ms), s.log_ordinal), 1) AS average_endpointing_latency_ms,
    tupleElement(argMax(tuple(s.average_transcriber_latency_ms), s.log_ordinal), 1) AS average_transcriber_latency_ms,
    tupleElement(argMax(tuple(s.average_model_latency_ms), s.log_ordinal), 1) AS average_model_latency_ms,
    tupleElement(argMax(tuple(s.average_voice_latency_ms), s.log_ordinal), 1) AS average_voice_latency_ms,
    tupleElement(argMax(tuple(s.average_turn_latency_ms), s.log_ordinal), 1) AS average_turn_latency_ms,
    tupleElement(argMax(tuple(s.user_message_count), s.log_ordinal), 1) AS user_message_count,
    tupleElement(argMax(tuple(s.assistant_message_count), s.log_ordinal), 1) AS assistant_message_count,
    tupleElement(argMax(tuple(s.tool_call_count), s.log_ordinal), 1) AS tool_call_count,
    tupleElement(argMax(tuple(s.tool_failure_count), s.log_ordinal), 1) AS tool_failure_count,
    tupleElement(argMax(tuple(s.assistant_interruption_count), s.log_ordinal), 1) AS assistant_interruption_count,
    tupleElement(argMax(tuple(s.user_interruption_count), s.log_ordinal), 1) AS user_interruption_count,
    tupleElement(argMax(tuple(s.warning_count), s.log_ordinal), 1) AS warning_count,
    tupleElement(argMax(tuple(s.success_evaluation), s.log_ordinal), 1) AS success_evaluation,
    tupleElement(argMax(tuple(s.variable_values), s.log_ordinal), 1) AS variable_values,
    tupleElement(argMax(tuple(s.deleted_at), s.log_ordinal), 1) AS deleted_at
FROM calls_v1 AS s
GROUP BY s.org_id, s.log_shard, s.call_id, s.created_at, s.type, s.assistant_id
HAVING deleted_at IS NULL
""",
    "turns": """SELECT
    s.org_id AS org_id,
    s.log_shard AS log_shard,
    s.call_id AS call_id,
    s.turn AS turn,
    max(s.log_ordinal) AS log_ordinal,
    max(s.recorded_at) AS recorded_at,
    argMax(s.rule, s.log_ordinal) AS rule,
    argMax(s.wait_ms, s.log_ordinal) AS wait_ms,
    argMax(s.decided_ms, s.log_ordinal) AS decided_ms,
    argMax(s.source, s.log_ordinal) AS source,
    argMax(s.t0_ms, s.log_ordinal) AS t0_ms,
    argMax(s.t1_ms, s.log_ordinal) AS t1_ms,
    argMax(s.t2_ms, s.log_ordinal) AS t2_ms,
    argMax(s.t3_ms, s.log_ordinal) AS t3_ms,
    argMax(s.t4_ms, s.log_ordinal) AS t4_ms,
    argMax(s.t5_ms, s.log_ordinal) AS t5_ms,
    argMax(s.t6_ms, s.log_ordinal) AS t6_ms,
    argMax(s.t7_ms, s.log_ordinal) AS t7_ms,
    argMax(s.interrupted_by, s.log_ordinal) AS interrupted_by,
    argMax(s.heard_ms, s.log_ordinal) AS heard_ms
FROM turns_v1 AS s
WHERE s.call_id NOT IN (SELECT call_id FROM calls_v1 WHERE deleted_at IS NOT NULL)
GROUP BY s.org_id, s.log_shard, s.call_id, s.turn
""",
    "messages": """SELECT * FROM messages_v1 AS s
WHERE s.call_id NOT IN (SELECT call_id FROM calls_v1 WHERE deleted_at IS NOT NULL)
""",
    "tool_calls": """SELECT
    s.org_id AS org_id,
    s.log_shard AS log_shard,
    s.call_id AS call_id,
    s.tool_call_id AS tool_call_id,
    max(s.log_ordinal) AS log_ordinal,
    max(s.recorded_at) AS recorded_at,
    argMax(s.status, s.log_ordinal) AS status,
    argMax(s.name, s.log_ordinal) AS name,
    argMax(s.kind, s.log_ordinal) AS kind,
    argMax(s.turn, s.log_ordinal) AS turn,
    argMax(s.arguments, s.log_ordinal) AS arguments,
    argMax(s.result, s.log_ordinal) AS result,
    argMax(s.failure, s.log_ordinal) AS failure,
    argMax(s.error, s.log_ordinal) AS error,
    argMax(s.called_ms, s.log_ordinal) AS called_ms,
    argMax(s.finished_ms, s.log_ordinal) AS finished_ms,
    finished_ms - called_ms AS latency_ms
FROM tool_calls_v1 AS s
WHERE s.call_id NOT IN (SELECT call_id FROM calls_v1 WHERE deleted_at IS NOT NULL)
GROUP BY s.org_id, s.log_shard, s.call_id, s.tool_call_id
""",
    "costs": """SELECT * FROM costs_v1 AS s
WHERE s.call_id NOT IN (SELECT call_id FROM calls_v1 WHERE deleted_at IS NOT NULL)
""",
    "latencies": """SELECT * FROM latencies_v1 AS s
WHERE s.call_id NOT IN (SELECT call_id FROM calls_v1 WHERE deleted_at IS NOT NULL)
""",
    "events": """SELECT * FROM events_v1
""",
}
"""What each view selects. Its column list, types and comments included, is made from its table's CREATE above."""

DERIVED = {
    "latency_ms": "`latency_ms` Nullable(Float64) "
    "COMMENT 'Time from the call of the tool to its answer or failure (ms)'",
}
"""Columns that only views have."""

SINK_RANGES = """
CREATE TABLE IF NOT EXISTS sink_ranges
(
    `projection` LowCardinality(String) COMMENT 'Set of tables that the range was planned for',
    `log_shard` UInt16 COMMENT 'Shard of the log',
    `log_first` UInt64 COMMENT 'First ordinal of the range',
    `log_last` UInt64 COMMENT 'Last ordinal of the range'
)
ENGINE = ReplacingMergeTree(log_first)
PARTITION BY projection
ORDER BY (projection, log_shard)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Newest range of the log announced before it was written, so that a crash repeats the same range'
"""


def view_statement(view: str) -> str:
    """The CREATE of a view: the columns are its SELECT's, or all of the table where that selects them all."""
    select = VIEWS[view]
    lines = re.findall(r"^    (`(\w+)` .*?),?$", TABLES[f"{view}_v1"], re.MULTILINE)
    columns = {name: line for line, name in lines}
    names = re.findall(r"^    .* AS (\w+),?$", select, re.MULTILINE) or list(columns)
    described = ",\n    ".join((columns | DERIVED)[name] for name in names)
    return f"\nCREATE OR REPLACE VIEW {view}\n(\n    {described}\n)\nAS {select}"


def upgrade() -> None:
    """Tables first: a view is checked against what it reads."""
    for statement in (*TABLES.values(), SINK_RANGES, *(view_statement(view) for view in VIEWS)):
        op.execute(statement)


def downgrade() -> None:
    """Drop what was created; everything in it can be folded from the log again."""
    for view in VIEWS:
        op.execute(f"DROP VIEW IF EXISTS {view}")
    for table in (*TABLES, "sink_ranges"):
        op.execute(f"DROP TABLE IF EXISTS {table}")
