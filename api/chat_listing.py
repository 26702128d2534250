"""Lists of chats: the newest within bounds of time, by id, or by what they belong to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from api.authentication import Principal
from api.configuration.references import UNBOUNDED
from api.context import ApiContext
from api.models.chat import ChatFilters
from api.piecewise import count_documents, each_document
from domain.chat.state import KeptChat
from domain.pricing.cost import usage_cost


async def matching_chats(context: ApiContext, principal: Principal, filters: ChatFilters) -> tuple[list[KeptChat], int]:
    """The chats of the page asked for, and how many there are in all."""
    documents, oldest_first = context.dependencies.documents, filters.sort_order == "ASC"
    bounds: dict[str, Any] = {"org_id": principal.org_id, "created": filters.created(), "updated": filters.updated()}
    if filters.assistant_id is not None:
        bounds["reference"] = filters.assistant_id
    offset = filters.offset()
    if filters.sort_by == "createdAt" and not _narrowed(filters):
        total = await count_documents(documents, "chat", **bounds)
        if not filters.limit or offset > UNBOUNDED:
            return [], total
        found = each_document(
            documents, "chat", limit=filters.limit, offset=offset, oldest_first=oldest_first, **bounds
        )
        return [document.state async for document in found], total
    if filters.id is not None or filters.id_any is not None:
        ids = filters.id_any if filters.id_any is not None else [filters.id or ""]
        one = [documents.get("chat", chat_id, org_id=principal.org_id) for chat_id in dict.fromkeys(ids)]
        chats = [document.state for document in one if document is not None and filters.admit(document.keys)]
        passing = sorted(
            (chat for chat in chats if _passes(chat, filters)), key=_order(filters), reverse=not oldest_first
        )
        return passing[offset : offset + filters.limit], len(passing)
    # All of them are looked at, and only what is shown is kept.
    order = _order(filters)
    ranked = [
        (order(document.state), document.id)
        async for document in each_document(documents, "chat", oldest_first=oldest_first, **bounds)
        if _passes(document.state, filters)
    ]
    ranked.sort(reverse=not oldest_first)
    page = [
        documents.get("chat", chat_id, org_id=principal.org_id)
        for _, chat_id in ranked[offset : offset + filters.limit]
    ]
    return [document.state for document in page if document is not None], len(ranked)


def _narrowed(filters: ChatFilters) -> bool:
    names = ("id", "id_any", "assistant_id_any", "squad_id", "session_id", "previous_chat_id")
    return any(getattr(filters, name) is not None for name in names)


def _passes(chat: KeptChat, filters: ChatFilters) -> bool:
    identity = chat.identity
    same = (
        (identity.id, filters.id),
        (identity.assistant_id, filters.assistant_id),
        (identity.squad_id, filters.squad_id),
        (identity.session_id, filters.session_id),
        (identity.previous_chat_id, filters.previous_chat_id),
    )
    return all(wanted is None or value == wanted for value, wanted in same) and (
        filters.assistant_id_any is None or identity.assistant_id in filters.assistant_id_any
    )


def _order(filters: ChatFilters) -> Callable[[KeptChat], tuple[Any, ...]]:
    """By cost, by how long the answer took, or by time; chats that are equal in that stand by time."""

    def key(chat: KeptChat) -> tuple[Any, ...]:
        time = (chat.identity.created_at, chat.identity.id)
        match filters.sort_by:
            case "cost":
                return (usage_cost(chat.usage).total_usd, *time)
            case "duration":
                return (getattr(chat, "ended_ms", 0.0), *time)
            case _:
                return time

    return key
