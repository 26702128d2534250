"""Carrying the fragments of calls from their log to a sink: a thread that follows every partition, a bounded batch at a
time, so that a slow sink makes it read later and hold no more."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from domain.fragments import FragmentFeed, PlacedBatch
from domain.log.ports import LogUnavailable
from domain.processing import SinkUnavailable
from streams.processing.pipeline import BACK_OFF_SECONDS

logger = logging.getLogger(__name__)

BATCHES = 500
"""Batches that are carried at once; each holds what a call noted in about 150 ms."""

PAUSE_SECONDS = 1.0
"""How long it waits when there was nothing new: more rows an insert, and nobody watches fragments live."""


class FragmentTarget(Protocol):
    """Where fragments go. What is sent again changes nothing."""

    def position(self, partition: int) -> int: ...

    def write(self, partition: int, batches: Sequence[PlacedBatch]) -> int: ...


class FeedStatus(msgspec.Struct, frozen=True):
    """``behind`` are batches on the log that the sink has not got, by partition; ``failure`` is why it stopped."""

    fragments: int
    behind: Mapping[int, int]
    failure: str | None = None


class FragmentFollower:
    """Start once, stop once."""

    def __init__(
        self, feed: FragmentFeed, target: FragmentTarget, *, batches: int = BATCHES, pause_s: float = PAUSE_SECONDS
    ) -> None:
        self._feed = feed
        self._target = target
        self._batches = batches
        self._pause_s = pause_s
        self._positions: dict[int, int] = {}
        self._fragments = 0
        self._failure: BaseException | None = None
        self._over = False
        self._stopping = threading.Event()
        self._moved = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="fragment-follower", daemon=True)

    def start(self) -> None:
        """Begin where the sink stands."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is in hand. Safe to call twice. Raises what ended the thread before it was asked to."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._failure is not None:
            raise self._failure

    def reached(self, partition: int, number: int, timeout_s: float) -> bool:
        """Wait until the fragments up to a batch are in the sink; false after the time, or when it ended before."""
        with self._moved:
            return self._moved.wait_for(
                lambda: self._positions.get(partition, -1) >= number or self._over, timeout_s
            ) and (self._positions.get(partition, -1) >= number)

    def status(self) -> FeedStatus:
        """A snapshot. Raises ``LogUnavailable``."""
        behind = {
            partition: max(self._feed.end(partition) - self._positions.get(partition, 0), 0)
            for partition in self._feed.partitions
        }
        return FeedStatus(self._fragments, behind, None if self._failure is None else str(self._failure))

    def _run(self) -> None:
        failures = 0
        try:
            while not self._stopping.is_set():
                try:
                    carried = sum([self._carry(partition) for partition in self._feed.partitions])
                except (LogUnavailable, SinkUnavailable) as error:
                    logger.warning("fragments.waiting", extra={"attempt": failures + 1, "error": str(error)})
                    self._stopping.wait(BACK_OFF_SECONDS[min(failures, len(BACK_OFF_SECONDS) - 1)])
                    failures += 1
                    continue
                failures = 0
                if not carried:
                    self._stopping.wait(self._pause_s)
        except BaseException as error:
            # Kept for whoever stops it.
            self._failure = error
            logger.exception("fragments.failed")
        finally:
            with self._moved:
                self._over = True
                self._moved.notify_all()

    def _carry(self, partition: int) -> int:
        if partition not in self._positions:
            self._move(partition, self._target.position(partition))
        batches = self._feed.after(partition, self._positions[partition], self._batches)
        if batches:
            self._fragments += self._target.write(partition, batches)
            self._move(partition, batches[-1].number)
        return len(batches)

    def _move(self, partition: int, number: int) -> None:
        with self._moved:
            self._positions[partition] = number
            self._moved.notify_all()
