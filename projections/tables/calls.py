"""The ``calls`` table: one row for every change of a call's header, newest shown; answers ``POST /analytics``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from domain.append_only import AppendOnly
from domain.call.clock import ended_at, started_at
from domain.call.events import (
    CallClaimed,
    CallCreated,
    CallDeleted,
    CallEnded,
    CallRenamed,
    CallStarted,
    MessageCommitted,
    TurnMeasured,
    UsageMetered,
)
from domain.call.performance import turn_latency, user_interruptions
from domain.call.state import (
    Call,
    Deleted,
    Ended,
    Entry,
    KeptCall,
    Said,
    ToolBroke,
    ToolRequested,
    ToolReturned,
    status,
)
from domain.call.usage import Usage
from domain.event import Event
from domain.log.ports import Positioned
from domain.pricing.cost import PARTS, priced
from projections.call_state import place, start
from projections.table import Column, Row, Table
from projections.tables.columns import ORDINAL, ORG, PLACE, RECORDED, SHARD

IDENTITY = (
    Column("call_id", "String", "Call"),
    Column("created_at", "DateTime64(6, 'UTC')", "When the call was accepted (UTC); filters and buckets use it"),
    Column("type", "LowCardinality(String)", "inboundPhoneCall, outboundPhoneCall, webCall or vapi.websocketCall"),
    Column(
        "assistant_id",
        "Nullable(String)",
        "Stored assistant that answers; null for one sent inside the request, and where a squad does",
    ),
)
"""What never changes during a call: grouping keys of the view, so that filters on them reach the sort order."""

CHANGING = (
    Column("status", "LowCardinality(String)", "queued, ringing, in-progress or ended"),
    Column("ended_reason", "LowCardinality(Nullable(String))", "Why the call ended; null while it runs"),
    Column("name", "Nullable(String)", "Label given by the client"),
    Column("transport_provider", "LowCardinality(String)", "Transport that carries the audio, as vapi.websocket"),
    Column("customer_number", "Nullable(String)", "Telephone number of the other side (E.164), where there is one"),
    Column("started_at", "Nullable(DateTime64(6, 'UTC'))", "When audio began to flow (UTC); null if it never did"),
    Column("ended_at", "Nullable(DateTime64(6, 'UTC'))", "When the call ended (UTC)"),
    Column("duration_seconds", "Nullable(Float64)", "Seconds from started_at to ended_at; null if it never started"),
    Column("cost_usd", "Float64", "Everything the call cost so far (USD): the sum of the cost parts"),
    Column("cost_transport_usd", "Float64", "Transport part of the cost (USD)"),
    Column("cost_stt_usd", "Float64", "Speech recognition part of the cost (USD)"),
    Column("cost_llm_usd", "Float64", "Language model part of the cost (USD)"),
    Column("cost_tts_usd", "Float64", "Speech synthesis part of the cost (USD)"),
    Column("cost_vapi_usd", "Float64", "Platform part of the cost (USD)"),
    Column("cost_analysis_summary_usd", "Float64", "Cost of the summary made after the call (USD)"),
    Column("llm_prompt_tokens", "UInt64", "Tokens sent to the language model, cached ones included"),
    Column("llm_completion_tokens", "UInt64", "Tokens written by the language model"),
    Column("llm_cached_prompt_tokens", "UInt64", "Prompt tokens that the model's provider had cached"),
    Column("tts_characters", "UInt64", "Characters sent to speech synthesis"),
    Column("average_endpointing_latency_ms", "Nullable(Float64)", "Mean wait for the end of the user's turn (ms)"),
    Column("average_transcriber_latency_ms", "Nullable(Float64)", "Mean delay of the final transcript (ms)"),
    Column("average_model_latency_ms", "Nullable(Float64)", "Mean time to the model's first token (ms)"),
    Column("average_voice_latency_ms", "Nullable(Float64)", "Mean time from first text to first audio (ms)"),
    Column("average_turn_latency_ms", "Nullable(Float64)", "Mean time from the user's last word to audio (ms)"),
    Column("user_message_count", "UInt32", "Messages of the user in the conversation"),
    Column("assistant_message_count", "UInt32", "Messages of the assistant in the conversation"),
    Column("tool_call_count", "UInt32", "Tool calls made"),
    Column("tool_failure_count", "UInt32", "Tool calls that failed"),
    Column("assistant_interruption_count", "UInt32", "Times the caller cut the assistant off"),
    Column("user_interruption_count", "UInt32", "Times the assistant began to speak while the user spoke"),
    Column("warning_count", "UInt32", "Warnings recorded during the call"),
    Column("success_evaluation", "LowCardinality(Nullable(String))", "Verdict of the analysis after the call"),
    Column("variable_values", "Map(String, String)", "Template variables of the call; other than text as JSON"),
    Column("squad_id", "Nullable(String)", "Stored squad that answers, where one does"),
    Column("workflow_id", "Nullable(String)", "Stored workflow that answers, where one does"),
    Column("phone_number_id", "Nullable(String)", "Stored phone number that the call goes over, where it does"),
    Column("campaign_id", "Nullable(String)", "Campaign that the call was made for, where it was for one"),
    Column("forwarded_phone_number", "Nullable(String)", "Number that the call was forwarded to, where it was"),
    Column("structured_outputs", "Map(String, String)", "Results of structured outputs by id; other than text as JSON"),
    Column("assistant_version", "Nullable(String)", "Version of the stored assistant that the call began with, as v3"),
    Column("deleted_at", "Nullable(DateTime64(6, 'UTC'))", "When the call was deleted (UTC); such calls are not shown"),
)

SHOWN = (ORG, SHARD, *IDENTITY, ORDINAL, RECORDED, *CHANGING)

TABLE = Table(
    name="calls",
    version=1,
    comment="Calls: one row per change of a call, the highest log_ordinal is its present state",
    columns=(*PLACE, *IDENTITY, *CHANGING),
    order_by=("org_id", "created_at", "call_id", "log_ordinal"),
    shown=SHOWN,
    newest=("org_id", "created_at", "call_id"),
    view="SELECT\n    "
    + ",\n    ".join(column.name for column in SHOWN)
    + "\nFROM {newest} FINAL\nWHERE deleted_at IS NULL",
)


READS: frozenset[type[Event]] = frozenset(
    {CallCreated, CallRenamed, CallClaimed, CallStarted, CallEnded, CallDeleted, UsageMetered}
)

STAGES = ("endpointing_latency", "transcriber_latency", "model_latency", "voice_latency", "turn_latency")
_stages = attrgetter(*STAGES)
_UNMEASURED: Row = (None,) * len(STAGES)
_METERS = ("transport", "transcriber", "model", "voice", "vapi")
_QUANTITIES = (
    ("model", "promptTokens"),
    ("model", "completionTokens"),
    ("model", "cachedPromptTokens"),
    ("voice", "characters"),
)

_TARGETS = ("squadId", "workflowId", "phoneNumberId", "campaignId")
"""Fields of the request that say who answers, over what, and for what; they do not change."""

_encode = msgspec.json.Encoder(order="sorted").encode


_OVER = (Ended, Deleted)
_NOTHING_USED: Row = (*(0.0,) * 7, *(0,) * len(_QUANTITIES))


def rows(call: Call, event: Positioned) -> tuple[Row, ...]:
    """The call's header after the event. Readings of a running call wait for its end: they would be most rows."""
    if isinstance(event.recorded.event, UsageMetered) and not isinstance(call, _OVER):
        return ()
    return (_deleted_row(call, event) if isinstance(call, Deleted) else _kept_row(call, event),)


