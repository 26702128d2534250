"""Dispatchers in virtual time: over a log in memory, to receivers that are functions."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from domain.aggregate import Aggregate
from domain.event import Event, Recorded
from domain.log.ports import Appended, Positioned, Step
from domain.log.position import Position
from domain.processing import Rows
from domain.server_messages.server import Server
from domain.webhook.aggregate import ENDPOINT
from domain.webhook.events import DeliveryAttempted
from domain.webhook.origin import origin_of
from domain.webhook.signature import endpoint_id, message_id
from domain.webhook.state import Endpoint
from streams.webhooks.claims import Claims
from streams.webhooks.dispatcher import Dispatcher, Limits
from streams.webhooks.due import Due, DueMessages
from streams.webhooks.file import OutboxFile
from streams.webhooks.outcomes import DeliveryOutcomes
from streams.webhooks.recorder import Recorder
from streams.webhooks.rows import MESSAGES, Message
from streams.webhooks.sender import Sent
from streams.webhooks.store import DeliveryStore

BEGAN = datetime(2026, 11, 21, 12, tzinfo=UTC)
Answer = Callable[["Arrival"], Awaitable[Sent]]


@dataclass(frozen=True)
class Arrival:
    """A request as it arrives; ``at_s`` counts from the beginning."""

    id: str
    url: str
    about: str
    sequence: int
    attempt: int
    at_s: float
    by: str


@dataclass
class Liveness:
    """Of one dispatcher; ``dead`` names those that are, ``shared`` those that all know to deliver."""

    owner: str
    dead: set[str]
    shared: list[frozenset[str]]

    def alive(self, owner: str) -> bool:
        return owner not in self.dead

    def current(self) -> bool:
        return self.owner not in self.dead

    def deliverers(self) -> frozenset[str]:
        (known,) = self.shared
        return known or frozenset((self.owner,))

    def resigned(self, owner: str) -> bool:
        return False


@dataclass
class _Sending:
    world: World
    owner: str

    async def send(self, due: Due, attempt: int) -> Sent:
        world, delivery = self.world, due.delivery
        arrival = Arrival(
            delivery.id, due.server.url, delivery.about, delivery.sequence, attempt, world.seconds, self.owner
        )
        world.arrivals.append(arrival)
        sent = await world.answer(arrival)
        world.ended.append((arrival, sent))
        return sent


async def taken(arrival: Arrival) -> Sent:
    return Sent(status=200)


class World:
    """One installation: what is on its log about deliveries, and the outbox that every dispatcher of it has."""

    def __init__(self, folder: Path, answer: Answer = taken) -> None:
        self.answer = answer
        self.arrivals: list[Arrival] = []
        self.ended: list[tuple[Arrival, Sent]] = []
        self.events: list[Recorded] = []
        self.dead: set[str] = set()
        self._shared: list[frozenset[str]] = [frozenset()]
        self._states: dict[str, Any] = {}
        self._numbers = count(1)
        self._folder = folder
        self._stores: dict[str, tuple[OutboxFile, DeliveryStore]] = {}
        self._written: list[tuple[Rows, ...]] = []
        self._moved = asyncio.Event()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self.seconds)

    def tell(
        self,
        url: str,
        about: str = "call",
        *,
        org_id: str = "org",
        patience: str = "durable",
        number: int = 0,
        ahead_s: float = 0.0,
    ) -> str:
        """A message for a server, as an event that just happened would make one where the clock is ``ahead_s`` of
        ours; its id."""
        origin = origin_of(url)
        endpoint = endpoint_id(org_id, origin)
        id = message_id(endpoint, f"{about}.{number or next(self._numbers)}")
        message = Message(
            id=id,
            org_id=org_id,
            endpoint_id=endpoint,
            origin=origin,
            about=about,
            type="status-update",
            patience=patience,  # type: ignore[arg-type]  # one of the two, as every caller gives it
            event_id="event",
            happened_ms=round((self.now().timestamp() + ahead_s) * 1000),
            body=b'{"message":{}}',
            server=Server(url=url),
        )
        self._write((Rows(MESSAGES, ((message,),)),))
        return id

    @contextlib.asynccontextmanager
    async def dispatching(self, owner: str = "one", limits: Limits | None = None) -> AsyncIterator[Dispatcher]:
        """A dispatcher at work. One that leaves is known to be gone."""
        self.dead.discard(owner)
        file, store = self._store(owner)
        recorder = Recorder(self, lambda: f"commit-{next(self._numbers)}")
        dispatcher = Dispatcher(
            DueMessages(file),
            _Sending(self, owner),
            recorder,
            Claims(self, Liveness(owner, self.dead, self._shared)),
            clock=self.now,
            jitter=random.Random(owner).random,
            limits=limits,
        )
        store.changed = dispatcher.changed
        tasks = [asyncio.create_task(dispatcher.run()), asyncio.create_task(recorder.run())]
        try:
            yield dispatcher
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            store.changed = lambda endpoints, settled: None
            self.dead.add(owner)

    def share_among(self, *owners: str) -> None:
        """All dispatchers know that these deliver; before, each knows of itself alone."""
        self._shared[0] = frozenset(owners)

    def owner_of(self, url: str, org_id: str = "org") -> str:
        """Who serves the endpoint of an address, by the log."""
        endpoint: Endpoint = self._states[endpoint_id(org_id, origin_of(url))]
        return endpoint.owner

    def state(self, message: str) -> str:
        """Of a message, as the outbox has it."""
        found = DueMessages(next(iter(self._stores.values()))[0]).load([message])
        return found[message].delivery.state

    def attempts(self, message: str) -> list[DeliveryAttempted]:
        """As they are on the log."""
        events = (recorded.event for recorded in self.events)
        return [event for event in events if isinstance(event, DeliveryAttempted) and event.message_id == message]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Look again whenever the outbox has changed."""
        while not holds():
            self._moved.clear()
            await self._moved.wait()

    def close(self) -> None:
        for file, _ in self._stores.values():
            file.close()

    # Commands

    async def execute(
        self, aggregate: Aggregate[Any, Any], originator_id: str, command: Any, *, commit_id: str | None = None
    ) -> tuple[Any, Appended]:
        (state,), appended = await self.execute_together((Step(aggregate, originator_id, command),))
        return state, appended

    async def execute_together(
        self, steps: Sequence[Step], *, commit_id: str | None = None
    ) -> tuple[tuple[Any, ...], Appended]:
        await asyncio.sleep(0.002)  # in virtual time: a commit
        made: list[Recorded] = []
        for step in steps:
            decided = ENDPOINT.decide(self._states.get(step.originator_id), step.command)
            made += [self._recorded(step.originator_id, event) for event in decided]
        rows: list[Rows] = []
        for recorded in made:
            self.events.append(recorded)
            positioned = Positioned(Position(0, len(self.events)), recorded)
            if recorded.event.TYPE in DeliveryOutcomes().handles:
                rows += DeliveryOutcomes().apply(None, positioned)[1]
        self._write(tuple(rows))
        states = tuple(self._states.get(step.originator_id) for step in steps)
        return states, Appended(Position(0, len(self.events)), tuple(made))

    async def record(self, *_: Any, **__: Any) -> Appended:
        raise NotImplementedError("nothing here records without a decision")

    def _recorded(self, originator_id: str, event: Event) -> Recorded:
        state = self._states.get(originator_id)
        version = 1 if state is None else state.version + 1
        recorded = Recorded(originator_id, version, f"event-{len(self.events)}.{version}", self.now(), event)
        self._states[originator_id] = ENDPOINT.evolve(state, recorded)
        return recorded

    # The outbox, of which every dispatcher has one

    def _write(self, rows: tuple[Rows, ...]) -> None:
        self._written.append(rows)
        for _, store in self._stores.values():
            self._fold(store, len(self._written), rows)
        self._moved.set()

    def _fold(self, store: DeliveryStore, ordinal: int, rows: tuple[Rows, ...]) -> None:
        store.write(Position(0, ordinal), Position(0, ordinal), rows)

    def _store(self, owner: str) -> tuple[OutboxFile, DeliveryStore]:
        if owner not in self._stores:
            file = OutboxFile(self._folder / f"{owner}.db")
            store = DeliveryStore(file, clock=self.now, begins_after=lambda shard: Position(shard, 0))
            for ordinal, rows in enumerate(self._written, 1):
                self._fold(store, ordinal, rows)
            self._stores[owner] = file, store
        return self._stores[owner]


@dataclass
class InOrder:
    """Holds first arrivals of each call at each endpoint to their order."""

    last: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    seen: set[str] = field(default_factory=set)

    def check(self, arrivals: Sequence[Arrival]) -> None:
        for one in arrivals:
            if one.id not in self.seen:
                self.seen.add(one.id)
                lane = (one.url, one.about)
                assert one.sequence == self.last[lane] + 1
                self.last[lane] = one.sequence
