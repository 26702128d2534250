"""Add to calls the version of the assistant that they began with.

The column is only added: rows from before have none until `callfold rebuild` makes them again.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"

TABLES = ("calls_v1", "calls_v1_newest")

COLUMN = (
    "`assistant_version` Nullable(String) COMMENT 'Version of the stored assistant that the call began with, as v3'"
)

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
    `assistant_version` Nullable(String) COMMENT 'Version of the stored assistant that the call began with, as v3',
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
    assistant_version,
    deleted_at
FROM calls_v1_newest FINAL
WHERE deleted_at IS NULL
"""


def upgrade() -> None:
    """The view last: it reads the column."""
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {COLUMN} AFTER `structured_outputs`")
    op.execute(VIEW)


def downgrade() -> None:
    """The view first: it reads the column."""
    op.execute(VIEW.replace(f"    {COLUMN},\n", "").replace("    assistant_version,\n", ""))
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} DROP COLUMN IF EXISTS `assistant_version`")
