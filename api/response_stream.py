"""Chats in the form of OpenAI's Responses API, https://platform.openai.com/docs/api-reference/responses.

Only what the assistant wrote is output there; tools run on this side and stay out of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from api.chat_stream import Frame, problem_of, written
from domain.chat.state import KeptChat
from domain.chats import HeldChat
from domain.pricing.cost import usage_cost


def response_object(chat: KeptChat) -> dict[str, Any]:
    """The response that a chat is."""
    texts = [text.text for text in written(chat)]
    request = chat.identity.request
    return {
        **_begun(chat.identity.id, chat.identity.created_at, request),
        "status": "completed",
        "output": [_item(chat.identity.id, index, text) for index, text in enumerate(texts)],
        "usage": _usage(chat),
    }


async def response_frames(chat_id: str, request: Mapping[str, Any], held: HeldChat) -> AsyncIterator[Frame]:
    """The events of an answer, numbered, as OpenAI's clients put a response together from them."""
    number = -1
    async for frame in _frames(chat_id, _begun(chat_id, held.began_at, request), held):
        number += 1
        yield {**frame, "sequence_number": number}


async def _frames(chat_id: str, begun: dict[str, Any], held: HeldChat) -> AsyncIterator[Frame]:
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    texts: list[str] = []
    item = -1
    async for text in held.texts():
        if text.item != item:
            for frame in _closed(chat_id, texts):
                yield frame
            texts.append("")
            item = text.item
            for frame in _opened(chat_id, len(texts) - 1):
                yield frame
        texts[-1] += text.text
        yield {
            "type": "response.output_text.delta",
            "delta": text.text,
            "logprobs": [],
            **_place(chat_id, len(texts) - 1),
        }
    problem = await problem_of(held)
    if problem is not None:
        yield {"type": "error", "code": problem.code, "message": problem.message, "param": None}
        return
    for frame in _closed(chat_id, texts):
        yield frame
    yield {"type": "response.completed", "response": response_object((await held.over()).chat)}


def _opened(chat_id: str, index: int) -> Sequence[Frame]:
    item = {**_item(chat_id, index, ""), "status": "in_progress", "content": []}
    return (
        {"type": "response.output_item.added", "output_index": index, "item": item},
        {"type": "response.content_part.added", "part": _part(""), **_place(chat_id, index)},
    )


def _closed(chat_id: str, texts: Sequence[str]) -> Sequence[Frame]:
    """The end of the newest item, where there is one."""
    if not texts:
        return ()
    index, text = len(texts) - 1, texts[-1]
    return (
        {"type": "response.output_text.done", "text": text, "logprobs": [], **_place(chat_id, index)},
        {"type": "response.content_part.done", "part": _part(text), **_place(chat_id, index)},
        {"type": "response.output_item.done", "output_index": index, "item": _item(chat_id, index, text)},
    )


def _place(chat_id: str, index: int) -> dict[str, Any]:
    return {"item_id": _item_id(chat_id, index), "output_index": index, "content_index": 0}


def _item_id(chat_id: str, index: int) -> str:
    return f"msg_{chat_id}_{index}"


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": []}


def _item(chat_id: str, index: int, text: str) -> dict[str, Any]:
    return {
        "id": _item_id(chat_id, index),
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [_part(text)],
    }


def _begun(chat_id: str, began_at: datetime, request: Mapping[str, Any]) -> dict[str, Any]:
    """A response before there is anything of it. ``model`` is the word that was sent: the assistant decides on it."""
    return {
        "id": chat_id,
        "object": "response",
        "created_at": int(began_at.timestamp()),
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": request.get("metadata") or {},
        "model": request.get("model") or "",
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": request.get("previous_response_id") or request.get("previousChatId"),
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
    }


def _usage(chat: KeptChat) -> dict[str, Any]:
    counted = {"promptTokens": 0, "completionTokens": 0, "cachedPromptTokens": 0}
    for row in usage_cost(chat.usage).rows:
        for unit in counted:
            counted[unit] += int(row.quantities.get(unit, 0))
    return {
        "input_tokens": counted["promptTokens"],
        "input_tokens_details": {"cached_tokens": counted["cachedPromptTokens"]},
        "output_tokens": counted["completionTokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": counted["promptTokens"] + counted["completionTokens"],
    }
