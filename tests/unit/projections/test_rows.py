"""Given the events of a call, then the rows of each table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.assistant.events import AssistantCreated
from domain.call.aggregate import CALL
from domain.call.events import (
    AssistantInterrupted,
    CallClaimed,
    CallCreated,
    CallDeleted,
    CallEnded,
    CallStarted,
    MessageCommitted,
    ToolCalled,
    ToolCompleted,
    ToolFailed,
    TurnDecided,
    TurnMeasured,
    UsageMetered,
)
from domain.call.state import status
from domain.call.wire import CallUrls, call_body
from domain.event import Event, Recorded
from domain.log.ports import Positioned
from domain.log.position import Position
from domain.organization.events import OrganizationCreated
from projections.folds import PROCESSORS
from projections.row_check import problem
from projections.tables.catalogue import BY_NAME, TABLES
from tests.unit.projections.conftest import folded, rows_of
from tests.unit.projections.histories import events_of, on_log

BEGIN = datetime(2026, 11, 3, 9, tzinfo=UTC)
ORIGIN = BEGIN + timedelta(seconds=1)

CREATED = CallCreated(
    org_id="org-a",
    type="vapi.websocketCall",
    request={"customer": {"number": "+4930111"}},
    transport={"provider": "vapi.websocket"},
    assistant_id="assistant-1",
    name="trial",
)
CLAIMED = CallClaimed(owner="node-1", lease_seconds=5.0)
STARTED = CallStarted(
    clock_origin=ORIGIN,
    at_ms=100.0,
    assistant={"model": {"provider": "openai", "model": "gpt-4.1"}, "voice": {"provider": "vapi"}},
    variable_values={"customerName": "Ada", "tier": 2},
)


def recorded(*events: Event, originator_id: str = "call-1") -> list[Positioned]:
    return [
        Positioned(Position(0, number), Recorded(originator_id, number, f"c{number}.0", BEGIN, event))
        for number, event in enumerate(events, 1)
    ]


def shown(table: str, *events: Event, originator_id: str = "call-1") -> list[dict[str, Any]]:
    names = BY_NAME[table].column_names
    rows = rows_of(folded(recorded(*events, originator_id=originator_id)), table)
    return [dict(zip(names, row, strict=True)) for row in rows]


def test_a_call_has_a_row_for_each_phase_and_the_last_one_tells_how_it_went() -> None:
    marks = TurnMeasured(turn=1, source="model", t0_ms=1000.0, t1_ms=1100.0, t2_ms=1500.0, t3_ms=1501.0, t4_ms=1801.0,
                         t5_ms=1810.0, t6_ms=1900.0, t7_ms=1950.0)  # fmt: skip
    rows = shown(
        "calls",
        CREATED,
        CLAIMED,
        STARTED,
        MessageCommitted(message_id="m1", role="user", text="Hello", started_ms=500, ended_ms=1000, turn=1),
        marks,
        AssistantInterrupted(turn=1, by="voice", heard_ms=300, at_ms=2250),
        UsageMetered(
            meter="model",
            provider="openai",
            model="gpt-4.1",
            quantities={"promptTokens": 1000, "completionTokens": 100, "cachedPromptTokens": 400},
            price_table="2026-11-01",
        ),
        CallEnded(reason="customer-ended-call", at_ms=60_100.0),
    )
    assert [row["status"] for row in rows] == ["queued", "ringing", "in-progress", "ended"]
    last = rows[-1]
    assert (last["org_id"], last["call_id"], last["log_ordinal"]) == ("org-a", "call-1", 8)
    assert last["customer_number"] == "+4930111"
    assert last["started_at"] == ORIGIN + timedelta(milliseconds=100)
    assert last["duration_seconds"] == 60.0
    # 600 prompt tokens at 2 USD, 400 cached at 0.50 and 100 completion at 8 for a million.
    assert last["cost_llm_usd"] == last["cost_usd"] == pytest.approx(0.0022)
    assert (last["llm_prompt_tokens"], last["llm_cached_prompt_tokens"]) == (1000, 400)
    assert last["average_model_latency_ms"] == 300.0
    assert last["average_turn_latency_ms"] == 950.0
    assert (last["user_message_count"], last["assistant_interruption_count"]) == (1, 1)
    assert last["variable_values"] == {"customerName": "Ada", "tier": "2"}


def test_usage_of_a_running_call_waits_for_its_end_and_later_usage_is_shown_at_once() -> None:
    reading = UsageMetered(meter="vapi", provider="vapi", quantities={"minutes": 2.0}, price_table="2026-11-01")
    rows = shown("calls", CREATED, CLAIMED, STARTED, reading, CallEnded(reason="customer-ended-call"), reading)
    assert [row["cost_usd"] for row in rows] == pytest.approx([0.0, 0.0, 0.0, 0.1, 0.2])


def test_a_deleted_call_keeps_its_cost_and_forgets_who_spoke() -> None:
    reading = UsageMetered(meter="vapi", provider="vapi", quantities={"minutes": 2.0}, price_table="2026-11-01")
    last = shown("calls", CREATED, CLAIMED, STARTED, reading, CallEnded(reason="customer-ended-call"), CallDeleted())[
        -1
    ]
    assert last["deleted_at"] == BEGIN
    assert last["cost_usd"] == pytest.approx(0.1)
    assert (last["customer_number"], last["name"], last["variable_values"]) == (None, None, {})


def test_a_message_stands_at_the_time_of_day_it_was_said() -> None:
    [row] = shown(
        "messages",
        CREATED,
        CLAIMED,
        STARTED,
        MessageCommitted(
            message_id="m1",
            role="assistant",
            text="On Tues",
            generated_text="On Tuesday",
            started_ms=2500.0,
            ended_ms=3000.0,
            turn=2,
            source="model",
            interrupted=True,
        ),
    )
    assert row["spoken_at"] == ORIGIN + timedelta(seconds=2.5)
    assert (row["text"], row["generated_text"], row["interrupted"]) == ("On Tues", "On Tuesday", True)


def test_the_facts_of_a_turn_are_rows_of_one_turn() -> None:
    rows = shown(
        "turns",
        CREATED,
        TurnDecided(turn=3, rule="punctuation", wait_ms=100.0, at_ms=900.0),
        TurnMeasured(turn=3, source="model", t2_ms=900.0, t7_ms=1400.0),
        AssistantInterrupted(turn=3, by="words", heard_ms=250.0, at_ms=1650.0),
    )
    assert [row["turn"] for row in rows] == [3, 3, 3]
    assert [row["rule"] for row in rows] == ["punctuation", None, None]
    assert [row["t7_ms"] for row in rows] == [None, 1400.0, None]
    assert [row["interrupted_by"] for row in rows] == [None, None, "words"]


def test_a_tool_call_is_followed_from_question_to_answer_or_failure() -> None:
    asked = ToolCalled(
        tool_call_id="t1", name="book", kind="function", arguments={"b": 1, "a": "x"}, turn=2, at_ms=10.0
    )
    answered = ToolCompleted(tool_call_id="t1", name="book", result="done", at_ms=60.0)
    broken = ToolFailed(tool_call_id="t1", name="book", failure="timeout", error="no answer", at_ms=90.0)
    rows = shown("tool_calls", CREATED, asked, answered)
    assert [(row["status"], row["called_ms"], row["finished_ms"]) for row in rows] == [
        ("called", 10.0, None),
        ("completed", None, 60.0),
    ]
    assert rows[0]["arguments"] == '{"a":"x","b":1}'
    assert shown("tool_calls", CREATED, asked, broken)[-1]["failure"] == "timeout"


def test_a_reading_without_a_price_costs_nothing_and_says_so() -> None:
    reading = UsageMetered(meter="model", provider="nobody", quantities={"promptTokens": 5.0}, price_table="1999-01-01")
    [row] = shown("costs", CREATED, reading)
    assert (row["cost_usd"], row["priced"], row["prompt_tokens"]) == (0.0, False, 5)


def test_latencies_name_who_provided_each_stage() -> None:
    [row] = shown("latencies", CREATED, CLAIMED, STARTED, TurnMeasured(turn=1, source="model", t3_ms=5.0, t4_ms=205.0))
    assert (row["model_provider"], row["model"], row["transcriber_provider"]) == ("openai", "gpt-4.1", "")
    assert (row["model_ms"], row["turn_ms"]) == (200.0, None)


@pytest.mark.parametrize(
    ("event", "originator_id", "org_id"),
    [
        (OrganizationCreated(name="Practice"), "org-9", "org-9"),
        (AssistantCreated(org_id="org-a", config={}), "assistant-1", "org-a"),
        (CREATED, "call-1", "org-a"),
    ],
)
def test_every_event_is_a_row_of_its_organisation(event: Event, originator_id: str, org_id: str) -> None:
    [row] = shown("events", event, originator_id=originator_id)
    assert (row["org_id"], row["type"], row["originator_id"]) == (org_id, event.TYPE, originator_id)
    assert row["originator_kind"] == event.TYPE.partition(".")[0]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_rows_fit_their_tables_and_follow_from_the_log_alone(seed: int) -> None:
    log = on_log(seed, calls=3)
    rows = folded(log)
    assert [
        problem(BY_NAME[part.table], row) for part in rows for row in part.rows if problem(BY_NAME[part.table], row)
    ] == []
    assert folded(log) == rows
    assert [row[2] for row in rows_of(rows, "events")] == [event.position.ordinal for event in log]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_last_row_of_a_call_says_what_its_wire_form_says(seed: int) -> None:
    log = on_log(seed, calls=2)
    rows = [dict(zip(BY_NAME["calls"].column_names, row, strict=True)) for row in rows_of(folded(log), "calls")]
    for call_id in {row["call_id"] for row in rows}:
        last = [row for row in rows if row["call_id"] == call_id][-1]
        state = None
        for event in events_of(log, call_id):
            state = CALL.evolve(state, event.recorded)
        body = call_body(state, urls=CallUrls())
        if last["deleted_at"] is None:
            assert last["status"] == status(state)
            assert last["ended_reason"] == body.get("endedReason")
        assert last["cost_usd"] == body["cost"]
        assert last["cost_stt_usd"] == body["costBreakdown"]["stt"]


def test_every_table_says_whose_and_where_its_rows_are_and_explains_every_column() -> None:
    for table in TABLES:
        assert table.column_names[:4] == ("org_id", "log_shard", "log_ordinal", "recorded_at")
        assert all(len(column.comment) > 3 for column in (*table.columns, *table.shown))
        assert len(set(table.column_names)) == len(table.columns)


def test_processors_are_named_apart() -> None:
    assert len({processor.name for processor in PROCESSORS}) == len(PROCESSORS)
