"""A recorded call as its events and fragments hold it, and whether this code still does what was done then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from domain.call.events import (
    ArtifactStored,
    CallClaimed,
    CallControlled,
    CallCreated,
    CallDeleted,
    CallDeletionFailed,
    CallRenamed,
    CallStarted,
    ListenerJoined,
    Warned,
)
from domain.event import Event
from domain.fragments import Fragment
from media.machine.inputs import Input
from media.machine.outputs import Note, Output, Record
from media.machine.plan import CallPlan
from media.machine.replay import decode_input, recorded_plan, replay

_NOT_THE_MACHINES = (
    *(CallCreated, CallClaimed, CallStarted, CallRenamed, CallDeleted, CallDeletionFailed),
    *(ArtifactStored, CallControlled, ListenerJoined),
)
_NOT_COMPARED = ("machine.", "transport.")


class NotRecorded(Exception):
    """The call cannot be stepped again; the message says what is missing."""


class RecordedCall(msgspec.Struct, frozen=True, kw_only=True):
    """What was recorded. ``events`` are those of the log in order, ``notes`` the fragments that the machine made."""

    started: CallStarted
    facts: dict[str, Any]
    began_ms: float
    inputs: tuple[tuple[float, Input], ...]
    events: tuple[Event, ...]
    notes: tuple[tuple[str, dict[str, Any]], ...]

    def plan(self) -> CallPlan:
        """What the call was held by. Raises ``PlanInvalid`` where this version does not take its assistant."""
        return recorded_plan(self.started, self.facts)

    def plan_of(self, assistant: Mapping[str, Any], late_templates: tuple[str, ...] = ()) -> CallPlan:
        """The same call with another assistant. Raises ``PlanInvalid``."""
        started = msgspec.structs.replace(self.started, assistant=dict(assistant), late_templates=late_templates)
        return recorded_plan(started, self.facts)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """``exact``: every event and every note of the machine is as recorded, none is missing, none is new."""

    exact: bool
    inputs: int
    outputs: int
    events: int
    notes: int
    difference: dict[str, Any] | None = None


def recorded_call(events: Sequence[Event], fragments: Sequence[Fragment]) -> RecordedCall:
    """Put a call together. Raises ``NotRecorded``."""
    started = next((event for event in events if isinstance(event, CallStarted)), None)
    if started is None:
        raise NotRecorded("it never started, so nothing was decided in it")
    plan = next((fragment for fragment in fragments if fragment.type == "machine.plan"), None)
    began = next((fragment for fragment in fragments if fragment.type == "machine.began"), None)
    if plan is None or began is None:
        raise NotRecorded("its inputs are not kept any more, or were not kept at all")
    try:
        steps = tuple((each.at_ms, decode_input(each.data)) for each in fragments if each.type == "machine.input")
    except msgspec.ValidationError as error:
        raise NotRecorded(f"it was recorded by a version with other inputs: {error}") from error
    notes = tuple((each.type, each.data) for each in fragments if not each.type.startswith(_NOT_COMPARED))
    return RecordedCall(
        started=started, facts=plan.data, began_ms=began.at_ms, inputs=steps, events=tuple(events), notes=notes
    )


def judge(call: RecordedCall) -> Verdict:
    """Step the call again and hold what comes of it against what was recorded. Raises ``PlanInvalid``."""
    steps = replay(call.plan(), call.inputs, began_ms=call.began_ms)
    outputs = [output for made in steps for output in made]
    events = [output.event for output in outputs if isinstance(output, Record)]
    notes = [(output.type, output.data) for output in outputs if isinstance(output, Note)]
    difference = _event_difference(steps, call) or _note_difference(notes, call)
    return Verdict(
        exact=difference is None,
        inputs=len(call.inputs),
        outputs=len(outputs),
        events=len(events),
        notes=len(notes),
        difference=difference,
    )


def _event_difference(steps: Sequence[Sequence[Output]], call: RecordedCall) -> dict[str, Any] | None:
    """The shell records events of its own between those of the machine: warnings, and what it stores."""
    recorded = [event for event in call.events if not isinstance(event, _NOT_THE_MACHINES)]
    place = 0
    for number, made in enumerate(steps):
        for output in made:
            if not isinstance(output, Record):
                continue
            while place < len(recorded) and isinstance(recorded[place], Warned) and recorded[place] != output.event:
                place += 1
            found = recorded[place] if place < len(recorded) else None
            if found != output.event:
                return _difference(call, number - 1, found, output.event)
            place += 1
    left = next((event for event in recorded[place:] if not isinstance(event, Warned)), None)
    return None if left is None else _difference(call, len(steps) - 2, left, None)


def _note_difference(notes: Sequence[tuple[str, dict[str, Any]]], call: RecordedCall) -> dict[str, Any] | None:
    kinds = {kind for kind, _ in notes}
    recorded = [note for note in call.notes if note[0] in kinds]
    for index in range(max(len(notes), len(recorded))):
        here = notes[index] if index < len(notes) else None
        there = recorded[index] if index < len(recorded) else None
        if here != there:
            return {"recorded": _note(there), "stepped": _note(here)}
    return None


def _difference(call: RecordedCall, index: int, recorded: Event | None, stepped: Event | None) -> dict[str, Any]:
    at_ms = call.inputs[index][0] if 0 <= index < len(call.inputs) else call.began_ms
    return {"input": index, "atMs": at_ms, "recorded": _event(recorded), "stepped": _event(stepped)}


def _event(event: Event | None) -> dict[str, Any] | None:
    return None if event is None else {"type": event.TYPE, "data": msgspec.to_builtins(event)}


def _note(note: tuple[str, dict[str, Any]] | None) -> dict[str, Any] | None:
    return None if note is None else {"type": note[0], "data": note[1]}
