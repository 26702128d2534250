"""What dead processes could not bring to the log any more: it stands in their spools, and is brought there now."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import TypeVar

from domain.aggregate import Refused
from domain.fragments import FragmentLog
from domain.log.codec import UNREADABLE
from domain.log.ports import Commands, LogUnavailable
from domain.log.receipt import CommitIdReused
from media.call import event_spool, fragment_spool
from media.call.spool_file import SpoolFile, SpoolInUse
from media.call.spool_records import SpooledCommit, UnreadableRecord, decode_batch, decode_commit

_log = logging.getLogger(__name__)

T = TypeVar("T")

_PIECE_BYTES = 1 << 20


def spool_folder(live_dir: Path) -> Path:
    """Where the processes of a machine keep their spools."""
    return live_dir / "spool"


class LeftBehind:
    """Drains the spools in ``folder`` that no living process holds. Every commit keeps its id and every fragment its
    number, so that what had reached its log already is not there twice. Records of another build that this one cannot
    read are set aside.
    """

    def __init__(self, folder: Path, commands: Commands, fragments: FragmentLog, executor: Executor) -> None:
        self._folder = folder
        self._commands = commands
        self._fragments = fragments
        self._executor = executor

    async def look(self) -> int:
        """Drain what there is; how many records that were. Raises ``OSError``, and ``LogUnavailable`` when a log does
        not take them now: the rest stays where it is."""
        drained = 0
        for path in await self._in_thread(lambda: sorted(self._folder.glob(f"*{event_spool.SUFFIX}"))):
            drained += await self._drain(path, self._append)
        for path in await self._in_thread(lambda: sorted(self._folder.glob(f"*{fragment_spool.SUFFIX}"))):
            drained += await self._drain(path, self._store)
        return drained

    async def _drain(self, path: Path, bring: Callable[[list[bytes]], Awaitable[list[bytes]]]) -> int:
        try:
            spool = await self._in_thread(lambda: SpoolFile(path))
        except (SpoolInUse, FileNotFoundError):
            return 0
        drained = 0
        try:
            while records := await self._in_thread(lambda: spool.peek(_PIECE_BYTES)):
                await self._in_thread(partial(_set_aside, path, await bring(records)))
                drained += len(records)
                spool.advance(records)
        finally:
            spool.close()
        if drained:
            _log.warning("spool.drained", extra={"spool": path.name, "records": drained})
        return drained

    async def _append(self, records: list[bytes]) -> list[bytes]:
        unreadable = []
        for record in records:
            try:
                commit = decode_commit(record)
            except (UnreadableRecord, *UNREADABLE) as error:
                _log.error("spool.record_unreadable", extra={"reason": str(error)})
                unreadable.append(record)
            else:
                await self._record(commit)
        return unreadable

    async def _record(self, commit: SpooledCommit) -> None:
        events, times = [event for event, _ in commit.facts], [time for _, time in commit.facts]
        try:
            await self._commands.record(commit.call_id, events, times, commit_id=commit.commit_id)
        except (LogUnavailable, Refused):
            raise
        except CommitIdReused:
            # It had reached the log, in the words of the build that sent it.
            return
        except Exception:
            if len(commit.facts) > 1:
                for part in commit.split():
                    await self._record(part)
                return
            extra = {"call_id": commit.call_id, "event_type": events[0].TYPE}
            _log.exception("journal.event_refused", extra=extra)

    async def _store(self, records: list[bytes]) -> list[bytes]:
        unreadable, batches = [], []
        for record in records:
            try:
                batches.append(decode_batch(record))
            except UnreadableRecord as error:
                _log.error("spool.record_unreadable", extra={"reason": str(error)})
                unreadable.append(record)
        await self._in_thread(lambda: self._fragments.append(batches))
        return unreadable

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


def _set_aside(path: Path, records: list[bytes]) -> None:
    """Leave what this build cannot read in a file that nobody looks at, beside the spool."""
    if records:
        aside = SpoolFile(path.with_suffix(".unreadable"))
        aside.append(records)
        aside.close()
