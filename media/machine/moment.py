"""The working of one step: the state so far, the instant, and the outputs collected. It lives no longer than that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from domain.event import Event
from media.machine.outputs import ArmTimer, DisarmTimer, Note, Notify, Output, Record
from media.machine.plan import CallPlan
from media.machine.state import MachineState, Utterance


class Moment:
    """Handed through the concerns of one step, which read ``state``, ``set`` new facts and ``emit`` outputs."""

    __slots__ = ("now", "outputs", "state")

    def __init__(self, state: MachineState, now_ms: float) -> None:
        self.state = state
        self.now = now_ms
        self.outputs: list[Output] = []

    @property
    def plan(self) -> CallPlan:
        return self.state.plan

    def set(self, **facts: Any) -> None:
        self.state = replace(self.state, **facts)

    def emit(self, output: Output) -> None:
        self.outputs.append(output)

    def record(self, event: Event) -> None:
        self.outputs.append(Record(event=event))

    def notify(self, type: str, **fields: Any) -> None:
        self.outputs.append(Notify(message={"type": type, **fields}))

    def mark(self, point: str, turn: int, at_ms: float) -> None:
        """A measuring point (``t0`` to ``t7``); ``at_ms`` may lie a little before now."""
        self.outputs.append(Note(type=f"mark.{point}", data={"turn": turn, "at_ms": at_ms}))

    def arm(self, timer: str, at_ms: float) -> None:
        """Arm or re-arm a timer; one that is due already fires at the shell's next occasion."""
        generation = self.state.timer_generation + 1
        self.set(timers={**self.state.timers, timer: generation}, timer_generation=generation)
        self.outputs.append(ArmTimer(timer=timer, at_ms=max(at_ms, self.now), generation=generation))

    def disarm(self, timer: str) -> None:
        if timer in self.state.timers:
            self.set(timers={name: value for name, value in self.state.timers.items() if name != timer})
            self.outputs.append(DisarmTimer(timer=timer))

    def armed(self, timer: str) -> bool:
        return timer in self.state.timers

    def utterance(self, utterance_id: int | None) -> Utterance | None:
        for utterance in self.state.utterances:
            if utterance.utterance_id == utterance_id:
                return utterance
        return None

    def change_utterance(self, utterance_id: int, **facts: Any) -> Utterance:
        """Replace one utterance by a changed copy, which is returned."""
        changed: Utterance | None = None
        utterances = []
        for utterance in self.state.utterances:
            if utterance.utterance_id == utterance_id:
                utterance = changed = replace(utterance, **facts)
            utterances.append(utterance)
        assert changed is not None, "only utterances of the state are changed"
        self.set(utterances=tuple(utterances))
        return changed

    def pick(self, variants: Sequence[str]) -> str:
        """One of several texts; each use takes the next, since a step knows no chance."""
        used = self.state.variants_used
        self.set(variants_used=used + 1)
        return variants[used % len(variants)]
