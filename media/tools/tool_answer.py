"""Reading what a tool server answered: ``{"results": [{"toolCallId", "result" | "error", "message"?}], "error"?}``.

Servers in the field take liberties, so matching is lenient: by id, else by position; results may be any JSON. What
cannot be read becomes a failure that the model is told of, never an exception.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from domain.call.events import ToolFailure
from domain.foreign_json import UnreadableJson, read_json

NO_RESULT = "No result returned"


@dataclass(frozen=True, slots=True)
class Answered:
    """``truncated`` is how many characters of the result were cut."""

    result: str
    message: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    truncated: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """``error`` is what the model is told, ``message`` what the server wants to be said."""

    failure: ToolFailure
    error: str
    message: dict[str, Any] | None = None


Outcome = Answered | Failed


def read_answer(status: int, body: bytes, call_ids: Sequence[str], *, cap: int) -> dict[str, Outcome]:
    """The outcome of every call of one request. ``cap`` is the most characters of one result."""
    if not 200 <= status < 300:
        return dict.fromkeys(call_ids, Failed("http-status", f"The tool server answered with HTTP status {status}."))
    try:
        answer = read_json(body) if body.strip() else None
    except UnreadableJson as error:
        return dict.fromkeys(call_ids, Failed("bad-body", f"The tool server's answer is {_clip(str(error), 200)[0]}."))
    if not isinstance(answer, Mapping):
        return dict.fromkeys(call_ids, Failed("bad-body", "The tool server's answer is not a JSON object."))
    if answer.get("error"):
        return dict.fromkeys(call_ids, Failed("error", _clip(_text(answer["error"]), cap)[0]))
    results = answer.get("results")
    if results is not None and not isinstance(results, list):
        return dict.fromkeys(call_ids, Failed("bad-body", "results in the tool server's answer is not a list."))
    return {
        call_id: _outcome(_entry(results or [], call_id, index, call_ids), cap)
        for index, call_id in enumerate(call_ids)
    }


def _entry(results: list[Any], call_id: str, index: int, call_ids: Sequence[str]) -> Any:
    for result in results:
        if isinstance(result, Mapping) and result.get("toolCallId") == call_id:
            return result
    if index < len(results):
        at_place = results[index]
        if not isinstance(at_place, Mapping) or at_place.get("toolCallId") not in call_ids:
            return at_place
    return None


def _outcome(entry: Any, cap: int) -> Outcome:
    if entry is None:
        return Failed("no-result", NO_RESULT)
    if not isinstance(entry, Mapping):
        text, cut = _clip(_text(entry), cap)
        return Answered(text, truncated=cut)
    message = entry.get("message")
    spoken = dict(message) if isinstance(message, Mapping) else None
    if entry.get("error"):
        return Failed("error", _clip(_text(entry["error"]), cap)[0], spoken)
    if entry.get("result") is None:
        if spoken is not None:
            return Answered("", message=spoken)
        return Failed("no-result", NO_RESULT)
    text, cut = _clip(_text(entry["result"]), cap)
    metadata = entry.get("metadata")
    return Answered(text, spoken, dict(metadata) if isinstance(metadata, Mapping) else None, cut)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _clip(text: str, cap: int) -> tuple[str, int]:
    return (text, 0) if len(text) <= cap else (text[:cap], len(text) - cap)
