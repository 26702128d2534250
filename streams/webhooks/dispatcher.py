"""Emptying the outbox: what is due is sent, in order for each call, fairly between organisations.

Whatever is in hand here can be lost: the outbox says again what is due, and a message that was sent but not recorded
goes out again under the same id.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, cast

from domain.log.ports import Clock
from domain.server_messages.selection import Patience
from domain.webhook.events import DeliveryAttempted, MessageExpired, ReplayKind
from domain.webhook.origin import without_query
from domain.webhook.schedule import is_stale, next_attempt
from streams.webhooks.breaker import Breaker
from streams.webhooks.recorder import Recorder
from streams.webhooks.sender import Sender
from streams.webhooks.store import DeliveryStore, Due

logger = logging.getLogger(__name__)

IDLE_SECONDS: Final = 60.0
MOST_UNSETTLED: Final = 2_000
"""Messages of one endpoint that were sent and whose outcome has not come back through the log: then the log is slow,
and sending on would only make more duplicates after a crash."""


@dataclass(frozen=True)
class Limits:
    """Requests in flight at once."""

    per_endpoint: int = 20
    per_organization: int = 100


@dataclass
class _Queue:
    """What this process has in hand of one endpoint."""

    org_id: str
    endpoint: str
    due_ms: float = 0.0
    in_flight: int = 0
    unsettled: set[str] = field(default_factory=set)
    lanes: set[str] = field(default_factory=set)
    """Calls whose next message must wait, since a first attempt is under way."""
    breaker: Breaker = field(default_factory=Breaker)


class Dispatcher:
    """Runs on one loop; ``changed`` may be called from any thread. ``reached`` is told named points, for tests that
    kill the process there."""

    def __init__(
        self,
        store: DeliveryStore,
        sender: Sender,
        recorder: Recorder,
        *,
        clock: Clock,
        jitter: Callable[[], float],
        limits: Limits | None = None,
        reached: Callable[[str], None] = lambda point: None,
    ) -> None:
        self._store = store
        self._sender = sender
        self._recorder = recorder
        self._clock = clock
        self._jitter = jitter
        self._limits = limits or Limits()
        self._reached = reached
        self._queues: dict[str, _Queue] = {}
        self._turns: OrderedDict[str, OrderedDict[str, _Queue]] = OrderedDict()
        self._in_flight: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._awake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.attempts = 0
        self.failures = 0

    def changed(self, endpoints: Iterable[tuple[str, str]], settled: Iterable[str]) -> None:
        """The outbox was written. See ``DeliveryStore.changed``."""
        try:
            self._loop.call_soon_threadsafe(self._note, tuple(endpoints), tuple(settled))
        except RuntimeError:
            # The loop has ended before the thread that folds the log: nothing is sent any more.
            logger.debug("webhooks.note_after_end")

    async def run(self) -> None:
        """For ever. When it is cancelled, what is in flight is given up and will be sent again."""
        for org_id, endpoint in self._store.waiting():
            self._queue(org_id, endpoint)
        try:
            while True:
                self._awake.clear()
                wait_s = self._pump()
                try:
                    async with asyncio.timeout(wait_s):
                        await self._awake.wait()
                except TimeoutError:
                    continue
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _note(self, endpoints: Iterable[tuple[str, str]], settled: Iterable[str]) -> None:
        for org_id, endpoint in endpoints:
            self._queue(org_id, endpoint).due_ms = 0.0
        gone = set(settled)
        if gone:
            for queue in self._queues.values():
                if queue.unsettled and not queue.unsettled.isdisjoint(gone):
                    queue.unsettled -= gone
        self._awake.set()

    def _queue(self, org_id: str, endpoint: str) -> _Queue:
        queue = self._queues.get(endpoint)
        if queue is None:
            queue = self._queues[endpoint] = _Queue(org_id, endpoint)
            self._turns.setdefault(org_id, OrderedDict())[endpoint] = queue
        return queue

    def _pump(self) -> float:
        """Start what can be started, each organisation in turn; for how long there is nothing more to do (s)."""
        now_ms = self._clock().timestamp() * 1000
        next_ms = now_ms + IDLE_SECONDS * 1000
        for org_id in tuple(self._turns):
            self._turns.move_to_end(org_id)
            queues = self._turns[org_id]
            for endpoint in tuple(queues):
                queues.move_to_end(endpoint)
                queue = queues[endpoint]
                if queue.due_ms <= now_ms:
                    self._start_due(queue, now_ms)
                if queue.due_ms > now_ms:
                    next_ms = min(next_ms, queue.due_ms)
        return max((next_ms - now_ms) / 1000, 0.001)

    def _start_due(self, queue: _Queue, now_ms: float) -> None:
        free = min(
            self._limits.per_endpoint - queue.in_flight,
            self._limits.per_organization - self._in_flight.get(queue.org_id, 0),
            MOST_UNSETTLED - len(queue.unsettled),
        )
        if free <= 0:
            # Whoever ends next looks again.
            return
        open_at = queue.breaker.open_until_ms
        if open_at > now_ms:
            queue.due_ms = open_at
            return
        if queue.breaker.probing:
            free = 1 - queue.in_flight
        if self._store.is_disabled(queue.endpoint):
            queue.due_ms = float("inf")
            return
        limit = 4 * self._limits.per_endpoint + len(queue.unsettled)
        rows = self._store.due(queue.endpoint, limit)
        held = False
        for id, about, due_ms, tried in rows:
            if id in queue.unsettled:
                continue
            if due_ms > now_ms:
                queue.due_ms = due_ms
                return
            if about in queue.lanes:
                held = True
                continue
            if free <= 0:
                return
            free -= 1
            if tried == 0:
                queue.lanes.add(about)
            self._start(queue, id, about, first=tried == 0)
        if not held and len(rows) < limit:
            queue.due_ms = float("inf")

    def _start(self, queue: _Queue, id: str, about: str, *, first: bool) -> None:
        queue.unsettled.add(id)
        queue.in_flight += 1
        self._in_flight[queue.org_id] = self._in_flight.get(queue.org_id, 0) + 1
        task = asyncio.create_task(self._deliver(queue, id, about, first))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, queue: _Queue, id: str, about: str, first: bool) -> None:
        try:
            due = self._store.load(id)
            if due is not None:
                await self._attempt(queue, due)
        finally:
            queue.in_flight -= 1
            self._in_flight[queue.org_id] -= 1
            if first:
                queue.lanes.discard(about)
            queue.due_ms = min(queue.due_ms, 0.0)
            self._awake.set()

    async def _attempt(self, queue: _Queue, due: Due) -> None:
        delivery = due.delivery
        started = self._clock()
        happened = datetime.fromtimestamp(delivery.happened_ms / 1000, UTC)
        patience = cast(Patience, delivery.patience)
        if is_stale(patience, happened, started):
            expired = MessageExpired(
                message_id=delivery.id,
                message_type=delivery.type,
                about=delivery.about,
                event_id=delivery.event_id,
            )
            self._recorder.add(delivery.org_id, delivery.endpoint_id, delivery.origin, expired)
            return
        attempt = delivery.attempts + 1
        self._reached("before_send")
        began = time.monotonic()
        sent = await self._sender.send(due, attempt)
        total_ms = (time.monotonic() - began) * 1000
        self._reached("after_send")
        self.attempts += 1
        again = None
        if sent.failure:
            self.failures += 1
            queue.breaker.failed(self._clock().timestamp() * 1000)
            if not sent.aborted:
                again = next_attempt(
                    self._clock(),
                    attempts=attempt - delivery.base,
                    patience=patience,
                    failure=sent.failure,
                    status=sent.status,
                    backoff=due.server.backoff,
                    retry_after_seconds=sent.retry_after_seconds,
                    jitter=self._jitter(),
                )
        else:
            queue.breaker.succeeded()
        self._recorder.add(
            delivery.org_id,
            delivery.endpoint_id,
            delivery.origin,
            DeliveryAttempted(
                message_id=delivery.id,
                message_type=delivery.type,
                about=delivery.about,
                event_id=delivery.event_id,
                url=without_query(due.server.url),
                attempt=attempt,
                started_at=started,
                total_ms=round(total_ms, 3),
                body_sha256=sha256(due.body).hexdigest(),
                request_bytes=len(due.body),
                failure=sent.failure,
                status=sent.status,
                response_bytes=sent.response_bytes,
                detail=sent.detail,
                replay=cast(ReplayKind, delivery.replay),
                next_attempt_at=again,
            ),
        )
