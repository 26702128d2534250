"""The Faust runner: a consumer group per pipeline shares the log's shards out among the processes that run it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import faust

from domain.log.ports import Clock
from domain.log.position import Position
from streams.faust.membership import Membership
from streams.faust.shard import AssignedShard, Verdicts
from streams.kafka.location import KafkaLocation
from streams.processing.dead_letters import DeadLetters
from streams.processing.embedded import PipelineStatus
from streams.processing.pipeline import Pipeline


class FaustRunner:
    """One pipeline on one Faust application. Start once, stop once, on the loop that runs it.

    A record is acknowledged to Faust, and so committed, only when the effects of its events are durable in the
    pipeline's sink. What a processor raises parks the event; what a sink or the log raises is tried again; anything
    else ends the runner (``failed``) with its records unacknowledged.
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
        """``taking_over`` is awaited before shards are begun: what their former owners parked must be known by then."""
        self.pipeline = pipeline
        self._log = log
        self._dead_letters = dead_letters
        self._clock = clock
        self._member: Membership[AssignedShard] = Membership(
            app, location.topic("log"), pipeline.name, self._begin, taking_over=taking_over
        )

    @property
    def failed(self) -> asyncio.Future[None]:
        """Raises what ended the runner before it was stopped."""
        return self._member.failed

    @property
    def acknowledged(self) -> int:
        """Records whose effects are durable, since the start; those that came twice count twice."""
        return self._member.acknowledged

    async def start(self) -> None:
        """Join the group; which shards come here is up to it. Raises ``LogUnavailable``."""
        await self._member.start()

    async def stop(self) -> None:
        """Finish the batches in hand, commit, leave the group."""
        await self._member.stop()

    async def retry(self, processor: str, originator_id: str, shard: int) -> int | None:
        """See ``EmbeddedRunner.retry``; ``None`` where the shard or the processor is not here."""
        here = self._member.parts.get(shard)
        if here is None or processor not in {hosted.name for hosted in self.pipeline.processors}:
            return None
        return await here.retry(processor, originator_id)

    async def reached(self, position: Position) -> None:
        """Wait until the effects of everything up to ``position`` are durable; its shard must be worked on here.

        Bound it with ``asyncio.timeout``. Raises ``KeyError`` for a shard that is not here, ``CancelledError`` where it
        is given up meanwhile.
        """
        await self._member.parts[position.shard].reached(position)

    def status(self) -> Mapping[int, PipelineStatus]:
        """By shard that is worked on here."""
        found = {number: shard.status() for number, shard in self._member.parts.items()}
        return {number: status for number, status in found.items() if status is not None}

    def _begin(self, number: int) -> AssignedShard:
        return AssignedShard(
            self.pipeline,
            self._log,
            self._dead_letters,
            number,
            clock=self._clock,
            ready=self._member.taken_over,
            failed=self._member.fail,
        )
