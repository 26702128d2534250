"""Processors that share a sink: their rows of one range, and what becomes of rows that the sink refuses."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domain.log.ports import EventLog, Positioned
from domain.log.position import Position
from domain.processing import Processor, Rows, RowsRejected
from streams.processing.dead_letters import DeadLetters
from streams.processing.folding import STATE_CAPACITY, Folded, Folding

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batch:
    """A range of the log and what it led to, processor by processor."""

    events: Sequence[Positioned]
    folded: Sequence[Folded]
    generation: int

    @property
    def first(self) -> Position:
        return self.events[0].position

    @property
    def last(self) -> Position:
        return self.events[-1].position

    @property
    def rows(self) -> list[Rows]:
        return [part for of_processor in self.folded for part in of_processor.effects]


class ProcessorGroup:
    """Folds batches for several processors. To be used from one thread."""

    def __init__(
        self,
        processors: Sequence[Processor[Any]],
        log: EventLog,
        dead_letters: DeadLetters,
        capacity: int = STATE_CAPACITY,
    ) -> None:
        self.foldings = {processor.name: Folding(processor, log, dead_letters, capacity) for processor in processors}
        self.generation = 0
        """Changes when states are folded again from before, so that what was folded ahead holds no more."""

    def fold(self, events: Sequence[Positioned]) -> Batch:
        """The batch of these events, which follow those folded before or repeat some of them."""
        types = {event.recorded.event.TYPE for event in events}
        folded = [folding.fold(events if folding.reads(types) else ()) for folding in self.foldings.values()]
        return Batch(events, folded, self.generation)

    def fold_again(self, events: Sequence[Positioned]) -> Batch:
        """The batch of events that were folded before, perhaps with others behind them."""
        self.generation += 1
        return self.fold(events)

    def current(self, batch: Batch) -> Batch:
        """The batch, folded again where events were parked since: it may hold rows of what waits behind them."""
        return batch if batch.generation == self.generation else self.fold(batch.events)

    def park(self, batch: Batch, rejected: RowsRejected) -> Batch:
        """Park the events whose rows were refused, for every processor that made rows of them; the batch without."""
        logger.error("processing.rows_rejected", extra={"reason": str(rejected)})
        for folding, folded in zip(self.foldings.values(), batch.folded, strict=True):
            makers = set(folded.positions)
            reasons = {position: reason for position, reason in rejected.reasons.items() if position in makers}
            folding.park(batch.events, reasons)
        return self.fold_again(batch.events)
