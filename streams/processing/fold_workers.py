"""Several processes that fold a stretch of the log together, range by range."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from domain.log.position import Position
from domain.processing import Processor
from streams.processing.fold_worker import FoldWorker, OpenLog, Share
from streams.processing.folded_range import RANGE_EVENTS, Encode, FoldedRange, joined

WORTHWHILE_EVENTS = 50_000
"""Fewer than these are folded here in the time that other processes take to start."""


@dataclass(frozen=True)
class Workers:
    """How many processes fold what is far behind, how they open the log, and from how many events on it pays."""

    open_log: OpenLog
    count: int
    worthwhile_events: int = WORTHWHILE_EVENTS


class FoldWorkers:
    """Starts the processes; use as a context. Each folds its share of the originators of every range."""

    def __init__(
        self,
        workers: Workers,
        processors: Sequence[Processor[Any]],
        encode: Encode,
        dropped: frozenset[tuple[str, int, int]],
        after: Position,
        until: Position,
        range_events: int = RANGE_EVENTS,
    ) -> None:
        shares = [
            Share(workers.open_log, tuple(processors), encode, dropped, number, workers.count)
            for number in range(workers.count)
        ]
        with ExitStack() as starting:
            self._workers = [starting.enter_context(FoldWorker(share, after, until, range_events)) for share in shares]
            self._running = starting.pop_all()

    def receive(self) -> FoldedRange:
        """The next range; blocks until all have folded it. Raises ``WorkerFailed``."""
        return _together([worker.receive() for worker in self._workers])

    def end(self) -> None:
        """Kill them: whoever waits in ``receive`` is told so at once. To be called from any thread."""
        for worker in self._workers:
            worker.kill()

    def __enter__(self) -> FoldWorkers:
        return self

    def __exit__(self, *failure: object) -> None:
        """End them, wherever they are in their work. They have nothing to lose."""
        self._running.close()


def _together(shares: Sequence[FoldedRange]) -> FoldedRange:
    """The shares of one range."""
    names = {name for share in shares for name in share.rows}
    return FoldedRange(
        shares[0].first,
        shares[0].last,
        {name: joined([share.rows[name] for share in shares if name in share.rows]) for name in names},
        sum(share.events for share in shares),
        sum(share.failed for share in shares),
    )
