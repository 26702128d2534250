"""Keep the newest row of each call apart, so that reading calls needs no folding.

The rows are copied in one statement, which can run again: of the rows of one call the engine keeps the newest.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

TABLE = """
CREATE TABLE IF NOT EXISTS calls_v1_newest
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
    `squad_id` Nullable(String) COMMENT 'Stored squad that answers, where one does',
    `workflow_id` Nullable(String) COMMENT 'Stored workflow that answers, where one does',
    `phone_number_id` Nullable(String) COMMENT 'Stored phone number that the call goes over, where it does',
    `campaign_id` Nullable(String) COMMENT 'Campaign that the call was made for, where it was for one',
    `forwarded_phone_number` Nullable(String) COMMENT 'Number that the call was forwarded to, where it was',
    `structured_outputs` Map(String, String) COMMENT 'Results of structured outputs by id; other than text as JSON',
    `deleted_at` Nullable(DateTime64(6, 'UTC')) COMMENT 'When the call was deleted (UTC); such calls are not shown'
)
ENGINE = ReplacingMergeTree(log_ordinal)
ORDER BY (org_id, created_at, call_id)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Of calls: the newest row of each'
"""

COPY = "INSERT INTO calls_v1_newest SELECT * FROM calls_v1"

VIEW = """
CREATE OR REPLACE VIEW calls
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `log_shard` UInt16 COMMENT 'Shard of the log that the event behind this row stands in',
    `call_id` String COMMENT 'Call',
    `created_at` DateTime64(6, 'UTC') COMMENT 'When the call was accepted (UTC); filters and buckets use it',
    `type` LowCardinality(String) COMMENT 'inboundPhoneCall, outboundPhoneCall, webCall or vapi.websocketCall',
    `assistant_id` Nullable(String) COMMENT 'Stored assistant that answers; null for one sent inside the request',
    `log_ordinal` UInt64 COMMENT 'Gapless number of that event within its shard; newer rows have higher numbers',
    `recorded_at` DateTime64(6, 'UTC') COMMENT 'When the event was recorded on the log (UTC)',
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
    `squad_id` Nullable(String) COMMENT 'Stored squad that answers, where one does',
    `workflow_id` Nullable(String) COMMENT 'Stored workflow that answers, where one does',
    `phone_number_id` Nullable(String) COMMENT 'Stored phone number that the call goes over, where it does',
    `campaign_id` Nullable(String) COMMENT 'Campaign that the call was made for, where it was for one',
    `forwarded_phone_number` Nullable(String) COMMENT 'Number that the call was forwarded to, where it was',
    `structured_outputs` Map(String, String) COMMENT 'Results of structured outputs by id; other than text as JSON',
    `deleted_at` Nullable(DateTime64(6, 'UTC')) COMMENT 'When the call was deleted (UTC); such calls are not shown'
)
AS SELECT
    org_id,
    log_shard,
    call_id,
    created_at,
    type,
    assistant_id,
    log_ordinal,
    recorded_at,
    status,
    ended_reason,
    name,
    transport_provider,
    customer_number,
    started_at,
    ended_at,
    duration_seconds,
    cost_usd,
    cost_transport_usd,
    cost_stt_usd,
    cost_llm_usd,
    cost_tts_usd,
    cost_vapi_usd,
    cost_analysis_summary_usd,
    llm_prompt_tokens,
    llm_completion_tokens,
    llm_cached_prompt_tokens,
    tts_characters,
    average_endpointing_latency_ms,
    average_transcriber_latency_ms,
    average_model_latency_ms,
    average_voice_latency_ms,
    average_turn_latency_ms,
    user_message_count,
    assistant_message_count,
    tool_call_count,
    tool_failure_count,
    assistant_interruption_count,
    user_interruption_count,
    warning_count,
    success_evaluation,
    variable_values,
    squad_id,
    workflow_id,
    phone_number_id,
    campaign_id,
    forwarded_phone_number,
    structured_outputs,
    deleted_at
FROM calls_v1_newest FINAL
WHERE deleted_at IS NULL
"""

BEFORE = """
CREATE OR REPLACE VIEW calls
(
    `org_id` LowCardinality(String) COMMENT 'Organisation that owns the row',
    `log_shard` UInt16 COMMENT 'Shard of the log that the event behind this row stands in',
    `call_id` String COMMENT 'Call',
    `created_at` DateTime64(6, 'UTC') COMMENT 'When the call was accepted (UTC); filters and buckets use it',
    `type` LowCardinality(String) COMMENT 'inboundPhoneCall, outboundPhoneCall, webCall or vapi.websocketCall',
    `assistant_id` Nullable(String) COMMENT 'Stored assistant that answers; null for one sent inside the request',
    `log_ordinal` UInt64 COMMENT 'Gapless number of that event within its shard; newer rows have higher numbers',
    `recorded_at` DateTime64(6, 'UTC') COMMENT 'When the event was recorded on the log (UTC)',
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
    `squad_id` Nullable(String) COMMENT 'Stored squad that answers, where one does',
    `workflow_id` Nullable(String) COMMENT 'Stored workflow that answers, where one does',
    `phone_number_id` Nullable(String) COMMENT 'Stored phone number that the call goes over, where it does',
    `campaign_id` Nullable(String) COMMENT 'Campaign that the call was made for, where it was for one',
    `forwarded_phone_number` Nullable(String) COMMENT 'Number that the call was forwarded to, where it was',
    `structured_outputs` Map(String, String) COMMENT 'Results of structured outputs by id; other than text as JSON',
    `deleted_at` Nullable(DateTime64(6, 'UTC')) COMMENT 'When the call was deleted (UTC); such calls are not shown'
)
AS SELECT
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
    tupleElement(argMax(tuple(s.squad_id), s.log_ordinal), 1) AS squad_id,
    tupleElement(argMax(tuple(s.workflow_id), s.log_ordinal), 1) AS workflow_id,
    tupleElement(argMax(tuple(s.phone_number_id), s.log_ordinal), 1) AS phone_number_id,
    tupleElement(argMax(tuple(s.campaign_id), s.log_ordinal), 1) AS campaign_id,
    tupleElement(argMax(tuple(s.forwarded_phone_number), s.log_ordinal), 1) AS forwarded_phone_number,
    tupleElement(argMax(tuple(s.structured_outputs), s.log_ordinal), 1) AS structured_outputs,
    tupleElement(argMax(tuple(s.deleted_at), s.log_ordinal), 1) AS deleted_at
FROM calls_v1 AS s
GROUP BY s.org_id, s.log_shard, s.call_id, s.created_at, s.type, s.assistant_id
HAVING deleted_at IS NULL
"""


def upgrade() -> None:
    """The view last: it reads the table."""
    for statement in (TABLE, COPY, VIEW):
        op.execute(statement)


def downgrade() -> None:
    """The view first: it reads the table."""
    op.execute(BEFORE)
    op.execute("DROP TABLE IF EXISTS calls_v1_newest")
