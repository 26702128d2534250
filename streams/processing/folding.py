"""Feeding events to one processor: its state per originator, bounded, and the events it could not take."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from domain.log.ports import EventLog, Positioned
from domain.log.position import Position
from domain.processing import DeadLetter, Effect, Processor
from streams.processing.dead_letters import BEHIND, DeadLetters

STATE_CAPACITY = 20_000
"""Originators whose state is kept. Raise it if more calls than that run at once and rebuilding shows in the lag."""

REASON_CHARACTERS = 500
"""Longest reason that is kept of a failure."""


class ProcessorFailed(Exception):
    """A processor raised on an event. ``reason`` names event type, version and error."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Known(msgspec.Struct, gc=False):
    """An originator's state after the event with this version. Not tracked by the collector: there are many, and none
    leads back to itself."""

    version: int
    state: Any


class Folding:
    """Keeps the states of the originators met last; another one's state is folded again from its history."""

    def __init__(
        self, processor: Processor[Any], log: EventLog, dead_letters: DeadLetters, capacity: int = STATE_CAPACITY
    ) -> None:
        self.name = processor.name
        self._initial, self._apply = processor.initial, processor.apply
        self._handles = processor.handles
        self._log = log
        self._dead_letters = dead_letters
        self._capacity = capacity
        self._states: OrderedDict[str, _Known] = OrderedDict()

    def fold(self, events: Sequence[Positioned]) -> list[tuple[Position, Sequence[Effect]]]:
        """Effects of the events that have any, in order. Events that fail, and those behind them, are parked when it
        returns."""
        effects: list[tuple[Position, Sequence[Effect]]] = []
        parked: list[DeadLetter] = []
        stopped: set[str] = set()
        # Letters of this processor are added by its own thread only, so none can appear while this runs.
        handles, letters, apply, any_letters = (
            self._handles,
            self._dead_letters,
            self._applied,
            bool(self._dead_letters),
        )
        for event in events:
            recorded = event.recorded
            if handles is not None and recorded.event.TYPE not in handles:
                continue
            originator_id = recorded.originator_id
            if any_letters or stopped:
                if originator_id in stopped or letters.blocks(self.name, originator_id, event.position):
                    parked.append(self._letter(event, BEHIND))
                    continue
                if letters.is_dropped(self.name, event.position):
                    continue
            try:
                made = apply(event)
            except ProcessorFailed as failure:
                stopped.add(originator_id)
                parked.append(self._letter(event, failure.reason))
            else:
                if made:
                    effects.append((event.position, made))
        if parked:
            self._dead_letters.park(parked)
        return effects

    def park(self, events: Iterable[Positioned], reasons: dict[Position, str]) -> None:
        """Park the events at these positions, whose effects were refused; what lies behind follows when refolded."""
        self._dead_letters.park(
            [self._letter(event, reasons[event.position]) for event in events if event.position in reasons]
        )

    def apply(self, event: Positioned) -> Sequence[Effect]:
        """The effects of one event. Raises ``ProcessorFailed``, and forgets the originator's state then."""
        return () if self._dead_letters.is_dropped(self.name, event.position) else self._applied(event)

    def _applied(self, event: Positioned) -> Sequence[Effect]:
        recorded = event.recorded
        originator_id, version = recorded.originator_id, recorded.originator_version
        states = self._states
        try:
            known = states.get(originator_id)
            if known is not None and known.version < version:
                state = known.state
            else:
                state = self._history(originator_id, version)
            state, effects = self._apply(state, event)
            made = tuple(effects)
        except Exception as error:
            # Whatever a processor raises is about this event; the lot of the others must not depend on it.
            states.pop(originator_id, None)
            reason = f"{type(error).__name__} at {recorded.event.TYPE}, version {version} of its originator: {error}"
            raise ProcessorFailed(reason[:REASON_CHARACTERS]) from error
        if known is not None:
            known.version, known.state = version, state
            states.move_to_end(originator_id)
        else:
            states[originator_id] = _Known(version, state)
            if len(states) > self._capacity:
                states.popitem(last=False)
        return made

    def forget(self, originator_id: str) -> None:
        """Fold this originator from its history next time."""
        self._states.pop(originator_id, None)

    def _history(self, originator_id: str, before: int) -> Any:
        state = self._initial()
        if before == 1:
            return state
        for event in self._log.history(originator_id):
            recorded = event.recorded
            if recorded.originator_version >= before:
                break
            if self._handles is not None and recorded.event.TYPE not in self._handles:
                continue
            if not self._dead_letters.is_dropped(self.name, event.position):
                state, _ = self._apply(state, event)
        return state

    def _letter(self, event: Positioned, reason: str) -> DeadLetter:
        return DeadLetter(
            processor=self.name,
            originator_id=event.recorded.originator_id,
            position=event.position,
            reason=reason,
            attempt=1,
        )
