"""Ends calls that nobody serves any more and calls that nobody ever connected to, so that every call has a terminal
event whatever happened to its process or its caller."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection

from domain.aggregate import Refused
from domain.call.aggregate import CALL
from domain.call.commands import EndCall, ExpireCall
from domain.call.state import Live, Ringing
from domain.log.ports import Clock, Commands, Document, Documents, LogUnavailable
from domain.pricing.tables import CURRENT_PRICE_TABLE
from media.call.leases import Leases
from media.call.proven_usage import proven_usage

_log = logging.getLogger(__name__)

WORKER_DIED = "call.in-progress.error-vapifault-worker-died"
NEVER_CONNECTED = "call.in-progress.error-vapifault-transport-never-connected"
_GONE = "The process that served the call is gone."
_STATUSES = ("ringing", "in-progress")
_PAGE = 10_000


async def nothing_there() -> int:
    """What a process without a disk for calls finds on it."""
    return 0


class Reaper:
    """Looks at every claimed call that has not ended. ``serving`` are the calls of this process, ``salvage`` saves the
    recordings of calls that are over, ``left_behind`` appends what dead processes could not append any more.

    A call claimed by this very process that it does not serve is an orphan too: its task has ended without an end.
    What it has used as far as the log proves it is recorded with its end, at the prices of ``price_table``.
    One that still waits for its connection ``connect_within_s`` after it was created is over as well. The ``monotonic``
    clock counts that from when the call was first seen, so that a ``clock`` that is set ends none sooner or later; only
    how old a call is that is seen for the first time is told by the latter.
    """

    def __init__(
        self,
        commands: Commands,
        documents: Documents,
        leases: Leases,
        serving: Callable[[], Collection[str]],
        salvage: Callable[[], Awaitable[int]] | None = None,
        *,
        left_behind: Callable[[], Awaitable[int]] | None = None,
        clock: Clock,
        connect_within_s: float,
        every_s: float,
        price_table: str = CURRENT_PRICE_TABLE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._commands = commands
        self._documents = documents
        self._leases = leases
        self._serving = serving
        self._salvage = salvage or nothing_there
        self._left_behind = left_behind or nothing_there
        self._clock = clock
        self._connect_within_s = connect_within_s
        self._every_s = every_s
        self._price_table = price_table
        self._monotonic = monotonic
        self._waiting_since_s: dict[str, float] = {}

    async def run(self) -> None:
        """Look for orphans for ever, at once and then at intervals."""
        while True:
            try:
                await self.look()
                await self.expire()
                await self._salvage()
            except (OSError, LogUnavailable) as error:
                _log.warning("reaper.waits", extra={"reason": str(error)})
            await asyncio.sleep(self._every_s)

    async def look(self) -> int:
        """End every orphan there is now; returns how many. Raises ``LogUnavailable``."""
        # What happened in a call belongs before its end, and its end may be among it.
        await self._left_behind()
        ended = 0
        for call_id, command in await asyncio.to_thread(self._orphans):
            if call_id in self._serving():
                continue
            try:
                await self._commands.execute(CALL, call_id, command)
            except Refused:
                continue
            ended += 1
            _log.warning("call.reaped", extra={"call_id": call_id})
        return ended

    async def expire(self) -> int:
        """End every call that has waited too long for its connection; returns how many. Raises ``LogUnavailable``."""
        ended = 0
        command = ExpireCall(
            reason=NEVER_CONNECTED, message=f"Nobody connected within {self._connect_within_s:g} seconds."
        )
        for call_id in await asyncio.to_thread(self._never_connected):
            try:
                await self._commands.execute(CALL, call_id, command)
            except Refused:
                continue
            ended += 1
            _log.info("call.never_connected", extra={"call_id": call_id})
        return ended

    def _never_connected(self) -> list[str]:
        now_s, before = self._monotonic(), self._waiting_since_s
        self._waiting_since_s = {
            call.id: before[call.id] if call.id in before else now_s - self._age_s(call)
            for call in self._documents.list("call", status=("queued",), limit=_PAGE, oldest_first=True)
        }
        return [each for each, since_s in self._waiting_since_s.items() if now_s - since_s > self._connect_within_s]

    def _age_s(self, call: Document) -> float:
        return max(0.0, (self._clock() - call.keys.created_at).total_seconds())

    def _orphans(self) -> list[tuple[str, EndCall]]:
        """Their ids, each with its end: when its process was last known to serve it, and what it had used."""
        orphans = []
        for document in self._documents.list("call", status=_STATUSES, limit=_PAGE):
            state = document.state
            if not isinstance(state, Ringing | Live) or state.identity.id in self._serving():
                continue
            mine = state.claim.owner == self._leases.owner
            if mine or not self._leases.alive(state.claim.owner):
                orphans.append((state.identity.id, self._end(state)))
        return orphans

    def _end(self, call: Ringing | Live) -> EndCall:
        """A call is not longer because nobody looked for its end: it was over when its process was last heard of."""
        if isinstance(call, Ringing):
            return EndCall(reason=WORKER_DIED, message=_GONE)
        heard = self._leases.last_beat(call.claim.owner)
        until = call.updated_at if heard is None else min(max(heard, call.updated_at), self._clock())
        at_ms = max((until - call.start.clock_origin).total_seconds() * 1000, call.start.at_ms)
        usage = proven_usage(call, heard, self._price_table)
        return EndCall(reason=WORKER_DIED, message=_GONE, at_ms=at_ms, usage=usage)
