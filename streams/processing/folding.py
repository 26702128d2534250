"""Feeding events to one processor: its state per originator, bounded, and the events it could not take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from typing import Any

import msgspec

from domain.event import Recorded
from domain.log.ports import EventLog, LogUnavailable, Positioned
from domain.log.position import Position
from domain.processing import DeadLetter, Effect, Processor
from streams.processing.dead_letters import BEHIND, DeadLetters

STATE_CAPACITY = 20_000
"""Originators whose state is kept at least. Raise it if more calls than that run at once and rebuilding shows in the
lag."""

REASON_CHARACTERS = 500
"""Longest reason that is kept of a failure."""


_READY = frozenset({tuple, list})
"""Effects that are all there; other iterables may yet raise."""


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


class Folded(msgspec.Struct, frozen=True, gc=False):
    """What a processor made of a range: its effects in order, and where the events stand that have any."""

    positions: Sequence[Position]
    effects: Sequence[Effect]


class Folding:
    """Keeps the states of the originators met last; another one's state is folded again from its history.

    States are in two generations: one that is asked for moves to the younger, and when that holds ``capacity`` of them
    the older is given up. So up to twice as many are kept, and nothing is moved about for each event.
    """

    def __init__(
        self, processor: Processor[Any], log: EventLog, dead_letters: DeadLetters, capacity: int = STATE_CAPACITY
    ) -> None:
        self.name = processor.name
        self._initial, self._apply = processor.initial, processor.apply
        self._handles = processor.handles
        self._log = log
        self._dead_letters = dead_letters
        self._capacity = capacity
        self._young: dict[str, _Known] = {}
        self._old: dict[str, _Known] = {}

    def fold(self, events: Sequence[Positioned]) -> Folded:
        """The effects of the events. Those that fail, and those behind them, are parked when it returns.

        Raises ``LogUnavailable`` where a history cannot be read now, or a letter not be kept: fold the same ones again.
        """
        positions: list[Position] = []
        effects: list[Effect] = []
        parked: list[DeadLetter] = []
        stopped: set[str] = set()
        # Letters of this processor are added by its own thread only, so none can appear while this runs.
        handles, letters, any_letters = self._handles, self._dead_letters, bool(self._dead_letters)
        young, apply = self._young, self._apply
        if handles is not None:
            events = [event for event in events if event.recorded.event.TYPE in handles]
        for event in events:
            recorded = event.recorded
            originator_id = recorded.originator_id
            if any_letters or stopped:
                if originator_id in stopped or letters.blocks(self.name, originator_id, event.position):
                    parked.append(self._letter(event, BEHIND))
                    continue
                if letters.is_dropped(self.name, event.position):
                    continue
            # What follows is ``_applied`` for a state at hand, as it nearly always is: here a rebuild spends its time.
            known = young.get(originator_id)
            version = recorded.originator_version
            try:
                if known is None or known.version >= version:
                    made = self._applied(event)
                    young = self._young
                else:
                    known.state, made = apply(known.state, event)
                    known.version = version
                if type(made) not in _READY:
                    made = tuple(made)
                if made:
                    effects.extend(made)
                    positions.append(event.position)
            except LogUnavailable:
                # Not about the event: it must not wait for an operator because of a moment without a log.
                raise
            except Exception as error:
                # Whatever a processor raises is about this event; the lot of the others must not depend on it.
                self.forget(originator_id)
                stopped.add(originator_id)
                parked.append(self._letter(event, _reason(recorded, error)))
        if parked:
            self._dead_letters.park(parked)
        return Folded(positions, effects)

    def reads(self, types: Set[str]) -> bool:
        """Whether there is anything for the processor in events of these types."""
        return self._handles is None or not self._handles.isdisjoint(types)

    def park(self, events: Iterable[Positioned], reasons: dict[Position, str]) -> None:
        """Park the events at these positions, whose effects were refused; what lies behind follows when refolded."""
        self._dead_letters.park(
            [self._letter(event, reasons[event.position]) for event in events if event.position in reasons]
        )

    def apply(self, event: Positioned) -> Sequence[Effect]:
        """The effects of one event. Raises ``LogUnavailable``, and ``ProcessorFailed``, which forgets the originator's
        state."""
        if self._dead_letters.is_dropped(self.name, event.position):
            return ()
        try:
            return tuple(self._applied(event))
        except LogUnavailable:
            raise
        except Exception as error:
            self.forget(event.recorded.originator_id)
            raise ProcessorFailed(_reason(event.recorded, error)) from error

    def forget(self, originator_id: str) -> None:
        """Fold this originator from its history next time."""
        self._young.pop(originator_id, None)
        self._old.pop(originator_id, None)

    def _applied(self, event: Positioned) -> Iterable[Effect]:
        """The effects of an event whose originator's state may have to be found first."""
        originator_id, version = event.recorded.originator_id, event.recorded.originator_version
        known = self._young.get(originator_id) or self._old.pop(originator_id, None)
        if known is None or known.version >= version:
            known = _Known(version - 1, self._history(originator_id, version))
        known.state, effects = self._apply(known.state, event)
        known.version = version
        self._young[originator_id] = known
        if len(self._young) >= self._capacity:
            self._young, self._old = {}, self._young
        return effects

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


def _reason(recorded: Recorded, error: Exception) -> str:
    reason = f"{type(error).__name__} at {recorded.event.TYPE}, version {recorded.originator_version}"
    return f"{reason} of its originator: {error}"[:REASON_CHARACTERS]
