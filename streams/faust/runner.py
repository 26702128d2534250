"""The Faust runner: a consumer group per pipeline shares the log's shards out among the processes that run it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import faust

from domain.log.ports import Clock, LogUnavailable
from domain.log.position import Position
from streams.faust.shard import AssignedShard, Verdicts
from streams.kafka.location import KafkaLocation
from streams.processing.dead_letters import DeadLetters
from streams.processing.embedded import PipelineStatus
from streams.processing.pipeline import Pipeline

logger = logging.getLogger(__name__)

START_SECONDS = 60.0
"""How long brokers may take to let a process into its group."""


@dataclass(frozen=True, slots=True)
class _Record:
    event: Any
    runner: FaustRunner

    @property
    def offset(self) -> int:
        return int(self.event.message.offset)

    def acknowledge(self) -> None:
        self.event.ack()
        self.runner.acknowledged += 1


class FaustRunner:
    """One pipeline on one Faust application. Start once, stop once, on the loop that runs it.

    A record is acknowledged to Faust, and so committed, only when the effects of its events are durable in the
    pipeline's sink. Faust passes over an event whose agent raised; here the agent hands records on and never does. What
    a processor raises parks the event; what a sink or the log raises is tried again; anything else ends the runner
    (``failed``) with its records unacknowledged.
    """

    def __init__(
        self,
        app: faust.App,
        location: KafkaLocation,
        pipeline: Pipeline,
        log: Verdicts,
        dead_letters: DeadLetters,
        *,
        clock: Clock,
        taking_over: Callable[[], Awaitable[None]],
    ) -> None:
        """``taking_over`` is awaited before a shard is begun: what its former owner parked must be known by then."""
        self.pipeline = pipeline
        self._app = app
        self._log = log
        self._dead_letters = dead_letters
        self._clock = clock
        self._taking_over = taking_over
        self._shards: dict[int, AssignedShard] = {}
        self._topic = location.topic("log")
        self._joined = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self.acknowledged = 0
        """Records whose effects are durable, since the start; those that came twice count twice."""
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Raises what ended the runner before it was stopped."""
        topic = app.topic(self._topic, value_type=bytes, key_serializer="raw", value_serializer="raw")
        app.agent(topic, name=f"{pipeline.name}-records", concurrency=1)(self._deliver)
        app.on_partitions_assigned.connect(self._assigned, weak=False)
        app.on_partitions_revoked.connect(self._revoked, weak=False)

    async def start(self) -> None:
        """Join the group; which shards come here is up to it. Raises ``LogUnavailable``."""
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._app.start()
                self._watching = asyncio.create_task(self._watch(), name=f"faust-{self.pipeline.name}")
                await self._joined.wait()
        except TimeoutError:
            raise LogUnavailable(
                f"Kafka did not let this process into group {self._app.conf.id} within {START_SECONDS:g} s"
            ) from None

    async def stop(self) -> None:
        """Finish the batches in hand, commit, leave the group."""
        if self._watching is not None:
            self._watching.cancel()
        await self._end_shards(set(self._shards))
        await self._app.stop()
        self.failed.cancel()

    async def retry(self, processor: str, originator_id: str, shard: int) -> int | None:
        """See ``EmbeddedRunner.retry``; ``None`` where the shard or the processor is not here."""
        here = self._shards.get(shard)
        if here is None or processor not in {hosted.name for hosted in self.pipeline.processors}:
            return None
        return await here.retry(processor, originator_id)

    async def reached(self, position: Position) -> None:
        """Wait until the effects of everything up to ``position`` are durable; its shard must be worked on here.

        Bound it with ``asyncio.timeout``. Raises ``KeyError`` for a shard that is not here, ``CancelledError`` where it
        is given up meanwhile.
        """
        await self._shards[position.shard].reached(position)

    def status(self) -> Mapping[int, PipelineStatus]:
        """By shard that is worked on here."""
        found = {number: shard.status() for number, shard in self._shards.items()}
        return {number: status for number, status in found.items() if status is not None}

    async def _deliver(self, stream: Any) -> None:
        async for event in stream.noack().events():
            shard = self._shards.get(event.message.partition)
            # A record of a shard that was just given up comes again to whoever has it now.
            if shard is not None:
                shard.deliver(_Record(event, self))

    async def _assigned(self, *sent: Any, **_: Any) -> None:
        await self._end_shards(set(self._shards))
        for number in sorted(place.partition for place in sent[1] if place.topic == self._topic):
            shard = AssignedShard(
                self.pipeline,
                self._log,
                self._dead_letters,
                number,
                clock=self._clock,
                ready=self._ready,
                failed=self._fail,
            )
            self._shards[number] = shard
            shard.start()
        self._joined.set()
        logger.info("faust.assigned", extra={"pipeline": self.pipeline.name, "shards": sorted(self._shards)})

    async def _revoked(self, *sent: Any, **_: Any) -> None:
        await self._end_shards({place.partition for place in sent[1] if place.topic == self._topic})

    async def _end_shards(self, numbers: set[int]) -> None:
        ending = [self._shards.pop(number) for number in numbers if number in self._shards]
        await asyncio.gather(*(shard.stop() for shard in ending))

    async def _ready(self) -> None:
        await self._app.tables.wait_until_recovery_completed()
        await self._taking_over()

    async def _watch(self) -> None:
        """Faust ends by itself where it cannot go on: nobody would notice that nothing is delivered any more."""
        await self._app.wait_until_stopped()
        if self._app.crashed:
            self._fail(self._app.crash_reason or RuntimeError("Faust crashed and does not say why"))

    def _fail(self, failure: BaseException) -> None:
        if not self.failed.done():
            self.failed.set_exception(failure)
