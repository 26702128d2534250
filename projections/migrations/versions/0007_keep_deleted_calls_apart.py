"""Keep apart which calls were deleted: views that leave them out looked for them in all rows of calls.

The rows are copied in one statement, which can run again: of several for one call the engine keeps one. A call that was
paid for after it was deleted has several rows among those of calls; the first is that of its deletion.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"

TABLE = """
CREATE TABLE IF NOT EXISTS deleted_calls_v1
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `log_shard` UInt16 COMMENT 'Shard of the log that the event behind this row stands in',
    `log_ordinal` UInt64 COMMENT 'Gapless number of that event within its shard; newer rows have higher numbers',
    `recorded_at` DateTime64(6, 'UTC') COMMENT 'When the event was recorded on the log (UTC)',
    `call_id` String COMMENT 'Call; in events its history still stands, as originator_id',
    `created_at` DateTime64(6, 'UTC') COMMENT 'When the call was accepted (UTC)'
)
ENGINE = ReplacingMergeTree
ORDER BY (org_id, call_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Calls that were deleted, one row each; recorded_at says when'
"""

COPY = """
INSERT INTO deleted_calls_v1 (org_id, log_shard, log_ordinal, recorded_at, call_id, created_at)
SELECT org_id, log_shard, min(log_ordinal), argMin(c.recorded_at, c.log_ordinal), call_id, created_at
FROM calls_v1 AS c
WHERE deleted_at IS NOT NULL
GROUP BY org_id, log_shard, call_id, created_at
SETTINGS insert_deduplicate = 0
"""

OWN_VIEW = """
CREATE OR REPLACE VIEW deleted_calls
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `log_shard` UInt16 COMMENT 'Shard of the log that the event behind this row stands in',
    `log_ordinal` UInt64 COMMENT 'Gapless number of that event within its shard; newer rows have higher numbers',
    `recorded_at` DateTime64(6, 'UTC') COMMENT 'When the event was recorded on the log (UTC)',
    `call_id` String COMMENT 'Call; in events its history still stands, as originator_id',
    `created_at` DateTime64(6, 'UTC') COMMENT 'When the call was accepted (UTC)'
)
AS SELECT * FROM deleted_calls_v1 FINAL
"""

VIEWS = {
    "turns": """
CREATE OR REPLACE VIEW turns
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `log_shard` UInt16 COMMENT 'Shard of the log that the event behind this row stands in',
    `call_id` String COMMENT 'Call that the row belongs to; joins to calls.call_id',
    `turn` UInt32 COMMENT 'Number of the conversation turn within the call',
    `log_ordinal` UInt64 COMMENT 'Gapless number of that event within its shard; newer rows have higher numbers',
    `recorded_at` DateTime64(6, 'UTC') COMMENT 'When the event was recorded on the log (UTC)',
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
AS SELECT
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
WHERE s.call_id NOT IN (SELECT call_id FROM deleted_calls_v1)
GROUP BY s.org_id, s.log_shard, s.call_id, s.turn
""",
    "messages": """
CREATE OR REPLACE VIEW messages
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
AS SELECT * FROM messages_v1 AS s
WHERE s.call_id NOT IN (SELECT call_id FROM deleted_calls_v1)
""",
    "tool_calls": """
CREATE OR REPLACE VIEW tool_calls
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `log_shard` UInt16 COMMENT 'Shard of the log that the event behind this row stands in',
    `call_id` String COMMENT 'Call that the row belongs to; joins to calls.call_id',
    `tool_call_id` String COMMENT 'Tool call',
    `log_ordinal` UInt64 COMMENT 'Gapless number of that event within its shard; newer rows have higher numbers',
    `recorded_at` DateTime64(6, 'UTC') COMMENT 'When the event was recorded on the log (UTC)',
    `status` LowCardinality(String) COMMENT 'called, completed or failed',
    `name` LowCardinality(Nullable(String)) COMMENT 'Name of the tool',
    `kind` LowCardinality(Nullable(String)) COMMENT 'Type of the tool: function, endCall, …',
    `turn` Nullable(UInt32) COMMENT 'Turn in which the model called the tool',
    `arguments` Nullable(String) COMMENT 'Arguments as a JSON object',
    `result` Nullable(String) COMMENT 'What the tool answered',
    `failure` LowCardinality(Nullable(String)) COMMENT 'Category of the failure: timeout, http-status, bad-body, …',
    `error` Nullable(String) COMMENT 'What the model was told about the failure',
    `called_ms` Nullable(Float64) COMMENT 'When it was called, on the call''s own clock (ms)',
    `finished_ms` Nullable(Float64) COMMENT 'When it was answered or had failed (ms)',
    `latency_ms` Nullable(Float64) COMMENT 'Time from the call of the tool to its answer or failure (ms)'
)
AS SELECT
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
WHERE s.call_id NOT IN (SELECT call_id FROM deleted_calls_v1)
GROUP BY s.org_id, s.log_shard, s.call_id, s.tool_call_id
""",
    "costs": """
CREATE OR REPLACE VIEW costs
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
AS SELECT * FROM costs_v1 AS s
WHERE s.call_id NOT IN (SELECT call_id FROM deleted_calls_v1)
""",
    "latencies": """
CREATE OR REPLACE VIEW latencies
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
AS SELECT * FROM latencies_v1 AS s
WHERE s.call_id NOT IN (SELECT call_id FROM deleted_calls_v1)
""",
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
WHERE s.call_id NOT IN (SELECT call_id FROM deleted_calls_v1)
""",
}
"""Those that leave deleted calls out."""

_LEFT_OUT = "NOT IN (SELECT call_id FROM deleted_calls_v1)"
_LEFT_OUT_BEFORE = "NOT IN (SELECT call_id FROM calls_v1 WHERE deleted_at IS NOT NULL)"


def upgrade() -> None:
    """The views last: they read the table."""
    for statement in (TABLE, COPY, OWN_VIEW, *VIEWS.values()):
        op.execute(statement)


def downgrade() -> None:
    """The views first: they read the table."""
    for statement in VIEWS.values():
        op.execute(statement.replace(_LEFT_OUT, _LEFT_OUT_BEFORE))
    op.execute("DROP VIEW IF EXISTS deleted_calls")
    op.execute("DROP TABLE IF EXISTS deleted_calls_v1")
