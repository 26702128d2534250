"""Everything on its way from the calls of this process to the logs: journals, fragments, and their spools on disk."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from domain.fragments import FragmentLog
from domain.log.ports import Commands, IdSource
from media.call import event_spool, fragment_spool
from media.call.event_spool import EventSpool
from media.call.fragment_spool import FragmentSpool
from media.call.fragments import FragmentBuffer
from media.call.journal import Journal
from media.call.journal_writer import JournalWriter
from media.call.left_behind import LeftBehind, spool_folder
from media.call.settings import MediaSettings

_log = logging.getLogger(__name__)


class Outbox:
    """``tasks`` run for as long as calls may; ``close`` comes after they have ended.

    ``overflowed`` is called when more events wait for the log than may: fewer calls should run.
    """

    def __init__(
        self,
        commands: Commands,
        fragments: FragmentLog,
        settings: MediaSettings,
        new_id: IdSource,
        *,
        overflowed: Callable[[], None],
    ) -> None:
        self._journal_cap = settings.journal_cap
        self._store_thread = ThreadPoolExecutor(1, "callfold-fragments")
        self._spool_thread = ThreadPoolExecutor(1, "callfold-spool")
        self._drain_thread = ThreadPoolExecutor(1, "callfold-drain")
        folder, name = spool_folder(settings.live_dir), new_id()
        self._events = EventSpool(
            folder / f"{name}{event_spool.SUFFIX}",
            self._spool_thread,
            cap_bytes=settings.event_spool_bytes,
            reserve_bytes=settings.event_spool_reserve_bytes,
        )
        self._journals = JournalWriter(
            commands,
            new_id,
            self._events,
            retry_s=settings.log_retry_s,
            patience_s=settings.log_patience_s,
            overflowed=overflowed,
        )
        self.fragments = FragmentBuffer(
            fragments,
            self._store_thread,
            FragmentSpool(folder / f"{name}{fragment_spool.SUFFIX}", cap_bytes=settings.fragment_spool_bytes),
            self._spool_thread,
            cap=settings.fragment_cap,
            flush_ms=settings.fragment_flush_ms,
            patience_s=settings.log_patience_s,
            retry_s=settings.log_retry_s,
        )
        self._left_behind = LeftBehind(folder, commands, fragments, self._drain_thread)

    def journal(self, call_id: str) -> Journal:
        """A journal for a call that begins, or that is over and gets late events."""
        return self._journals.open(call_id, self._journal_cap)

    @property
    def overflowing(self) -> bool:
        """As much waits as may: no call should begin."""
        return self._journals.overflowing

    @property
    def log_wait_ms(self) -> float:
        """How long events wait for the log now."""
        return self._journals.log_wait_ms

    @property
    def trouble(self) -> str:
        """Why events wait; empty while the log takes them."""
        return self._journals.trouble

    def tasks(self) -> tuple[tuple[str, Coroutine[Any, Any, None]], ...]:
        """What is to run, by name."""
        return ("journal", self._journals.run()), ("fragments", self.fragments.run())

    async def drain_left_behind(self) -> int:
        """Bring to the logs what dead processes left. Raises ``OSError`` and ``LogUnavailable``."""
        return await self._left_behind.look()

    async def leave(self) -> None:
        """Keep what the log has not got, for whoever starts next; no call runs any more, the tasks still do."""
        if lost := await self._journals.leave():
            _log.error("journal.events_lost", extra={"events": lost})

    async def close(self) -> None:
        """Flush what is left of the fragments and let go of the files."""
        await self.fragments.flush()
        for executor in (self._store_thread, self._spool_thread, self._drain_thread):
            executor.shutdown()
        self._events.close()
        if lost := self.fragments.close():
            _log.error("fragments.lost", extra={"fragments": lost})
