"""Empties the journals of all calls into the log, off the hot path, and into the spool while the log is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from domain.aggregate import Refused
from domain.log.ports import Commands, IdSource, LogUnavailable
from media.call.event_spool import EventSpool, Waiting
from media.call.journal import Batch, Journal
from media.call.log_delay import LogDelay
from media.call.outage import Outage

_log = logging.getLogger(__name__)

_LONGEST_PAUSE_S = 5.0
_OUTAGE_PATIENCES = 4
"""A log that answers nobody for so many times the patience is away; before that it may be slow. Each time is a look for
answers: a process that stood still for long, and so read none, has looked once in vain."""
_SPOOL_EVERY_S = 0.05
"""Events of this long are flushed to the spool together."""
_SPOOL_RETRY_S = 1.0


class JournalWriter:
    """The one flusher of a process: run ``run`` as a task for as long as there are calls.

    At most ``concurrency`` appends are under way at once. A call for which the log refuses, or does not answer within
    ``patience_s``, has its events kept in ``spool`` until the log has taken one again. That a log is slow is not said;
    one that refuses, or answers nobody for longer, is away. ``overflowed`` is called when more waits than the spool may
    hold: fewer calls should run.
    """

    def __init__(
        self,
        commands: Commands,
        new_id: IdSource,
        spool: EventSpool,
        *,
        retry_s: float,
        patience_s: float,
        overflowed: Callable[[], None],
        concurrency: int = 32,
    ) -> None:
        self._commands = commands
        self._new_id = new_id
        self._spool = spool
        self._retry_s = retry_s
        self._patience_s = patience_s
        self._overflowed = overflowed
        self._slots = asyncio.Semaphore(concurrency)
        self._due: dict[Journal, None] = {}
        self._sending: set[Journal] = set()
        self._asked: dict[Journal, float] = {}
        """Those that have a slot, and since when, in the loop's time."""
        self._watches: dict[Journal, asyncio.TimerHandle] = {}
        self._away: dict[Journal, str] = {}
        """Calls whose events the log does not take, with the reason where the log is away for all that is known."""
        self._outage = Outage("journal.log_unavailable", "journal.log_available")
        self._delay = LogDelay()
        self._kept: set[Journal] = set()
        """Calls of which the spool has something that the log may not have."""
        self._answered_s = 0.0
        """When the log last took something, in the loop's time."""
        self._work = asyncio.Event()
        self._spool_due = asyncio.Event()

    @property
    def trouble(self) -> str:
        """Why events wait; empty while the log takes them."""
        reason = next(filter(None, self._away.values()), "")
        if not reason:
            return ""
        if self._spool.failure:
            return f"events of running calls are kept in memory only: {reason}; and the spool: {self._spool.failure}"
        return f"events of {len(self._away)} running calls wait for the log: {reason}"

    @property
    def log_wait_ms(self) -> float:
        """How long events wait for the log now, where it takes any; for one that refuses them, 0."""
        return self._delay.seconds(asyncio.get_running_loop().time()) * 1000

    @property
    def overflowing(self) -> bool:
        """As much waits as may: no call should begin, and those that run should end."""
        return self._spool.overflowing

    def open(self, call_id: str, cap: int) -> Journal:
        """A journal for a call that begins."""
        return Journal(call_id, self, cap)

    def wake(self, journal: Journal) -> None:
        """The journal has something to send."""
        self._due[journal] = None
        self._work.set()
        if journal.away:
            self._spool_due.set()
        else:
            self._delay.waits(journal, asyncio.get_running_loop().time())

    def release(self, batch: Batch) -> None:
        """The log has the batch."""
        if self._spool.release(batch):
            self._spool_due.set()

    async def run(self) -> None:
        """Send for ever: each call's batches one after the other, calls independent of each other."""
        await self._spool.open()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep(), name="journal-spool")
            while True:
                await self._work.wait()
                self._work.clear()
                due, self._due = self._due, {}
                for journal in due:
                    if journal not in self._sending:
                        self._sending.add(journal)
                        group.create_task(self._send_all(journal), name=f"journal-{journal.call_id}")

    async def _send_all(self, journal: Journal) -> None:
        pause_s = self._retry_s
        try:
            while len(journal):
                if await self._send(journal):
                    pause_s = self._retry_s
                else:
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        finally:
            self._sending.discard(journal)

    async def _send(self, journal: Journal) -> bool:
        loop = asyncio.get_running_loop()
        self._watch(journal, loop.time(), self._answered_s)
        try:
            async with self._slots:
                self._asked[journal] = loop.time()
                await journal.send(self._commands, self._new_id)
        except LogUnavailable as error:
            self._went_away(journal, str(error))
            self._delay.gone(journal)
            return False
        except Refused as error:
            # The append lost every race against other writers of this call: a matter of this call, not of the log.
            _log.warning("journal.outrun", extra={"call_id": journal.call_id, "reason": str(error)})
            self._went_away(journal, "")
            self._delay.gone(journal)
            return False
        except Exception:
            # A defect of one event (it cannot be encoded, say) must not keep every other one from the log.
            given_up = journal.isolate()
            kind = given_up.TYPE if given_up is not None else "one of a batch"
            _log.exception("journal.event_refused", extra={"call_id": journal.call_id, "event_type": kind})
            return True
        finally:
            self._asked.pop(journal, None)
            self._watches.pop(journal).cancel()
        self._answered_s = loop.time()
        self._delay.taken(journal, self._answered_s, more=len(journal) > 0)
        if self._away.pop(journal, None) is not None:
            journal.away = False
            if not any(self._away.values()):
                self._outage.over()
        return True

    # While the log is away, or slow.

    def _watch(self, journal: Journal, since_s: float, seen_s: float, in_vain: int = 0) -> None:
        later = asyncio.get_running_loop().call_later
        self._watches[journal] = later(self._patience_s, self._look, journal, since_s, seen_s, in_vain)

    def _look(self, journal: Journal, since_s: float, seen_s: float, in_vain: int) -> None:
        """The journal has waited since ``since_s`` for the log to take something of it. So many looks in a row were in
        vain, and the last answer was the one of ``seen_s``."""
        in_vain = in_vain + 1 if self._answered_s == seen_s else 0
        self._watch(journal, since_s, self._answered_s, in_vain)
        now_s = asyncio.get_running_loop().time()
        if in_vain >= _OUTAGE_PATIENCES:
            self._went_away(journal, f"no answer for {now_s - max(since_s, self._answered_s):.1f} s")
        elif in_vain or now_s - self._asked.get(journal, now_s) >= self._patience_s:
            # Others may be answered, and it has had no slot: then its turn will come.
            self._went_away(journal, "")

    def _went_away(self, journal: Journal, reason: str) -> None:
        if reason:
            self._outage.goes_on(asyncio.get_running_loop().time(), {"call_id": journal.call_id, "reason": reason})
        self._away[journal] = reason or self._away.get(journal, "")
        journal.away = True
        self._spool_due.set()

    async def leave(self) -> int:
        """Keep in the spool what the log has not got, for whoever starts next; how many events could not be kept.

        Nothing may be appended or sent any more.
        """
        journals = {*self._due, *self._sending, *self._away}
        await self._spool.keep(self._unspooled(journals))
        return sum(journal.unkept for journal in journals)

    async def _keep(self) -> None:
        while True:
            await self._spool_due.wait()
            self._spool_due.clear()
            self._kept.update(self._away)
            await self._spool.keep(self._unspooled(self._away))
            self._kept = {journal for journal in self._kept if len(journal)}
            await self._spool.tidy((journal.call_id, *waiting) for journal in self._kept for waiting in journal.kept())
            if self._spool.overflowing:
                self._overflowed()
            if self._spool.failure:
                self._spool_due.set()
            await asyncio.sleep(_SPOOL_RETRY_S if self._spool.failure else _SPOOL_EVERY_S)

    def _unspooled(self, journals: Iterable[Journal]) -> list[Waiting]:
        return [(journal.call_id, *waiting) for journal in journals for waiting in journal.unspooled(self._new_id)]
