"""What has been said and done in the call so far, folded from the client messages of its WebSocket."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["assistant", "user", "tool", "note"]


@dataclass(slots=True)
class Entry:
    """One line. ``final`` is false while the words are still forming."""

    kind: Kind
    text: str
    at_s: float
    final: bool = True


@dataclass(slots=True)
class Transcript:
    """``take`` returns the entry a message made or changed, if any."""

    state: str = "queued"
    ended_reason: str = ""
    speaking: str = ""
    entries: list[Entry] = field(default_factory=list)

    def take(self, message: dict[str, Any], at_s: float) -> Entry | None:
        """Fold one message that came ``at_s`` seconds into the call."""
        match message:
            case {"type": "transcript", "role": ("assistant" | "user") as role, "transcript": words}:
                return self._words(role, str(words), at_s, final=message.get("transcriptType") == "final")
            case {"type": "speech-update", "role": role, "status": status}:
                self.speaking = role if status == "started" else ("" if self.speaking == role else self.speaking)
                return None
            case {"type": "status-update", "status": status}:
                self.state = status
                self.ended_reason = message.get("endedReason") or self.ended_reason
                return None
            case {"type": "tool-calls"}:
                return self._append("tool", ", ".join(_invocation(call) for call in _tool_calls(message)), at_s)
            case {"type": "tool-calls-result", "toolCallResult": result}:
                return self._append("tool", f"-> {_result(result)}", at_s)
            case {"type": "user-interrupted"}:
                return self._append("note", "the caller interrupts the assistant", at_s)
        return None

    def _words(self, role: Literal["assistant", "user"], words: str, at_s: float, *, final: bool) -> Entry | None:
        if not words:
            return None
        forming = next((e for e in reversed(self.entries) if e.kind == role and not e.final), None)
        if forming is None:
            forming = self._append(role, words, at_s)
        forming.text, forming.final = words, final
        return forming

    def _append(self, kind: Kind, text: str, at_s: float) -> Entry:
        self.entries.append(Entry(kind, text, at_s))
        return self.entries[-1]


def _tool_calls(message: dict[str, Any]) -> list[dict[str, Any]]:
    return message.get("toolCallList") or message.get("toolCalls") or []


def _invocation(call: dict[str, Any]) -> str:
    function = call.get("function") or call
    arguments = function.get("arguments") or {}
    if isinstance(arguments, str):
        arguments = json.loads(arguments)
    return f"{function['name']}({', '.join(f'{name}={value!r}' for name, value in arguments.items())})"


def _result(result: dict[str, Any]) -> str:
    results = result.get("results") or [result]
    return "; ".join(str(r.get("result") or r.get("error") or "") for r in results if isinstance(r, dict))
