"""Given chats and sessions on the log, then their rows say what an analyst asks of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.chat.events import (
    ChatCompleted,
    ChatCreated,
    ChatDeleted,
    ChatFailed,
    MessageCommitted,
    ToolCalled,
    ToolFailed,
    UsageMetered,
)
from domain.event import Event, Recorded
from domain.log.ports import Positioned
from domain.log.position import Position
from domain.processing import Rows
from domain.session.events import CONFIGURATION_EVENTS, ConversationJoined
from projections.encoding import encode
from projections.folds import ChatTable, SessionTable
from projections.row_check import problem
from projections.tables.catalogue import BY_NAME

BEGIN = datetime(2026, 11, 21, 9, tzinfo=UTC)
CREATED = ChatCreated(
    org_id="org",
    request={"input": [{"role": "user", "content": "Hi"}, {"role": "user", "content": "Book it."}]},
    started_at=BEGIN - timedelta(seconds=2),
    assistant_id="a",
    session_id="s",
    name="visit",
)
ANSWERED = (
    UsageMetered(
        meter="model",
        provider="openai",
        model="gpt-4o",
        quantities={"promptTokens": 1000.0, "completionTokens": 100.0, "cachedPromptTokens": 0.0},
        price_table="2026-11-01",
    ),
    ToolCalled(tool_call_id="c", name="book", kind="function", arguments={}, turn=1, at_ms=10),
    ToolFailed(tool_call_id="c", name="book", failure="timeout", error="Late.", at_ms=900),
    MessageCommitted(text="Sorry.", turn=2, at_ms=1400),
)
FEE = UsageMetered(meter="chat", provider="vapi", quantities={"messages": 1.0}, price_table="2026-11-01")


def shown(processor: Any, *history: Event) -> list[dict[str, Any]]:
    state, found = processor.initial(), []
    for number, event in enumerate(history, start=1):
        recorded = Recorded("x", number, f"c.{number}", BEGIN + timedelta(seconds=number), event)
        state, effects = processor.apply(state, Positioned(Position(0, number), recorded))
        for effect in effects:
            assert isinstance(effect, Rows)
            table = BY_NAME[effect.table]
            assert encode(table, effect.rows)
            assert [problem(table, row) for row in effect.rows] == [None] * len(effect.rows)
            found += [dict(zip(table.column_names, row, strict=True)) for row in effect.rows]
    return found


def test_a_chat_is_one_row_when_it_is_over() -> None:
    (row,) = shown(ChatTable(), CREATED, *ANSWERED, FEE, ChatCompleted(at_ms=1500))
    assert (row["org_id"], row["chat_id"], row["log_ordinal"]) == ("org", "x", 7)
    assert (row["status"], row["failure"], row["name"], row["session_id"]) == ("completed", None, "visit", "s")
    assert (row["created_at"], row["duration_seconds"]) == (CREATED.started_at, 1.5)
    assert (row["input_message_count"], row["assistant_message_count"]) == (2, 1)
    assert (row["tool_call_count"], row["tool_failure_count"]) == (1, 1)
    assert row["cost_llm_usd"] == pytest.approx(0.0035)
    assert row["cost_chat_usd"] == pytest.approx(0.005)
    assert row["cost_usd"] == pytest.approx(row["cost_llm_usd"] + row["cost_chat_usd"])
    assert (row["llm_prompt_tokens"], row["llm_completion_tokens"]) == (1000, 100)


def test_a_failed_chat_says_why() -> None:
    (row,) = shown(ChatTable(), CREATED, ChatFailed(reason="timeout", message="Late.", at_ms=55_000))
    assert (row["status"], row["failure"], row["cost_usd"]) == ("failed", "timeout", 0)


def test_a_deleted_chat_keeps_its_cost_and_forgets_its_name() -> None:
    _, row = shown(ChatTable(), CREATED, *ANSWERED, ChatCompleted(at_ms=1500), ChatDeleted())
    assert row["deleted_at"] == BEGIN + timedelta(seconds=7)
    assert (row["name"], row["input_message_count"]) == (None, 0)
    assert row["cost_usd"] == pytest.approx(0.0035)


def test_a_session_counts_what_is_held_in_it() -> None:
    config = {"assistantId": "a", "customer": {"number": "+4930111"}, "expirationSeconds": 60, "name": "visit"}
    rows = shown(
        SessionTable(),
        CONFIGURATION_EVENTS.created(org_id="org", config=config),
        ConversationJoined(kind="chat", conversation_id="c1"),
        ConversationJoined(kind="call", conversation_id="c2"),
        CONFIGURATION_EVENTS.updated(changes={"status": "completed", "messages": []}),
        CONFIGURATION_EVENTS.deleted(),
    )
    assert [(row["chat_count"], row["call_count"]) for row in rows] == [(0, 0), (1, 0), (1, 1), (0, 0), (0, 0)]
    assert [row["status"] for row in rows] == ["active"] * 3 + ["completed"] * 2
    first, last = rows[0], rows[-1]
    assert first["expires_at"] - first["created_at"] == timedelta(seconds=60)
    assert (first["assistant_id"], first["customer_number"], first["name"]) == ("a", "+4930111", "visit")
    assert (last["customer_number"], last["name"], last["deleted_at"]) == (None, None, BEGIN + timedelta(seconds=5))
