"""Carrying batches of fragments through processors into their sink: the same work under every runner.

A call whose batch a processor could not take stands still for that processor, as an originator does in the pipelines of
events; everybody else's fragments go on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.fragments import FragmentFeed, FragmentProcessor, PlacedBatch
from domain.log.position import Position
from domain.processing import DeadLetter, Rows, RowSink, RowsRejected
from streams.processing.dead_letters import BEHIND, DeadLetters
from streams.processing.folding import REASON_CHARACTERS

logger = logging.getLogger(__name__)

BATCHES = 500
"""Batches that are carried at once; each holds what a call noted in about 150 ms."""

PAUSE_SECONDS = 1.0
"""How long more batches are waited for: more rows a write, and nobody watches fragments faster than that."""

GONE = "the fragment log does not hold it any more; it can only be dropped"
"""Reason of a letter that was tried again after its fragments had expired."""


@dataclass(frozen=True)
class FragmentPipeline:
    """``processors`` see every batch of a partition in order; their rows go to ``sink`` in one write.

    A position is that of a batch: the partition as its shard, and its number. Ranges follow each other but not without
    gaps, for numbers are not gapless.
    """

    name: str
    processors: tuple[FragmentProcessor, ...]
    sink: RowSink
    batches: int = BATCHES
    pause_seconds: float = PAUSE_SECONDS


class FragmentCarrier:
    """Takes batches of one pipeline to its sink. One thread at a time for a partition."""

    def __init__(self, pipeline: FragmentPipeline, feed: FragmentFeed, letters: DeadLetters) -> None:
        self.pipeline = pipeline
        self._processors = {processor.name: processor for processor in pipeline.processors}
        self._feed = feed
        self._letters = letters

    def position(self, partition: int) -> int:
        """The number of the last batch that the sink holds. Raises ``SinkUnavailable``."""
        return self.pipeline.sink.resume_from(partition).ordinal

    def carry(self, partition: int, batches: Sequence[PlacedBatch]) -> None:
        """Batches behind those carried before, in order. Raises ``SinkUnavailable``: send the same ones again."""
        first, last = Position(partition, batches[0].number), Position(partition, batches[-1].number)
        while True:
            try:
                self.pipeline.sink.write(first, last, self._rows(partition, batches))
                return
            except RowsRejected as rejected:
                self._park_rejected(partition, batches, rejected)

    def retry(self, processor: str, call_id: str) -> int:
        """Try the parked batches of a call again, in order, up to the first that fails; how many were processed.

        Raises ``KeyError`` for an unknown processor, ``SinkUnavailable`` and ``LogUnavailable``.
        """
        applied, processed = self._processors[processor].apply, 0
        for letter in self._letters.list(processor, call_id):
            place = letter.position
            found = self._feed.after(place.shard, place.ordinal - 1, 1)
            if not found or found[0].number != place.ordinal:
                self._letters.fail_again(letter, GONE)
                break
            try:
                rows = tuple(applied(place.shard, found[0]))
            except Exception as error:
                # Whatever a processor raises is about this batch, as in ``_rows``.
                self._letters.fail_again(letter, _reason(found[0], error))
                break
            try:
                self.pipeline.sink.write(place, place, rows)
            except RowsRejected as rejected:
                self._letters.fail_again(letter, str(rejected))
                break
            self._letters.settle(letter)
            processed += 1
        return processed

    def _rows(self, partition: int, batches: Sequence[PlacedBatch]) -> list[Rows]:
        """What the processors make of the batches; those that fail, and those behind them, are parked."""
        made: list[Rows] = []
        parked: list[DeadLetter] = []
        stopped: set[tuple[str, str]] = set()
        for placed in batches:
            call_id, place = placed.batch.call_id, Position(partition, placed.number)
            for name, processor in self._processors.items():
                if (name, call_id) in stopped or self._letters.blocks(name, call_id, place):
                    parked.append(_letter(name, call_id, place, BEHIND))
                elif not self._letters.is_dropped(name, place):
                    try:
                        made += processor.apply(partition, placed)
                    except Exception as error:
                        # Whatever a processor raises is about this batch; other calls must not depend on it.
                        stopped.add((name, call_id))
                        parked.append(_letter(name, call_id, place, _reason(placed, error)))
        if parked:
            self._letters.park(parked)
        return made

    def _park_rejected(self, partition: int, batches: Sequence[PlacedBatch], rejected: RowsRejected) -> None:
        """For every processor, since rows do not say who made them. Raises the rejection where it names no batch."""
        reasons: Mapping[Position, str] = rejected.reasons
        faulty = [placed for placed in batches if Position(partition, placed.number) in reasons]
        if not faulty:
            raise rejected
        logger.error("fragments.rows_rejected", extra={"pipeline": self.pipeline.name, "reason": str(rejected)})
        self._letters.park(
            [
                _letter(name, placed.batch.call_id, place, reasons[place])
                for placed in faulty
                for place in [Position(partition, placed.number)]
                for name in self._processors
            ]
        )


def _letter(processor: str, call_id: str, position: Position, reason: str) -> DeadLetter:
    return DeadLetter(processor=processor, originator_id=call_id, position=position, reason=reason, attempt=1)


def _reason(placed: PlacedBatch, error: Exception) -> str:
    first = placed.batch.fragments[0].seq if placed.batch.fragments else "none"
    return f"{type(error).__name__} at the batch of {placed.batch.source} that begins with {first}: {error}"[
        :REASON_CHARACTERS
    ]


def waiting_seconds(feed: FragmentFeed, partition: int, number: int, now: datetime) -> float:
    """How long the oldest fragment behind ``number`` has waited; 0 where there is none. Raises ``LogUnavailable``."""
    waiting = feed.after(partition, number, 1) if feed.end(partition) > number else ()
    if not waiting or not waiting[0].batch.fragments:
        return 0.0
    oldest = waiting[0].batch
    noted = oldest.started_at + timedelta(milliseconds=oldest.fragments[0].at_ms)
    return max((now - noted).total_seconds(), 0.0)
