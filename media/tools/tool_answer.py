"""Reading what a tool server answered: ``{"results": [{"toolCallId", "result" | "error", "message"?}], "error"?}``.

Servers in the field take liberties, so matching is lenient: by id, else by position; results may be any JSON. What
cannot be read becomes a failure that the model is told of, never an exception.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.foreign_json import UnreadableJson, read_json
from media.tools.outcome import NO_RESULT, Answered, Failed, Outcome, answered, clipped

__all__ = ["NO_RESULT", "Answered", "Failed", "Outcome", "read_answer"]


def read_answer(status: int, body: bytes, call_ids: Sequence[str], *, cap: int) -> dict[str, Outcome]:
    """The outcome of every call of one request. ``cap`` is the most characters of one result."""
    if not 200 <= status < 300:
        return dict.fromkeys(call_ids, Failed("http-status", f"The tool server answered with HTTP status {status}."))
    try:
        answer = read_json(body) if body.strip() else None
    except UnreadableJson as error:
        return dict.fromkeys(
            call_ids, Failed("bad-body", f"The tool server's answer is {clipped(str(error), 200)[0]}.")
        )
    if not isinstance(answer, Mapping):
        return dict.fromkeys(call_ids, Failed("bad-body", "The tool server's answer is not a JSON object."))
    if answer.get("error"):
        return dict.fromkeys(call_ids, Failed("error", answered(answer["error"], cap).result))
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
        return answered(entry, cap)
    message = entry.get("message")
    spoken = dict(message) if isinstance(message, Mapping) else None
    if entry.get("error"):
        return Failed("error", answered(entry["error"], cap).result, spoken)
    if entry.get("result") is None:
        if spoken is not None:
            return Answered("", message=spoken)
        return Failed("no-result", NO_RESULT)
    metadata = entry.get("metadata")
    shown = dict(metadata) if isinstance(metadata, Mapping) else None
    return answered(entry["result"], cap, message=spoken, metadata=shown)
