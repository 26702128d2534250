"""Stepping a recorded call again: the same code gives the same outputs (audit, regression), other code or another
plan shows where it would first have acted differently (counterfactual)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from domain.call.events import CallStarted
from media.machine.inputs import Input
from media.machine.outputs import Output, Record
from media.machine.plan import CallPlan
from media.machine.step import initial, step


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The first output that is not as recorded. ``input_index`` is -1 for what comes before the first input;
    ``recorded`` or ``stepped`` is ``None`` where one side has no output any more."""

    input_index: int
    at_ms: float
    output_index: int
    recorded: dict[str, Any] | None
    stepped: dict[str, Any] | None


def recorded_plan(started: CallStarted, facts: Mapping[str, Any]) -> CallPlan:
    """What a recorded call began with. ``facts`` is the data of its ``machine.plan`` fragment; later assistants are in
    the inputs. Raises ``PlanInvalid``."""
    return CallPlan.from_assistant(
        started.assistant,
        clock_origin_ms=started.clock_origin.timestamp() * 1000,
        late_templates=started.late_templates,
        variables=started.variable_values,
        **facts,
    )


def encode_input(input: Input) -> dict[str, Any]:
    """The data of a ``machine.input`` fragment."""
    encoded: dict[str, Any] = msgspec.to_builtins(input)
    return encoded


def decode_input(data: dict[str, Any]) -> Input:
    """Raises ``msgspec.ValidationError`` for what is no input of this version."""
    decoded: Input = msgspec.convert(data, Input)
    return decoded


def encode_output(output: Output) -> dict[str, Any]:
    """The data of a ``machine.output`` fragment; an event goes under its dotted type."""
    if isinstance(output, Record):
        event = output.event
        return {"output": "Record", "type": event.TYPE, "event": msgspec.to_builtins(event)}
    encoded: dict[str, Any] = msgspec.to_builtins(output)
    return encoded


def replay(plan: CallPlan, inputs: Iterable[tuple[float, Input]], *, began_ms: float = 0.0) -> list[tuple[Output, ...]]:
    """The outputs of each step; the first entry is what comes before the first input."""
    state, outputs = initial(plan, began_ms)
    steps = [outputs]
    for at_ms, input in inputs:
        state, outputs = step(state, input, at_ms)
        steps.append(outputs)
    return steps


def first_difference(
    plan: CallPlan,
    inputs: Sequence[tuple[float, Input]],
    recorded: Sequence[Sequence[Output]],
    *,
    began_ms: float = 0.0,
) -> Difference | None:
    """Step ``inputs`` under ``plan`` and compare with ``recorded`` (one entry per step, the first for what came before
    any input). ``None`` when every step gives the same outputs in the same order."""
    stepped = replay(plan, inputs, began_ms=began_ms)
    for index in range(max(len(stepped), len(recorded))):
        here = [encode_output(output) for output in stepped[index]] if index < len(stepped) else []
        there = [encode_output(output) for output in recorded[index]] if index < len(recorded) else []
        if here == there:
            continue
        position = next(
            (place for place, pair in enumerate(zip(here, there, strict=False)) if pair[0] != pair[1]),
            min(len(here), len(there)),
        )
        at_ms = inputs[index - 1][0] if 0 < index <= len(inputs) else began_ms
        return Difference(
            input_index=index - 1,
            at_ms=at_ms,
            output_index=position,
            recorded=there[position] if position < len(there) else None,
            stepped=here[position] if position < len(here) else None,
        )
    return None
