"""Language model: messages and tools in, text deltas and tool calls out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """``messages`` are OpenAI-shaped (``role``, ``content``, ``tool_calls``, ``tool_call_id``), ``tools`` too.

    ``context`` is what a custom LLM may receive besides (``call``, ``customer``, ``metadata``). ``first_token_s`` is
    how long the answer may take to begin, where the assistant says so itself."""

    messages: tuple[dict[str, Any], ...]
    tools: tuple[dict[str, Any], ...] = ()
    temperature: float = 0.5
    max_tokens: int = 250
    context: dict[str, Any] = field(default_factory=dict)
    first_token_s: float | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of what the model says; pieces are joined without anything between them."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallRequest:
    """``arguments`` is the decoded object. ``problem`` is one sentence for the model where it wrote no readable JSON
    object: then ``arguments`` is empty and the tool must not run."""

    id: str
    name: str
    arguments: dict[str, Any]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request; comes last. ``estimated`` where the provider reports none."""

    prompt_tokens: int
    completion_tokens: int
    cached_prompt_tokens: int = 0
    estimated: bool = False


ModelFact = TextDelta | ToolCallRequest | Usage


class LanguageModel(Protocol):
    """One model of one assistant."""

    @property
    def provider(self) -> str: ...

    @property
    def model(self) -> str: ...

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelFact, None]:
        """Raises ``ProviderError``. Closing the generator cancels the request at the provider."""
