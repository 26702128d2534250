"""Which events follow from a command to a chat."""

from __future__ import annotations

from collections.abc import Sequence

from domain.aggregate import Conflicting, NotFound, Refused
from domain.chat.commands import ChatCommand, DeleteChat, KeepChat
from domain.chat.events import ChatDeleted, ToolCalled, ToolCompleted, ToolFailed
from domain.chat.state import Chat, Deleted
from domain.event import Event


def decide(state: Chat | None, command: ChatCommand) -> Sequence[Event]:
    """Raises ``Refused``: a chat is kept once, and only its owner deletes it."""
    match command:
        case KeepChat():
            if state is not None:
                raise Conflicting("The chat exists already.", field="id", fix="Send a new one.")
            _check_answers(command)
            return [command.created, *command.facts, command.end]
        case DeleteChat():
            if state is None or isinstance(state, Deleted) or state.identity.org_id != command.org_id:
                raise NotFound("The chat does not exist.", field="id", fix="List the chats with GET /chat.")
            return [ChatDeleted(actor=command.actor)]


def _check_answers(command: KeepChat) -> None:
    """Every result belongs to a call that was made before it, and a call has at most one."""
    waiting: set[str] = set()
    seen: set[str] = set()
    for fact in command.facts:
        match fact:
            case ToolCalled(tool_call_id=call_id):
                if call_id in seen:
                    raise Refused(f"The tool call {call_id} was made twice.", field="facts", fix="Give it an id.")
                waiting.add(call_id)
                seen.add(call_id)
            case ToolCompleted(tool_call_id=call_id) | ToolFailed(tool_call_id=call_id):
                if call_id not in waiting:
                    raise Refused(f"Nothing waits for a result of {call_id}.", field="facts", fix="Record its call.")
                waiting.discard(call_id)
            case _:
                pass
