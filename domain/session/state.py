"""What is known of a session: its configuration, and the conversations that were held in it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from domain.configuration.state import ActiveConfiguration, DeletedConfiguration
from domain.session.events import ConversationKind

DEFAULT_EXPIRATION_SECONDS: Final = 86_400


class Conversation(msgspec.Struct, frozen=True):
    """A chat or a call of the session."""

    kind: ConversationKind
    id: str


class ActiveSession(ActiveConfiguration, frozen=True, kw_only=True, tag_field="phase", tag="active"):
    """``conversations`` come after the ``messages`` of the configuration: to replace those begins a new history."""

    conversations: tuple[Conversation, ...] = ()


Session = ActiveSession | DeletedConfiguration


def expiration_seconds(config: dict[str, Any]) -> float:
    """How long after its creation a session takes conversations."""
    seconds = config.get("expirationSeconds")
    return seconds if isinstance(seconds, int | float) else DEFAULT_EXPIRATION_SECONDS


def session_status(state: ActiveConfiguration | DeletedConfiguration, now: datetime) -> str:
    """``active``, or ``completed`` when somebody said so or its time is over."""
    over = now >= state.created_at + timedelta(seconds=expiration_seconds(state.config))
    return "completed" if over else str(state.config.get("status") or "active")
