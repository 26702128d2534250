"""Scripted conversations that an assistant is tested with."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.models.base import Closed, JsonObject, Open


class JudgePlan(Open):
    """How an answer is judged."""

    type: Literal["exact", "regex", "ai"]


class EvalMessage(Open):
    """A line of the script: said as written, or judged."""

    role: Literal["assistant", "system", "tool", "user"]
    content: str | None = None
    judge_plan: JudgePlan | None = None
    continue_plan: JsonObject | None = None
    tool_calls: list[JsonObject] | None = None


class EvalBody(Closed):
    """Body of ``POST /eval``."""

    type: Literal["chat.mockConversation"]
    messages: Annotated[list[EvalMessage], Field(min_length=1)]
    name: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    description: Annotated[str, Field(max_length=500)] | None = None
