"""Which client messages a client asked for (``assistant.clientMessages``)."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

FINAL_TRANSCRIPT = 'transcript[transcriptType="final"]'
"""Listed instead of ``transcript`` by clients that want no partials; it is then the message's type too."""

_ALIASES = {"language-change-detected": "language-changed"}


class ClientMessageFilter:
    """Lets through what is listed. Where only final transcripts are, they go out under that very type name."""

    __slots__ = ("_wanted",)

    def __init__(self, wanted: Set[str]) -> None:
        self._wanted = wanted

    def pass_through(self, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The message to send, or ``None`` where the client did not ask for it."""
        kind = str(message.get("type", ""))
        if kind in self._wanted or _ALIASES.get(kind, kind) in self._wanted:
            return message
        if kind == "transcript" and FINAL_TRANSCRIPT in self._wanted and message.get("transcriptType") == "final":
            return {**message, "type": FINAL_TRANSCRIPT}
        return None
