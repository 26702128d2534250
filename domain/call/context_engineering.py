"""What a conversation's next assistant gets to see of it, by Vapi's context engineering plans and transfer modes.

https://docs.vapi.ai/squads/handoff. One rule for the running conversation and for what is shown of it afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

ALL: Final = "all"
LAST: Final = "lastNMessages"
NONE: Final = "none"
SPOKEN: Final = "userAndAssistantMessages"
PREVIOUS: Final = "previousAssistantMessages"
ROLLING: Final = "rolling-history"
SWAP: Final = "swap-system-message-in-history"
SWAP_WITHOUT_TRANSFER: Final = "swap-system-message-in-history-and-remove-transfer-tool-messages"
DELETE: Final = "delete-history"

PLANS: Final = (ALL, LAST, NONE, SPOKEN, PREVIOUS)
MODES: Final = (ROLLING, SWAP, SWAP_WITHOUT_TRANSFER, DELETE)
_EVERYTHING: Final = (ALL, ROLLING, SWAP)


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """``type`` is one of ``PLANS`` or ``MODES``."""

    type: str = ALL
    max_messages: int | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules need to know of one message: ``role`` is ``user``, ``assistant``, ``system``, ``tool``,
    ``tool_calls`` or ``tool_result``; ``call_ids`` are the tool calls that it makes or answers."""

    role: str
    call_ids: tuple[str, ...] = ()


def read_context(plan: Any) -> Context:
    """A ``contextEngineeringPlan``; whatever is not one of them counts as ``all``, their default."""
    kind = plan.get("type") if isinstance(plan, Mapping) else None
    if kind not in PLANS:
        return Context()
    most = plan.get("maxMessages")
    valid = isinstance(most, int | float) and not isinstance(most, bool) and most >= 0
    return Context(type=kind, max_messages=int(most) if valid and kind == LAST else None)


def kept(
    messages: Sequence[Message], context: Context, *, took_over: int, transfer_calls: Sequence[str] = ()
) -> list[int]:
    """The indexes of the messages that stay, in order. Prompts are not among ``messages``.

    ``took_over`` is how many there were when the present assistant began; ``transfer_calls`` are the tool calls that
    brought the change about. An answer to a tool call stays only together with the call.
    """
    everything = range(len(messages))
    match context.type:
        case kind if kind in _EVERYTHING:
            chosen = list(everything)
        case "lastNMessages":
            most = context.max_messages if context.max_messages is not None else len(messages)
            chosen = list(everything[max(0, len(messages) - most) :])
        case "userAndAssistantMessages":
            chosen = [index for index in everything if messages[index].role in ("user", "assistant")]
        case "previousAssistantMessages":
            chosen = list(everything[:took_over])
        case "swap-system-message-in-history-and-remove-transfer-tool-messages":
            gone = set(transfer_calls)
            chosen = [index for index in everything if not gone.intersection(messages[index].call_ids)]
        case _:
            chosen = []
    made = {call for index in chosen if messages[index].role == "tool_calls" for call in messages[index].call_ids}
    return [
        index for index in chosen if messages[index].role != "tool_result" or made.issuperset(messages[index].call_ids)
    ]
