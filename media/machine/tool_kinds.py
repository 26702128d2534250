"""What each type of tool is to a conversation: who carries it out, and what is said of it where nobody does."""

from __future__ import annotations

from typing import Final, Literal

Kind = Literal["remote", "client", "endCall", "handoff", "transferCall", "voicemail", "unsupported"]

SERVER_TYPES: Final = frozenset({"function", "make", "ghl", "bash", "computer", "textEditor"})
"""Carried out by the tenant's server, through ``tool-calls``; the client answers where there is no server."""

PLATFORM_TYPES: Final = frozenset({"apiRequest", "code", "mcp", "query", "knowledgeBase"})
"""Carried out by us, outside the conversation."""

FILLED_TYPES: Final = SERVER_TYPES | PLATFORM_TYPES
"""Where nothing is configured to be said about the wait, something is."""

_CONVERSATION: Final[dict[str, Kind]] = {
    "endCall": "endCall",
    "handoff": "handoff",
    "transferCall": "transferCall",
    "voicemail": "voicemail",
}
_REFUSALS: Final = {
    "dtmf": "Keys can only be pressed on a phone call; this call is not one.",
    "sms": "Text messages need a phone number that can send them; this call has none.",
    "sipRequest": "This call has no SIP dialogue to send a request in.",
    "output": "Tools of type 'output' belong to workflows, which this server does not run.",
}

DESCRIPTIONS: Final = {
    "endCall": "Ends the call. Use it when the conversation is over.",
    "voicemail": "Use it when a voicemail system has answered instead of a person.",
    "transferCall": "Transfers the call.",
    "dtmf": "Presses keys on the phone's keypad.",
    "sms": "Sends a text message.",
}
PARAMETERS: Final = {
    "dtmf": {
        "type": "object",
        "properties": {"keys": {"type": "string", "pattern": "^[0-9*#A-DwW]{1,64}$"}},
        "required": ["keys"],
    },
    "sms": {
        "type": "object",
        "properties": {"to": {"type": "string"}, "message": {"type": "string", "maxLength": 1600}},
        "required": ["message"],
    },
}
"""The arguments of tools whose configuration does not say them."""


def kind_of(type: str, *, reachable: bool) -> Kind:
    """``reachable`` says that a server would get the tool's ``tool-calls``."""
    if type in SERVER_TYPES:
        return "remote" if reachable else "client" if type == "function" else "unsupported"
    if type in PLATFORM_TYPES:
        return "remote"
    return _CONVERSATION.get(type, "unsupported")


def refusal_of(type: str) -> str:
    """What the model is told when it calls a tool that nobody carries out."""
    return _REFUSALS.get(type, f"Tools of type {type!r} are not supported by this server.")
