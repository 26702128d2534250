"""Which messages an assistant asked for (``serverMessages``, ``clientMessages``), and how patiently each is delivered.

The defaults are Vapi's, https://docs.vapi.ai/server-url/events.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any, Final, Literal

DEFAULT_SERVER_MESSAGES: Final = frozenset(
    {
        *("conversation-update", "end-of-call-report", "function-call", "hang", "speech-update", "status-update"),
        *("tool-calls", "transfer-destination-request", "handoff-destination-request", "user-interrupted"),
        "assistant.started",
    }
)
"""What a server is sent where ``serverMessages`` is absent."""

DEFAULT_CLIENT_MESSAGES: Final = frozenset(
    {
        *("conversation-update", "function-call", "hang", "model-output", "speech-update", "status-update"),
        *("transfer-update", "transcript", "tool-calls", "user-interrupted", "voice-input"),
        *("workflow.node.started", "assistant.started"),
    }
)
"""What a client is sent where ``clientMessages`` is absent."""

FINAL_TRANSCRIPT: Final = 'transcript[transcriptType="final"]'
"""Listed instead of ``transcript`` by who wants no partials; it is then the message's type too."""

_OLDER_NAMES: Final = {"language-change-detected": "language-changed"}
"""What a type may be called in lists besides its own name."""

Patience = Literal["durable", "live"]
"""``durable`` messages are tried for days, ``live`` ones for seconds: late, they would be worth nothing."""

_LIVE: Final = frozenset(
    {
        *("conversation-update", "transcript", FINAL_TRANSCRIPT, "speech-update", "model-output", "voice-input"),
        *("user-interrupted", "hang", "assistant.started", "assistant.speechStarted", "language-change-detected"),
        *("language-changed", "phone-call-control"),
    }
)


def server_messages(assistant: Mapping[str, Any]) -> frozenset[str]:
    """The types that this assistant's server is to be sent."""
    listed = assistant.get("serverMessages")
    if not isinstance(listed, list):
        return DEFAULT_SERVER_MESSAGES
    return frozenset(word for word in listed if isinstance(word, str))


def selected_type(wanted: Set[str], message: Mapping[str, Any]) -> str | None:
    """The type under which the message is sent, or ``None`` where it was not asked for."""
    kind = str(message["type"])
    if kind in wanted or _OLDER_NAMES.get(kind, kind) in wanted:
        return kind
    if kind == "transcript" and message.get("transcriptType") == "final" and FINAL_TRANSCRIPT in wanted:
        return FINAL_TRANSCRIPT
    return None


def patience_of(message_type: str) -> Patience:
    """How patiently messages of a type are delivered."""
    return "live" if message_type in _LIVE else "durable"
