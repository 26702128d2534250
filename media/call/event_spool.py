"""Events that wait for the log, kept on disk as well: written only while the log is away, read only after a crash."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path

from media.call.journal import Batch
from media.call.spool_file import SpoolFile
from media.call.spool_records import Fact, encode_commit

_log = logging.getLogger(__name__)

SUFFIX = ".events.spool"

Waiting = tuple[str, Batch, tuple[Fact, ...]]
"""Call id, batch, and the batch's events."""


class EventSpool:
    """One file of one process. Its writes run in ``executor``, one at a time, in the order of the calls to ``keep``.

    ``cap_bytes`` is what may wait. Nothing is dropped, so it is soft: beyond it ``overflowing`` asks for fewer calls.
    """

    def __init__(self, path: Path, executor: Executor, *, cap_bytes: int, reserve_bytes: int) -> None:
        self._path = path
        self._executor = executor
        self._cap_bytes = cap_bytes
        self._reserve_bytes = reserve_bytes
        self._file: SpoolFile | None = None
        self._outstanding: dict[Batch, int] = {}
        """Batches that the file has and the log has not, with their bytes."""
        self._busy = asyncio.Lock()
        self.failure = ""
        """Why the disk did not take what was to be kept the last time."""

    async def open(self) -> None:
        """Reserve the space. Where there is none the file is made when it is needed, if that can be done then."""
        try:
            await self._in_thread(self._opened)
        except OSError as error:
            _log.warning("event_spool.no_reserve", extra={"reason": error.strerror or str(error)})

    @property
    def overflowing(self) -> bool:
        return sum(self._outstanding.values()) >= self._cap_bytes or bool(self.failure)

    async def keep(self, waiting: Sequence[Waiting]) -> None:
        """Make these batches durable, behind those of earlier calls; they are marked as such."""
        encoded = list(_encoded(waiting))
        for _, batch, _ in waiting:
            batch.spooled = True
        async with self._busy:
            try:
                if encoded:
                    await self._in_thread(lambda: self._opened().append([record for _, record in encoded]))
            except OSError as error:
                for batch, _ in encoded:
                    batch.spooled = False
                self._failed(error)
                return
        self.failure = ""
        for batch, record in encoded:
            batch.kept = True
            if not batch.taken:
                self._outstanding[batch] = len(record)

    def release(self, batch: Batch) -> bool:
        """The log has it. True when nothing waits any more that the file was needed for."""
        return self._outstanding.pop(batch, 0) > 0 and not self._outstanding

    async def tidy(self, kept: Iterable[Waiting]) -> None:
        """Take what the log has out of the file, where that is all of it or most of a large one.

        ``kept`` is everything that waits and is in the file.
        """
        async with self._busy:
            file = self._file
            if file is None or not file.size_bytes:
                return
            try:
                if not self._outstanding:
                    await self._in_thread(file.clear)
                elif file.size_bytes >= self._cap_bytes >= 2 * sum(self._outstanding.values()):
                    records = [record for _, record in _encoded(kept)]
                    await self._in_thread(lambda: file.rewrite(records))
            except OSError as error:
                self._failed(error)

    def close(self) -> None:
        """Blocking. What the log has not got stays for whoever starts next."""
        if self._file is not None:
            if not self._outstanding:
                self._file.clear()
            self._file.close()
            self._file = None

    def _opened(self) -> SpoolFile:
        if self._file is None:
            self._file = SpoolFile(self._path, reserve_bytes=self._reserve_bytes)
        return self._file

    def _failed(self, error: OSError) -> None:
        if not self.failure:
            _log.error("event_spool.not_kept", extra={"reason": error.strerror or str(error)})
        self.failure = error.strerror or str(error)

    async def _in_thread(self, work: Callable[[], object]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._executor, work)


def _encoded(waiting: Iterable[Waiting]) -> Iterator[tuple[Batch, bytes]]:
    for call_id, batch, facts in waiting:
        try:
            yield batch, encode_commit(call_id, batch.commit_id, facts)
        except Exception:
            # A defect of one event: the log will refuse it as well, and then it is given up alone.
            _log.exception("event_spool.event_refused", extra={"call_id": call_id})
