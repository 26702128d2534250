"""Emptying the outbox: what is due is sent, in order for each call, fairly between organisations.

Whatever is in hand here can be lost: the outbox says again what is due, and a message that was sent but not recorded
goes out again under the same id.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from domain.aggregate import Conflicting
from domain.event import Event
from domain.log.ports import Clock, LogUnavailable
from streams.webhooks.attempts import attempted, too_late, tried_again_at
from streams.webhooks.claims import Claims
from streams.webhooks.due import Due, DueMessages, DueRow
from streams.webhooks.endpoint_queue import NEVER, EndpointQueue
from streams.webhooks.recorder import Recorder
from streams.webhooks.sender import Sent

logger = logging.getLogger(__name__)

MOST_UNSETTLED: Final = 2_000
"""Messages of one endpoint that were sent and whose outcome has not come back through the log: then the log is slow,
and sending on would only make more duplicates after a crash."""
WATCH_MS: Final = 1_000.0
"""How often it is looked whether the owner of an endpoint still lives, and a claim that failed is repeated."""
LEFT_MS: Final = 1.5 * WATCH_MS
"""How long an endpoint of nobody is left to whoever it falls to: longer than it takes to look."""
KEPT_MS: Final = 60_000.0
"""Before an endpoint is handed to one that was too slow to claim it."""
HAND_OVER_MS: Final = 50.0
"""How soon it is looked again whether nothing of an endpoint that is to be handed over is under way."""
CERTAIN_MS: Final = 100.0
"""How soon it is looked again whether this process is still heard."""


@dataclass(frozen=True)
class Limits:
    """Requests in flight at once. Near ``total`` each organisation may start fewer, so that there is always room for
    another one."""

    per_endpoint: int = 20
    per_organization: int = 100
    total: int = 500


class Sends(Protocol):
    """One attempt at a message."""

    async def send(self, due: Due, attempt: int) -> Sent:
        """What came of it. Raises nothing but ``CancelledError``."""


class Dispatcher:
    """Runs on one loop; ``changed`` may be called from any thread. ``reached`` is told named points, for tests that
    kill the process there."""

    def __init__(
        self,
        outbox: DueMessages,
        sender: Sends,
        recorder: Recorder,
        claims: Claims,
        *,
        clock: Clock,
        jitter: Callable[[], float],
        limits: Limits | None = None,
        reached: Callable[[str], None] = lambda point: None,
        first_after: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """``first_after`` gets the seconds from when a message could be sent to its first attempt."""
        self._outbox = outbox
        self._sender = sender
        self._recorder = recorder
        self._claims = claims
        self._clock = clock
        self._jitter = jitter
        self._limits = limits or Limits()
        self._reached = reached
        self._first_after = first_after
        self._queues: dict[str, EndpointQueue] = {}
        self._turns: OrderedDict[str, OrderedDict[str, EndpointQueue]] = OrderedDict()
        """Endpoints that may have something to start, by organisation; both in the order of their turns."""
        self._later: list[tuple[float, str]] = []
        self._full: dict[str, dict[str, EndpointQueue]] = {}
        """Endpoints that wait for their organisation's other requests to end."""
        self._of_organization: Counter[str] = Counter()
        self._unsettled: dict[str, EndpointQueue] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._free: list[asyncio.Future[tuple[EndpointQueue, DueRow]]] = []
        """Where tasks wait for another message: making a task for each would cost more than handing it over."""
        self._awake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.in_flight = 0
        self.outcomes: Counter[str] = Counter()
        """Attempts by how they ended: ``success`` or the kind of failure."""

    def changed(self, endpoints: Iterable[tuple[str, str]], settled: Iterable[str]) -> None:
        """The outbox was written. See ``DeliveryStore.changed``."""
        try:
            self._loop.call_soon_threadsafe(self._note, tuple(endpoints), tuple(settled))
        except RuntimeError:
            # The loop has ended before the thread that folds the log: nothing is sent any more.
            logger.debug("webhooks.note_after_end")

    async def run(self) -> None:
        """For ever. When it is cancelled, what is in flight is given up and will be sent again."""
        self._note(self._outbox.waiting(), ())
        try:
            while True:
                self._awake.clear()
                wait_s = self._pump()
                timer = None if wait_s is None else self._loop.call_later(wait_s, self._awake.set)
                await self._awake.wait()
                if timer is not None:
                    timer.cancel()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _note(self, endpoints: Iterable[tuple[str, str]], settled: Iterable[str]) -> None:
        for message_id in settled:
            queue = self._unsettled.pop(message_id, None)
            if queue is not None:
                queue.settled(message_id)
                if len(queue.unsettled) + 1 == MOST_UNSETTLED:
                    self._turn(queue)
        for org_id, endpoint in endpoints:
            queue = self._queues.get(endpoint)
            if queue is None:
                queue = self._queues[endpoint] = EndpointQueue(org_id, endpoint, self._outbox.due, self._outbox.load)
            queue.changed()
            known = self._outbox.endpoint(endpoint)
            if known.owner != queue.known.owner:
                queue.left_until_ms = 0.0
            queue.known = known
            self._turn(queue)
        self._awake.set()

    def _turn(self, queue: EndpointQueue) -> None:
        """It gets a turn: perhaps it can start something."""
        self._turns.setdefault(queue.org_id, OrderedDict())[queue.endpoint] = queue

    def _pump(self) -> float | None:
        """Start what can be started, one message of each organisation in turn; for how long there is nothing more to
        do (s), ``None`` until something happens."""
        now_ms = self._clock().timestamp() * 1000
        while self._later and self._later[0][0] <= now_ms:
            queue = self._queues[heapq.heappop(self._later)[1]]
            queue.look_again_ms = NEVER
            self._turn(queue)
        certain = bool(self._turns) and self._claims.is_certain()
        while self._turns and self.in_flight < self._limits.total:
            org_id, queues = self._turns.popitem(last=False)
            endpoint, queue = queues.popitem(last=False)
            if self._started_one(queue, now_ms, certain):
                queues[endpoint] = queue
            if queues:
                self._turns[org_id] = queues
        return max((self._later[0][0] - now_ms) / 1000, 0.001) if self._later else None

    def _started_one(self, queue: EndpointQueue, now_ms: float, certain: bool) -> bool:
        """Start the endpoint's next message. Where that is not possible now it is seen to that it gets another turn."""
        if not self._has_room(queue):
            return False
        if queue.known.disabled:
            return False
        found = queue.next(now_ms)
        if found is None:
            return self._wait(queue, queue.due_ms)
        if queue.breaker.open_until_ms > now_ms:
            return self._wait(queue, queue.breaker.open_until_ms)
        heir = self._claims.heir(queue.endpoint)
        if not self._claims.is_own(queue.known.owner):
            return self._await_claim(queue, found, heir, now_ms)
        if heir and now_ms >= queue.kept_until_ms:
            return self._hand_over(queue, found, heir, now_ms)
        if not certain:
            return self._wait(queue, now_ms + CERTAIN_MS)
        row = queue.start()
        self._unsettled[row.id] = queue
        self.in_flight += 1
        self._of_organization[queue.org_id] += 1
        if self._free:
            self._free.pop().set_result((queue, row))
        else:
            self._spawn(self._deliver_some(queue, row))
        return True

    def _await_claim(self, queue: EndpointQueue, row: DueRow, heir: str, now_ms: float) -> bool:
        """Claim an endpoint that nobody serves, or wait for whoever does, or is to."""
        if not self._claims.is_free(queue.known.owner):
            return self._wait(queue, now_ms + WATCH_MS)
        if heir and not queue.left_until_ms:
            queue.left_until_ms = now_ms + LEFT_MS
        if heir and now_ms < queue.left_until_ms:
            return self._wait(queue, queue.left_until_ms)
        queue.kept_until_ms = now_ms + KEPT_MS if heir else 0.0
        return self._begin_claim(queue, row, "")

    def _hand_over(self, queue: EndpointQueue, row: DueRow, heir: str, now_ms: float) -> bool:
        """Let whoever it falls to have the endpoint, once what was begun here is known to all."""
        if queue.in_flight or queue.unsettled:
            return self._wait(queue, now_ms + HAND_OVER_MS)
        return self._begin_claim(queue, row, heir)

    def _begin_claim(self, queue: EndpointQueue, row: DueRow, owner: str) -> bool:
        if not queue.claiming:
            queue.claiming = True
            self._spawn(self._claim(queue, row.id, owner))
        return False

    def _has_room(self, queue: EndpointQueue) -> bool:
        """Whether one more request may be made. Whoever ends next gives the turn back."""
        most = 1 if queue.breaker.probing else self._limits.per_endpoint
        if queue.in_flight >= most or len(queue.unsettled) >= MOST_UNSETTLED:
            return False
        share = max(1, (self._limits.total - self.in_flight) // 4)
        if self._of_organization[queue.org_id] >= min(self._limits.per_organization, share):
            self._full.setdefault(queue.org_id, {})[queue.endpoint] = queue
            return False
        return True

    def _wait(self, queue: EndpointQueue, until_ms: float) -> bool:
        if until_ms < queue.look_again_ms:
            queue.look_again_ms = until_ms
            heapq.heappush(self._later, (until_ms, queue.endpoint))
        return False

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _claim(self, queue: EndpointQueue, message_id: str, owner: str) -> None:
        due = self._outbox.load([message_id]).get(message_id)
        try:
            if due is not None:
                self._reached("before_claim")
                await self._claims.claim(
                    queue.org_id, queue.endpoint, due.delivery.origin, instead_of=queue.known.owner, owner=owner
                )
                self._reached("after_claim")
        except (LogUnavailable, Conflicting) as problem:
            logger.warning("webhooks.not_claimed", extra={"reason": str(problem)})
        finally:
            # If it was claimed, by whomever, the outbox says so and there is a turn before this one.
            queue.claiming = False
            self._wait(queue, self._clock().timestamp() * 1000 + WATCH_MS)
            self._awake.set()

    async def _deliver_some(self, queue: EndpointQueue, row: DueRow) -> None:
        """One message after the other, as ``_started_one`` hands them over."""
        while True:
            await self._deliver(queue, row)
            given = self._loop.create_future()
            self._free.append(given)
            queue, row = await given

    async def _deliver(self, queue: EndpointQueue, row: DueRow) -> None:
        try:
            due = queue.take(row)
            if due is not None and due.delivery.state == "pending":
                await self._attempt(queue, due)
            else:
                # It was settled while it stood in line.
                self._forget(queue, row.id)
        except Exception:
            # A fault of our own must not end the deliveries of this endpoint: it is tried again like any other failure.
            logger.exception("webhooks.attempt_failed", extra={"message_id": row.id})
            queue.breaker.failed(self._clock().timestamp() * 1000)
            self._forget(queue, row.id)
            queue.changed()
        finally:
            queue.ended(row)
            self.in_flight -= 1
            self._of_organization[queue.org_id] -= 1
            self._turn(queue)
            self._turn_those_without_room(queue.org_id)
            self._awake.set()

    def _forget(self, queue: EndpointQueue, message_id: str) -> None:
        self._unsettled.pop(message_id, None)
        queue.settled(message_id)

    def _turn_those_without_room(self, org_id: str) -> None:
        """One that ended makes room for its organisation, and perhaps for another one."""
        waiting = self._full.pop(org_id, {})
        if self._full:
            waiting |= self._full.popitem()[1]
        for queue in waiting.values():
            self._turn(queue)

    async def _attempt(self, queue: EndpointQueue, due: Due) -> None:
        started = self._clock()
        if (expired := too_late(due, started)) is not None:
            self.outcomes["stale"] += 1
            self._record(due, expired)
            return
        attempt = due.delivery.attempts + 1
        if attempt == 1:
            self._first_after(max(started.timestamp() - due.delivery.due_ms / 1000, 0.0))
        self._reached("before_send")
        began = time.monotonic()
        sent = await self._sender.send(due, attempt)
        total_ms = (time.monotonic() - began) * 1000
        self._reached("after_send")
        self.outcomes[sent.failure or "success"] += 1
        again = None
        if sent.failure:
            queue.breaker.failed(self._clock().timestamp() * 1000)
            again = tried_again_at(due, sent, attempt, self._clock(), self._jitter)
        else:
            queue.breaker.succeeded()
        self._record(due, attempted(due, sent, attempt, started, total_ms, again))

    def _record(self, due: Due, fact: Event) -> None:
        delivery = due.delivery
        self._recorder.add(delivery.org_id, delivery.endpoint_id, delivery.origin, fact)
