"""What is said while a tool takes its time."""

from __future__ import annotations

from msgspec.structs import replace

from media.machine import speaking
from media.machine.moment import Moment
from media.machine.state import RunningTool
from media.machine.tool_plan import MESSAGE_SPACING_MS

DELAY_TIMER = "tool-delay:"


def on_delay(m: Moment, tool_call_id: str) -> None:
    """A tool takes its time: say so, unless something else is being said or was just said."""
    running = next((tool for tool in m.state.tools if tool.call.id == tool_call_id), None)
    if running is None:
        return
    stages = _stages(m, running)
    if running.delays_said >= len(stages) or m.state.end_reason is not None:
        return
    quiet_from = m.state.last_said_ms + MESSAGE_SPACING_MS
    if m.state.utterances or m.state.user is not None or m.state.user_voiced:
        m.arm(DELAY_TIMER + tool_call_id, m.now + MESSAGE_SPACING_MS)
        return
    if m.now < quiet_from:
        m.arm(DELAY_TIMER + tool_call_id, quiet_from)
        return
    speaking.say(m, m.pick(stages[running.delays_said][1]), "tool-message", cacheable=True)
    running = replace(running, delays_said=running.delays_said + 1)
    m.set(tools=tuple(running if tool.call.id == tool_call_id else tool for tool in m.state.tools))
    arm_delay(m, running)


def arm_delay(m: Moment, running: RunningTool) -> None:
    """Wait for the time of the next delay message, if the tool has one."""
    stages = _stages(m, running)
    if running.delays_said < len(stages):
        m.arm(DELAY_TIMER + running.call.id, running.started_ms + stages[running.delays_said][0])


def _stages(m: Moment, running: RunningTool) -> list[tuple[float, list[str]]]:
    """Delay messages by their time; several of one time are variants."""
    stages: dict[float, list[str]] = {}
    for message in running.plan.at("request-response-delayed", running.call.arguments, m.state.language):
        if message.text:
            stages.setdefault(message.after_ms, []).append(message.text)
    return sorted(stages.items())
