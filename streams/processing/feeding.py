"""The embedded runner of fragments: a thread that follows every partition of their log, a bounded batch at a time, so
that a slow sink makes it read later and hold no more."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future

import msgspec

from domain.fragments import FragmentFeed
from domain.log.ports import Clock, LogUnavailable
from domain.processing import RunnerStopped, SinkUnavailable
from streams.processing.dead_letters import DeadLetters
from streams.processing.fragments import FragmentCarrier, FragmentPipeline, waiting_seconds
from streams.processing.pipeline import BACK_OFF_SECONDS

logger = logging.getLogger(__name__)


class FeedStatus(msgspec.Struct, frozen=True):
    """``behind`` are batches on the log that the sink has not got, and ``seconds`` the age of the oldest of them, both
    by partition; ``failure`` is why it stopped."""

    batches: int
    behind: Mapping[int, int]
    seconds: Mapping[int, float]
    failure: str | None = None


class FragmentFollower:
    """Start once, stop once."""

    def __init__(
        self, feed: FragmentFeed, pipeline: FragmentPipeline, dead_letters: DeadLetters, *, clock: Clock
    ) -> None:
        self.pipeline = pipeline
        self.dead_letters = dead_letters
        self._carrier = FragmentCarrier(pipeline, feed, dead_letters)
        self._feed = feed
        self._clock = clock
        self._positions: dict[int, int] = {}
        self._carried = 0
        self._failure: BaseException | None = None
        self._over = False
        self._retries: deque[tuple[str, str, Future[int]]] = deque()
        self._stopping = threading.Event()
        self._wanted = threading.Event()
        """Something is to be done before the pause is over."""
        self._moved = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"fragments-{pipeline.name}", daemon=True)

    def start(self) -> None:
        """Begin where the sink stands."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is in hand. Safe to call twice. Raises what ended the thread before it was asked to."""
        self._stopping.set()
        self._wanted.set()
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

    @property
    def failure(self) -> BaseException | None:
        """What ended it, if something did."""
        return self._failure

    async def retry(self, processor: str, call_id: str) -> int:
        """See ``FragmentCarrier.retry``. Raises ``RunnerStopped`` where the follower has ended."""
        done: Future[int] = Future()
        with self._moved:
            if self._over:
                raise RunnerStopped(f"{self.pipeline.name} was stopped")
            self._retries.append((processor, call_id, done))
        self._wanted.set()
        return await asyncio.wrap_future(done)

    def status(self) -> FeedStatus:
        """A snapshot. Raises ``LogUnavailable``."""
        behind, seconds = {}, {}
        for partition in self._feed.partitions:
            position = self._positions.get(partition, 0)
            behind[partition] = max(self._feed.end(partition) - position, 0)
            seconds[partition] = waiting_seconds(self._feed, partition, position, self._clock())
        return FeedStatus(self._carried, behind, seconds, None if self._failure is None else str(self._failure))

    def _run(self) -> None:
        failures = 0
        try:
            while not self._stopping.is_set():
                try:
                    self._retry_asked()
                    carried = sum([self._carry(partition) for partition in self._feed.partitions])
                except (LogUnavailable, SinkUnavailable) as error:
                    logger.warning(
                        "fragments.waiting",
                        extra={"pipeline": self.pipeline.name, "attempt": failures + 1, "error": str(error)},
                    )
                    self._stopping.wait(BACK_OFF_SECONDS[min(failures, len(BACK_OFF_SECONDS) - 1)])
                    failures += 1
                    continue
                failures = 0
                if not carried and not self._retries:
                    self._wanted.wait(self.pipeline.pause_seconds)
                    self._wanted.clear()
        except BaseException as error:
            # Kept for whoever stops it.
            self._failure = error
            logger.exception("fragments.failed", extra={"pipeline": self.pipeline.name})
        finally:
            with self._moved:
                self._over = True
                self._moved.notify_all()
            for _, _, done in self._retries:
                if done.set_running_or_notify_cancel():
                    done.set_exception(RunnerStopped(f"{self.pipeline.name} was stopped"))

    def _carry(self, partition: int) -> int:
        if partition not in self._positions:
            self._move(partition, self._carrier.position(partition))
        batches = self._feed.after(partition, self._positions[partition], self.pipeline.batches)
        if batches:
            self._carrier.carry(partition, batches)
            self._carried += len(batches)
            self._move(partition, batches[-1].number)
        return len(batches)

    def _retry_asked(self) -> None:
        while self._retries:
            processor, call_id, done = self._retries.popleft()
            if not done.set_running_or_notify_cancel():
                # Whoever asked has gone.
                continue
            try:
                done.set_result(self._carrier.retry(processor, call_id))
            except Exception as error:
                # Whoever asked is to know; what is wrong with the log or the sink is met again by what comes next.
                done.set_exception(error)

    def _move(self, partition: int, number: int) -> None:
        with self._moved:
            self._positions[partition] = number
            self._moved.notify_all()
