"""Answers to ``POST /chat`` while they are written: server-sent events, as in https://docs.vapi.ai/chat/streaming."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec
from starlette.responses import StreamingResponse

from api.errors import Problem
from api.refusals import from_log, from_refusal
from domain.aggregate import Refused
from domain.chat.messages import output_messages
from domain.chat.state import Failed, KeptChat
from domain.chats import ChatText, HeldChat
from domain.log.ports import LogUnavailable

Frame = dict[str, Any]

_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}


def event_stream(frames: AsyncIterator[Frame]) -> StreamingResponse:
    """One event per frame, without names, until there are no more."""
    return StreamingResponse(_encoded(frames), media_type="text/event-stream", headers=_HEADERS)


async def _encoded(frames: AsyncIterator[Frame]) -> AsyncIterator[bytes]:
    async for frame in frames:
        yield b"data: " + msgspec.json.encode(frame) + b"\n\n"


async def chat_frames(chat_id: str, session_id: str | None, held: HeldChat) -> AsyncIterator[Frame]:
    """The texts of an answer, each at the path of its message, and at the end what went wrong, if anything did.

    The chat is on the log before the stream ends.
    """
    shared = {"id": chat_id} if session_id is None else {"id": chat_id, "sessionId": session_id}
    async for text in held.texts():
        yield {**shared, "path": f"chat.output[{text.item}].content", "delta": text.text}
    problem = await problem_of(held)
    if problem is not None:
        # A path of its own keeps the text apart for clients that join deltas by path.
        error = {"code": problem.code, "message": problem.message}
        yield {**shared, "path": "chat.error", "delta": problem.message, "error": error}


async def problem_of(held: HeldChat) -> Problem | None:
    """Why there is no whole answer, once the chat is over; ``None`` where there is one."""
    try:
        over = await held.over()
    except Refused as refusal:
        return from_refusal(refusal)
    except LogUnavailable as fault:
        return from_log(fault)
    return failure(over.chat)


def failure(chat: KeptChat) -> Problem | None:
    """The refusal that a failed chat is answered with. It is on the log, so a retry would make another one: the status
    is none that clients repeat by themselves."""
    if not isinstance(chat, Failed):
        return None
    return Problem(
        424,
        f"The chat {chat.identity.id} was not answered ({chat.reason}): {chat.message}",
        detail="Look at the reason; GET /chat/{id} shows what there is of the chat.",
        code="CHAT_FAILED",
        members={"chatId": chat.identity.id, "reason": chat.reason},
    )


def written(chat: KeptChat) -> Sequence[ChatText]:
    """The texts of an answer that was recorded, each in one piece."""
    return [
        ChatText(item, message["content"])
        for item, message in enumerate(output_messages(chat.entries))
        if message["role"] == "assistant" and message["content"]
    ]
