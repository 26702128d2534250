"""What an operator may tune about conversations in writing. Every field names its unit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSettings:
    """Limits and waits. A client of the official SDKs waits 60 s for an answer, so a chat takes less."""

    max_chats: int = 200
    """Chats that this process answers at once; one more is refused with 503."""
    answer_within_s: float = 55.0
    """Longest time from a request to the end of its answer, tools included; then the chat has failed."""
    model_first_token_s: float = 20.0
    """Wait for the first token before the next model is tried."""
    model_idle_s: float = 15.0
    """Longest pause between two tokens of one answer."""
    tool_timeout_s: float = 20.0
    """Wait for a tool server that has no limit of its own."""
    tool_result_cap: int = 8_192
    """Characters of a tool's result that reach the model; the rest is cut with a warning."""
    code_at_once: int = 4
    """Code tools that run at the same time; each is a process."""
    most_tool_calls: int = 50
    """Tool calls of one chat; the model is refused what it asks beyond them."""
    most_turns: int = 25
    """Answers in a row that call tools: a model that goes on is in a loop."""