def _kept_row(call: KeptCall, event: Positioned) -> Row:
    identity, began = call.identity, start(call)
    started, ended = started_at(call), ended_at(call)
    return (
        *place(call, event),
        identity.id,
        identity.created_at,
        identity.type,
        identity.assistant_id,
        status(call),
        call.end.reason if isinstance(call, Ended) else None,
        call.name,
        _text(identity.transport.get("provider")) or "",
        _text(_object(identity.request.get("customer")).get("number")),
        started,
        ended,
        None if started is None or ended is None else (ended - started).total_seconds(),
        *_money(call.usage),
        *_averages(call.turns),
        *_counts(call),
        None,
        {} if began is None else _variables(began.variable_values),
        *(_text(identity.request.get(field)) for field in _TARGETS),
        None,
        {},
        identity.assistant_version if began is None else began.assistant_version,
        None,
    )


def _deleted_row(call: Deleted, event: Positioned) -> Row:
    """What may still be known: that it was, and what it cost."""
    return (
        *place(call, event),
        call.id,
        call.created_at,
        call.type,
        call.assistant_id,
        "ended",
        call.reason or None,
        None,
        "",
        *(None,) * 4,
        *_money(call.usage),
        *_UNMEASURED,
        *(0,) * 7,
        None,
        {},
        *(None,) * (len(_TARGETS) + 1),
        {},
        None,
        event.recorded.time,
    )


def _money(usage: Usage) -> Row:
    """The amounts and quantities of a call, in the order of their columns."""
    if not usage:
        return _NOTHING_USED
    usd, total = dict.fromkeys(_METERS, 0), 0
    used = dict.fromkeys(_QUANTITIES, 0)
    for reading in usage:
        quantities, amount = priced(reading)
        total += amount or 0
        usd[reading.meter] += amount or 0
        for unit, parts in quantities.items():
            if (reading.meter, unit) in used:
                used[reading.meter, unit] += parts
    return (
        total / PARTS,
        *(usd[meter] / PARTS for meter in _METERS),
        # Nothing is summed up after a call yet.
        0.0,
        *(parts // PARTS for parts in used.values()),
    )


def _counts(call: KeptCall) -> Row:
    """How often things happened, in the order of the columns."""
    entries: dict[type[Entry], list[Any]] = {Said: [], ToolRequested: [], ToolReturned: [], ToolBroke: []}
    for entry in call.entries:
        entries[type(entry)].append(entry)
    messages: list[MessageCommitted] = [said.message for said in entries[Said]]
    speakers = [message.role for message in messages]
    return (
        speakers.count("user"),
        speakers.count("assistant"),
        len(entries[ToolRequested]),
        len(entries[ToolBroke]),
        call.assistant_interruptions,
        user_interruptions(messages) if messages else 0,
        len(call.warnings),
    )


def _averages(turns: AppendOnly[TurnMeasured]) -> Row:
    """The mean of each stage over the turns that have it, in the order of the columns."""
    if not turns:
        return _UNMEASURED
    stages = zip(*[_stages(turn_latency(turn)) for turn in turns], strict=True)
    return tuple([_mean(values) for values in stages])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 3) if known else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _variables(values: Mapping[str, Any]) -> dict[str, str]:
    """Texts as they are, everything else as JSON, so that grouping by a number or a boolean works."""
    return {name: value if isinstance(value, str) else _encode(value).decode() for name, value in values.items()}
