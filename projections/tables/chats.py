"""The ``chats`` table: a row when a chat is over, and one when it is deleted; the newest is shown."""

from __future__ import annotations

from typing import Any

from domain.chat.events import ChatCompleted, ChatDeleted, ChatFailed
from domain.chat.messages import input_messages
from domain.chat.state import Chat, Deleted, Failed, KeptChat, Said, ToolBroke, ToolRequested, status
from domain.event import Event
from domain.log.ports import Positioned
from domain.pricing.cost import usage_cost
from projections.table import Column, Row, Table
from projections.tables.columns import ORDINAL, ORG, PLACE, RECORDED, SHARD

IDENTITY = (
    Column("chat_id", "String", "Chat"),
    Column("created_at", "DateTime64(6, 'UTC')", "When the message to be answered came (UTC)"),
    Column("assistant_id", "Nullable(String)", "Stored assistant that answered; null for one sent inside the request"),
)
CHANGING = (
    Column("status", "LowCardinality(String)", "completed, failed or deleted"),
    Column("failure", "LowCardinality(Nullable(String))", "Why there is no whole answer; null where there is one"),
    Column("name", "Nullable(String)", "Label given by the client"),
    Column("session_id", "Nullable(String)", "Session that the chat belongs to; joins to sessions.session_id"),
    Column("previous_chat_id", "Nullable(String)", "Chat that this one goes on from"),
    Column("from_web_page", "Bool", "Whether it came with a public key"),
    Column("duration_seconds", "Nullable(Float64)", "Seconds from the message to the end of its answer"),
    Column("input_message_count", "UInt32", "Messages in the request"),
    Column("assistant_message_count", "UInt32", "Messages that the assistant wrote"),
    Column("tool_call_count", "UInt32", "Tool calls made"),
    Column("tool_failure_count", "UInt32", "Tool calls that failed"),
    Column("warning_count", "UInt32", "Warnings recorded during the chat"),
    Column("cost_usd", "Float64", "Everything the chat cost (USD): the sum of the cost parts"),
    Column("cost_llm_usd", "Float64", "Language model part of the cost (USD)"),
    Column("cost_chat_usd", "Float64", "Platform part of the cost (USD): the fee for an answered message"),
    Column("llm_prompt_tokens", "UInt64", "Tokens sent to the language model, cached ones included"),
    Column("llm_completion_tokens", "UInt64", "Tokens written by the language model"),
    Column("llm_cached_prompt_tokens", "UInt64", "Prompt tokens that the model's provider had cached"),
    Column("deleted_at", "Nullable(DateTime64(6, 'UTC'))", "When the chat was deleted (UTC); such chats are not shown"),
)
SHOWN = (ORG, SHARD, *IDENTITY, ORDINAL, RECORDED, *CHANGING)

TABLE = Table(
    name="chats",
    version=1,
    comment="Chats: one row when a chat is over and one when it is deleted",
    columns=(*PLACE, *IDENTITY, *CHANGING),
    order_by=("org_id", "created_at", "chat_id", "log_ordinal"),
    shown=SHOWN,
    newest=("org_id", "created_at", "chat_id"),
    view="SELECT\n    "
    + ",\n    ".join(column.name for column in SHOWN)
    + "\nFROM {newest} FINAL\nWHERE deleted_at IS NULL",
)

READS: frozenset[type[Event]] = frozenset({ChatCompleted, ChatFailed, ChatDeleted})

_TOKENS = ("promptTokens", "completionTokens", "cachedPromptTokens")


def rows(chat: Chat, event: Positioned) -> tuple[Row, ...]:
    """The chat after the event."""
    position = event.position
    if isinstance(chat, Deleted):
        place = (chat.org_id, position.shard, position.ordinal, event.recorded.time)
        identity = (chat.id, chat.created_at, chat.assistant_id)
        # What may still be known: that it was, and what it cost.
        nothing = ("deleted", None, None, chat.session_id, None, False, None, 0, 0, 0, 0, 0)
        return ((*place, *identity, *nothing, *_money(chat.usage), event.recorded.time),)
    identity_ = chat.identity
    place = (identity_.org_id, position.shard, position.ordinal, event.recorded.time)
    identity = (identity_.id, identity_.created_at, identity_.assistant_id)
    return ((*place, *identity, *_kept(chat), *_money(chat.usage), None),)


def _kept(chat: KeptChat) -> Row:
    identity = chat.identity
    ended_ms: float | None = getattr(chat, "ended_ms", None)
    kinds = [type(entry) for entry in chat.entries]
    return (
        status(chat),
        chat.reason if isinstance(chat, Failed) else None,
        identity.name,
        identity.session_id,
        identity.previous_chat_id,
        identity.public,
        None if ended_ms is None else ended_ms / 1000,
        len(input_messages(identity.request.get("input"))),
        kinds.count(Said),
        kinds.count(ToolRequested),
        kinds.count(ToolBroke),
        len(chat.warnings),
    )


def _money(usage: Any) -> Row:
    cost = usage_cost(usage)
    parts = {meter: sum(float(row.usd) for row in cost.rows if row.meter == meter) for meter in ("model", "chat")}
    tokens = (int(sum(row.quantities.get(unit, 0) for row in cost.rows)) for unit in _TOKENS)
    return (float(cost.total_usd), parts["model"], parts["chat"], *tokens)
