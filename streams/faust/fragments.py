"""Fragments on Faust: a consumer group per pipeline shares the partitions of ``callfold.media`` out among processes."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

import faust

from domain.fragments import FragmentFeed, PlacedBatch
from domain.log.ports import Clock, LogUnavailable
from domain.processing import SinkUnavailable
from streams.faust.membership import Delivered, Membership
from streams.kafka.location import KafkaLocation
from streams.media_log.envelope import UnreadableBatch, read_batch
from streams.processing.dead_letters import DeadLetters
from streams.processing.feeding import FeedStatus
from streams.processing.fragments import FragmentCarrier, FragmentPipeline, waiting_seconds
from streams.processing.pipeline import BACK_OFF_SECONDS

logger = logging.getLogger(__name__)

R = TypeVar("R")


class AssignedFragments:
    """The pipeline over one partition while it is assigned to this process. Start once, stop once, on Faust's loop.

    Where to begin is asked of the sink. What Faust has passed over, as after a fault of the offsets' keeper, is fetched
    when the next record shows the gap; what the sink holds already is acknowledged and not carried again. ``ready`` is
    awaited before anything is carried; ``failed`` is told what ended it.
    """

    def __init__(
        self,
        carrier: FragmentCarrier,
        feed: FragmentFeed,
        partition: int,
        *,
        ready: Callable[[], Awaitable[None]],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._carrier = carrier
        self._feed = feed
        self._partition = partition
        self._ready = ready
        self._failed = failed
        self._waiting: deque[Delivered] = deque()
        self._came = asyncio.Event()
        self._moved = asyncio.Condition()
        self._carrying = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.position: int | None = None
        """Number of the last batch that the sink holds; ``None`` before it was asked."""
        self.batches = 0
        """Carried since the start."""

    def start(self) -> None:
        """Begin where the sink stands, whatever Faust begins with."""
        self._task = asyncio.create_task(self._run(), name=f"fragments-{self._partition}-{self._carrier.pipeline.name}")

    def deliver(self, record: Delivered) -> None:
        """Records in the order of their offsets. What comes twice is acknowledged twice and carried once."""
        self._waiting.append(record)
        self._came.set()

    async def stop(self) -> None:
        """Finish the write in hand; what was not finished is not acknowledged."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def reached(self, number: int) -> None:
        """Wait until the fragments up to a batch are in the sink. Bound it with ``asyncio.timeout``."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.position is not None and self.position >= number)

    async def retry(self, processor: str, call_id: str) -> int:
        """See ``FragmentCarrier.retry``. Raises ``LogUnavailable`` where the partition has not begun yet."""
        if self.position is None:
            raise LogUnavailable(f"partition {self._partition} is just being taken over; try again")
        async with self._carrying:
            return await _finished(asyncio.to_thread(self._carrier.retry, processor, call_id))

    async def _run(self) -> None:
        try:
            await self._ready()
            await self._move(await self._until_it_works(self._carrier.position, self._partition))
            while True:
                await self._came.wait()
                # More of them share a write.
                await asyncio.sleep(self._carrier.pipeline.pause_seconds)
                self._came.clear()
                while self._waiting:
                    most = min(len(self._waiting), self._carrier.pipeline.batches)
                    await self._take([self._waiting.popleft() for _ in range(most)])
        except asyncio.CancelledError:
            raise
        except BaseException as failure:
            logger.exception(
                "faust.partition_failed",
                extra={"partition": self._partition, "pipeline": self._carrier.pipeline.name},
            )
            self._failed(failure)

    async def _take(self, records: Sequence[Delivered]) -> None:
        new = [placed for record in records if (placed := _placed(record)) and placed.number > self._known]
        if new:
            await self._fetch_until(new[0].number)
            await self._carry(new)
        for record in records:
            record.acknowledge()

    async def _fetch_until(self, number: int) -> None:
        """Carry what stands between the sink and a record that was delivered: mostly nothing."""
        while self._known + 1 < number:
            limit = min(number - 1 - self._known, self._carrier.pipeline.batches)
            found = await self._until_it_works(self._feed.after, self._partition, self._known, limit)
            missed = [placed for placed in found if placed.number < number]
            if not missed:
                return
            await self._carry(missed)

    async def _carry(self, batches: Sequence[PlacedBatch]) -> None:
        await self._until_it_works(self._carrier.carry, self._partition, batches)
        self.batches += len(batches)
        await self._move(batches[-1].number)

    @property
    def _known(self) -> int:
        assert self.position is not None, "asked for before anything is taken"
        return self.position

    async def _move(self, number: int) -> None:
        async with self._moved:
            self.position = number
            self._moved.notify_all()

    async def _until_it_works(self, work: Callable[..., R], *arguments: object) -> R:
        """On a thread, again and again while the sink or the log is away."""
        failures = 0
        while True:
            try:
                async with self._carrying:
                    return await _finished(asyncio.to_thread(work, *arguments))
            except (SinkUnavailable, LogUnavailable) as error:
                logger.warning(
                    "faust.waiting",
                    extra={"partition": self._partition, "attempt": failures + 1, "error": str(error)},
                )
            await asyncio.sleep(BACK_OFF_SECONDS[min(failures, len(BACK_OFF_SECONDS) - 1)])
            failures += 1


class FaustFragments:
    """One pipeline of fragments on one Faust application. Start once, stop once, on the loop that runs it.

    A record is acknowledged, and so committed, only when the effects of its fragments are durable in the sink.
    """

    def __init__(
        self,
        app: faust.App,
        location: KafkaLocation,
        pipeline: FragmentPipeline,
        feed: FragmentFeed,
        dead_letters: DeadLetters,
        *,
        clock: Clock,
        taking_over: Callable[[], Awaitable[None]],
    ) -> None:
        """``feed`` holds what Faust delivers. ``taking_over``: see ``FaustRunner``."""
        self.pipeline = pipeline
        self._feed = feed
        self._carrier = FragmentCarrier(pipeline, feed, dead_letters)
        self._clock = clock
        self._member: Membership[AssignedFragments] = Membership(
            app, location.topic("media"), pipeline.name, self._begin, taking_over=taking_over
        )

    @property
    def failed(self) -> asyncio.Future[None]:
        """Raises what ended the runner before it was stopped."""
        return self._member.failed

    async def start(self) -> None:
        """Join the group; which partitions come here is up to it. Raises ``LogUnavailable``."""
        await self._member.start()

    async def stop(self) -> None:
        """Finish what is in hand, commit, leave the group."""
        await self._member.stop()

    async def retry(self, processor: str, call_id: str, partition: int) -> int | None:
        """See ``FragmentCarrier.retry``; ``None`` where the partition or the processor is not here."""
        here = self._member.parts.get(partition)
        if here is None or processor not in {hosted.name for hosted in self.pipeline.processors}:
            return None
        return await here.retry(processor, call_id)

    async def reached(self, partition: int, number: int) -> None:
        """Wait until the fragments up to a batch are in the sink; its partition must be worked on here."""
        await self._member.parts[partition].reached(number)

    def status(self) -> FeedStatus:
        """Of the partitions that are worked on here. Blocking. Raises ``LogUnavailable``."""
        positions = {number: part.position or 0 for number, part in self._member.parts.items()}
        now = self._clock()
        return FeedStatus(
            batches=sum(part.batches for part in self._member.parts.values()),
            behind={number: max(self._feed.end(number) - position, 0) for number, position in positions.items()},
            seconds={
                number: waiting_seconds(self._feed, number, position, now) for number, position in positions.items()
            },
        )

    def _begin(self, number: int) -> AssignedFragments:
        return AssignedFragments(
            self._carrier, self._feed, number, ready=self._member.taken_over, failed=self._member.fail
        )


async def _finished(work: Coroutine[Any, Any, R]) -> R:
    """Await work on a thread; who is cancelled meanwhile waits until it is over, for it goes on in any case."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _placed(record: Delivered) -> PlacedBatch | None:
    """As ``FragmentFeed`` places it: a batch's number is one more than its record's offset."""
    try:
        return PlacedBatch(record.offset + 1, read_batch(record.value))
    except UnreadableBatch as problem:
        logger.warning("media.record_skipped", extra={"offset": record.offset, "reason": str(problem)})
        return None
