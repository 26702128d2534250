"""A log in a file of this machine that can say that the disk has no room for it, for as long as that is so."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from domain.aggregate import Aggregate
from domain.event import Event
from domain.log.ports import Appended, Clock, IdSource, LogUnavailable, Step
from streams.log.embedded import EmbeddedLog

S = TypeVar("S")
C = TypeVar("C")

PROBE_BYTES = 1 << 20
"""What must fit on the disk before the log is believed to have room again: some hundred commits."""
_PROBE_EVERY_S = 1.0


class SpaceWatch:
    """Remembers that an append found no space, until one succeeds or ``PROBE_BYTES`` can be written to ``folder``.

    Without the probe a server that takes no work, since it has no space, would never learn that there is some again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reason = ""
        self._probe_due_s = 0.0

    @contextlib.contextmanager
    def appending(self) -> Iterator[None]:
        """Around one append."""
        try:
            yield
        except LogUnavailable as unavailable:
            if unavailable.full:
                self._reason = str(unavailable)
                self._probe_due_s = monotonic() + _PROBE_EVERY_S
            raise
        self._reason = ""

    def trouble(self) -> str:
        """Why nothing can be appended; empty where it can, as far as is known. Writes to the disk at times."""
        if self._reason and monotonic() >= self._probe_due_s:
            self._probe_due_s = monotonic() + _PROBE_EVERY_S
            if self._has_room():
                self._reason = ""
        return self._reason

    def _has_room(self) -> bool:
        probe = self._folder / f"space-probe-{os.getpid()}"
        try:
            probe.write_bytes(bytes(PROBE_BYTES))
        except OSError:
            return False
        finally:
            probe.unlink(missing_ok=True)
        return True


class WatchedLog(EmbeddedLog):
    """An ``EmbeddedLog`` under a ``SpaceWatch``; open it with ``watched``."""

    space: SpaceWatch

    @classmethod
    def watched(cls, path: Path, *, clock: Clock, new_id: IdSource) -> WatchedLog:
        """As ``EmbeddedLog.open``."""
        log = cls.open(path, clock=clock, new_id=new_id)
        assert isinstance(log, cls), "open makes an instance of the class that it is called on"
        log.space = SpaceWatch(path.parent)
        return log

    async def execute(
        self, aggregate: Aggregate[S, C], originator_id: str, command: C, *, commit_id: str | None = None
    ) -> tuple[S, Appended]:
        """As ``EmbeddedLog.execute``."""
        with self.space.appending():
            return await super().execute(aggregate, originator_id, command, commit_id=commit_id)

    async def execute_together(
        self, steps: Sequence[Step], *, commit_id: str | None = None
    ) -> tuple[tuple[Any, ...], Appended]:
        """As ``EmbeddedLog.execute_together``."""
        with self.space.appending():
            return await super().execute_together(steps, commit_id=commit_id)

    async def record(
        self, originator_id: str, events: Sequence[Event], times: Sequence[datetime], *, commit_id: str | None = None
    ) -> Appended:
        """As ``EmbeddedLog.record``."""
        with self.space.appending():
            return await super().record(originator_id, events, times, commit_id=commit_id)
