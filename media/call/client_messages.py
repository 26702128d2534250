"""Which client messages a client asked for (``assistant.clientMessages``)."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from domain.server_messages.selection import selected_type


class ClientMessageFilter:
    """Lets through what is listed. Where only final transcripts are, they go out under that very type name."""

    __slots__ = ("_wanted",)

    def __init__(self, wanted: Set[str]) -> None:
        self._wanted = wanted

    def pass_through(self, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The message to send, or ``None`` where the client did not ask for it."""
        kind = selected_type(self._wanted, message)
        if kind is None:
            return None
        return message if kind == message["type"] else {**message, "type": kind}
