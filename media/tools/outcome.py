"""What came of a tool call, whoever carried it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from domain.call.events import ToolFailure
from media.machine.outputs import CallTool

NO_RESULT = "No result returned"


@dataclass(frozen=True, slots=True)
class Answered:
    """``body`` is the whole answer where there is more to it than the text, for variables to be drawn from."""

    result: str
    message: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    truncated: int = 0
    """How many characters of the result were cut."""
    variables: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """``error`` is what the model is told, ``message`` what the server wants to be said."""

    failure: ToolFailure
    error: str
    message: dict[str, Any] | None = None


Outcome = Answered | Failed


class ToolExecutor(Protocol):
    """Carries out tool calls of some types, several at once. It knows nothing of who asked: a call or a chat."""

    async def run(self, calls: Sequence[CallTool]) -> Mapping[str, Outcome]:
        """The outcome of every call by its id. What goes wrong is an outcome, never an exception."""


def answered(value: Any, cap: int, **more: Any) -> Answered:
    """A value as the text that the model reads, cut to ``cap`` characters."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    cut, left_out = clipped(text, cap)
    return Answered(cut, truncated=left_out, **more)


def clipped(text: str, cap: int) -> tuple[str, int]:
    """The first ``cap`` characters, and how many that left out."""
    return (text, 0) if len(text) <= cap else (text[:cap], len(text) - cap)
