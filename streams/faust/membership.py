"""One process's place in a consumer group: what Faust assigns to it begins, gets its records, and ends."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import faust

from domain.log.ports import LogUnavailable
from streams.processing.pipeline import BACK_OFF_SECONDS

logger = logging.getLogger(__name__)

MOST_WAITING = 10_000
"""Records of a partition that may wait for their effects to be durable. With so many nothing more is taken from Faust,
whose own buffer then fills, until half of them are done: a sink that is away costs time and not memory.

Partitions are not paused: Faust drops what it has fetched of one by then, and commits nothing behind the gap."""

START_SECONDS = 60.0
"""How long brokers may take to let a process into its group."""


class Delivered(Protocol):
    """A record on its way through Faust. Acknowledged, its offset may be committed once all before it are too."""

    @property
    def offset(self) -> int: ...

    @property
    def value(self) -> bytes: ...

    def acknowledge(self) -> None: ...


class Assigned(Protocol):
    """Work on one partition while it is assigned to this process. Start once, stop once, on Faust's loop."""

    def start(self) -> None: ...

    def deliver(self, record: Delivered) -> None:
        """Records in the order of their offsets; one may come twice."""

    async def stop(self) -> None:
        """Finish what is in hand; what was not finished is not acknowledged."""


A = TypeVar("A", bound=Assigned)


@dataclass(frozen=True, slots=True)
class _Record:
    event: Any
    acknowledged: Callable[[int], None]

    @property
    def offset(self) -> int:
        return int(self.event.message.offset)

    @property
    def value(self) -> bytes:
        return self.event.value or b""

    def acknowledge(self) -> None:
        self.event.ack()
        self.acknowledged(int(self.event.message.partition))


class Membership(Generic[A]):
    """Start once, stop once, on the loop that runs it.

    Faust passes over an event whose agent raised; here the agent hands records on and never does. What fails for good
    ends the membership (``failed``) with its records unacknowledged, so that nothing can be passed over.
    """

    def __init__(
        self,
        app: faust.App,
        topic: str,
        name: str,
        begin: Callable[[int], A],
        *,
        taking_over: Callable[[], Awaitable[None]],
    ) -> None:
        """``begin`` makes the work on a partition, which is started and stopped here. ``taking_over`` is awaited once
        for all partitions that are assigned together, again and again while it raises ``LogUnavailable``."""
        self._app = app
        self._topic = topic
        self._name = name
        self._begin = begin
        self._taking_over = taking_over
        self._taken: asyncio.Task[None] | None = None
        self._recovered = asyncio.Event()
        """The tables hold what their changelogs did when the partitions came. Faust's own event for this is set once
        and stays so: behind a later assignment it would let work begin on half a table."""
        self._joined = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._waiting: Counter[int] = Counter()
        self._room = asyncio.Event()
        self.parts: dict[int, A] = {}
        """What is worked on here, by partition."""
        self.acknowledged = 0
        """Records whose effects are durable, since the start; those that came twice count twice."""
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Raises what ended the membership before it was stopped."""
        records = app.topic(topic, value_type=bytes, key_serializer="raw", value_serializer="raw")
        app.agent(records, name=f"{name}-records", concurrency=1)(self._deliver)
        app.on_partitions_assigned.connect(self._assigned, weak=False)
        app.on_partitions_revoked.connect(self._revoked, weak=False)
        app.on_rebalance_complete.connect(self._rebalanced, weak=False)

    async def start(self) -> None:
        """Join the group; which partitions come here is up to it. Raises ``LogUnavailable``."""
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._app.start()
                self._watching = asyncio.create_task(self._watch(), name=f"faust-{self._name}")
                await self._joined.wait()
        except TimeoutError:
            raise LogUnavailable(
                f"Kafka did not let this process into group {self._app.conf.id} within {START_SECONDS:g} s"
            ) from None

    async def stop(self) -> None:
        """Finish what is in hand, commit, leave the group."""
        if self._watching is not None:
            self._watching.cancel()
        await self._end(set(self.parts))
        if self._taken is not None:
            self._taken.cancel()
        await self._app.stop()
        self.failed.cancel()

    async def taken_over(self) -> None:
        """Wait until the tables of the app, and what was parked, are what the former owners left."""
        assert self._taken is not None, "made when partitions are assigned"
        await asyncio.shield(self._taken)

    def fail(self, failure: BaseException) -> None:
        """End with this reason; the first one counts."""
        if not self.failed.done():
            self.failed.set_exception(failure)

    async def _deliver(self, stream: Any) -> None:
        async for event in stream.noack().events():
            number = int(event.message.partition)
            part = self.parts.get(number)
            # A record of a partition that was just given up comes again to whoever has it now.
            if part is not None:
                part.deliver(_Record(event, self._done))
                self._waiting[number] += 1
                await self._room_for(number)

    async def _room_for(self, number: int) -> None:
        """Wait while too many records of a partition are not done."""
        if self._waiting[number] < MOST_WAITING:
            return
        logger.warning("faust.full", extra={"pipeline": self._name, "partition": number})
        while self._waiting[number] > MOST_WAITING // 2:
            self._room.clear()
            await self._room.wait()

    def _done(self, number: int) -> None:
        self.acknowledged += 1
        self._waiting[number] -= 1
        if self._waiting[number] <= MOST_WAITING // 2:
            self._room.set()

    async def _assigned(self, *sent: Any, **_: Any) -> None:
        await self._end(set(self.parts))
        if self._taken is not None:
            self._taken.cancel()
        self._taken = asyncio.create_task(self._take_over(), name=f"taking-over-{self._name}")
        for number in sorted(place.partition for place in sent[1] if place.topic == self._topic):
            self.parts[number] = part = self._begin(number)
            part.start()
        self._joined.set()
        logger.info("faust.assigned", extra={"pipeline": self._name, "partitions": sorted(self.parts)})

    async def _take_over(self) -> None:
        await self._recovered.wait()
        failures = 0
        while True:
            try:
                await self._taking_over()
                return
            except LogUnavailable as error:
                logger.warning("faust.waiting", extra={"pipeline": self._name, "error": str(error)})
            await asyncio.sleep(BACK_OFF_SECONDS[min(failures, len(BACK_OFF_SECONDS) - 1)])
            failures += 1

    async def _rebalanced(self, *_sent: Any, **_: Any) -> None:
        self._recovered.set()

    async def _revoked(self, *sent: Any, **_: Any) -> None:
        # Sent before each assignment, the first one too.
        self._recovered.clear()
        await self._end({place.partition for place in sent[1] if place.topic == self._topic})

    async def _end(self, numbers: set[int]) -> None:
        ending = [self.parts.pop(number) for number in numbers if number in self.parts]
        await asyncio.gather(*(part.stop() for part in ending))
        for number in numbers:
            # What was not acknowledged by now never will be.
            self._waiting.pop(number, None)
        self._room.set()

    async def _watch(self) -> None:
        """Faust ends by itself where it cannot go on: nobody would notice that nothing is delivered any more."""
        await self._app.wait_until_stopped()
        if self._app.crashed:
            self.fail(self._app.crash_reason or RuntimeError("Faust crashed and does not say why"))
