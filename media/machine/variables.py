"""The call's one bag of variables: what tools and hand-offs add to it, and texts that are rendered with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from domain.call.events import VariablesSet
from domain.call.variables import PLATFORM_VARIABLES
from domain.templates import render
from media.machine.moment import Moment


def take(m: Moment, values: Mapping[str, Any], tool_call_id: str) -> None:
    """Add ``values``; facts of the platform stay as they are. Prompts that wait for variables are rendered anew."""
    fresh = {name: value for name, value in values.items() if name not in PLATFORM_VARIABLES}
    if not fresh:
        return
    m.record(VariablesSet(values=fresh, tool_call_id=tool_call_id, at_ms=m.now))
    m.set(variables={**m.state.variables, **fresh})
    render_prompt(m)


def render_prompt(m: Moment) -> None:
    """Fill in what the present prompt's late templates can know by now."""
    plan = m.plan
    if plan.late_prompt:
        late = set(plan.late_prompt)
        prompt = tuple(
            {**message, "content": rendered(m, message["content"])} if index in late else message
            for index, message in enumerate(plan.prompt_templates)
        )
        m.set(plan=replace(plan, prompt=prompt))


def rendered(m: Moment, text: str, **more: Any) -> str:
    """``text`` with the call's variables and ``more`` filled in, where it is a template at all."""
    if "{{" not in text and "{%" not in text:
        return text
    at_ms = m.plan.clock_origin_ms + m.now
    return render(text, {**m.state.variables, **more}, now=datetime.fromtimestamp(at_ms / 1000, UTC)).text
