"""What the assistant that writes now gets to read of a conversation in which others wrote before it.

One rule for the model's view within a chat and for the chats that follow; clients always see everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from domain.call.context_engineering import SPOKEN, Context, kept
from domain.call.context_engineering import Message as Judged
from domain.chat.messages import Message, Timed


@dataclass(frozen=True, slots=True)
class Heard:
    """``messages`` as the present assistant reads them; ``took_over`` is how many there were when it began."""

    messages: tuple[Message, ...] = ()
    took_over: int = 0

    def followed_by(self, messages: Iterable[Message]) -> Heard:
        """The same with more behind it."""
        return Heard((*self.messages, *messages), self.took_over)


def heard_of(conversation: Iterable[Timed]) -> Heard:
    """What whoever has the word at the end of a conversation knows of it."""
    heard, said = Heard(), list[Message]()
    for timed in conversation:
        said.append(timed.message)
        if timed.handed is not None:
            heard, said = left_by(heard.followed_by(said), timed.handed), []
    return heard.followed_by(said)


def left_by(heard: Heard, context: Context) -> Heard:
    """What the next assistant gets of what the one before it knew.

    Where only what was said stays, text that stands beside tool calls is a message of its own.
    """
    spoken = context.type == SPOKEN
    parts = (_parts(message) if spoken else [message] for message in heard.messages)
    apart = [(part, index) for index, several in enumerate(parts) for part in several]
    began = sum(1 for _, index in apart if index < heard.took_over)
    stays = kept([_judged(part) for part, _ in apart], context, took_over=began)
    left = tuple(apart[index][0] for index in stays)
    return Heard(left, len(left))


def _parts(message: Message) -> list[Message]:
    if not message.get("tool_calls") or not message.get("content"):
        return [message]
    said = {name: value for name, value in message.items() if name != "tool_calls"}
    return [said, {**message, "content": ""}]


def _judged(message: Message) -> Judged:
    calls = tuple(str(call.get("id")) for call in message.get("tool_calls") or ())
    if calls:
        return Judged(role="tool_calls", call_ids=calls)
    if message.get("role") == "tool":
        return Judged(role="tool_result", call_ids=(str(message.get("tool_call_id")),))
    return Judged(role=str(message.get("role")))
