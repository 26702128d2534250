"""Recordings and call logs that wait on the disk, left by a dead process or by a store that was away: they are stored.

What there is of a recording that broke off is made playable first. What is left of a call that was deleted is deleted.
"""

from __future__ import annotations

import asyncio
import logging
import wave
from collections.abc import Callable, Collection
from concurrent.futures import Executor
from functools import partial
from glob import escape
from pathlib import Path

from domain.artifacts import ArtifactStore
from domain.call.events import CallDeleted, Warned
from domain.call.state import Ended
from domain.log.codec import BodyPruned
from domain.log.ports import Clock, Document, Documents, EventLog
from media.audio.recording import recover
from media.call.aftermath import (
    LOG_SUFFIX,
    Kept,
    Outcome,
    let_go,
    let_go_of,
    store_recording,
    store_written_log,
    storing,
)
from media.call.journal import Journal
from media.call.leases import Leases

_log = logging.getLogger(__name__)


class Salvage:
    """Looks through the folder of growing recordings for those of calls that have ended and that nobody serves."""

    def __init__(
        self,
        live_dir: Path,
        documents: Documents,
        leases: Leases,
        artifacts: ArtifactStore,
        executor: Executor,
        clock: Clock,
        *,
        log: EventLog | None = None,
        serving: Callable[[], Collection[str]],
        open_journal: Callable[[str], Journal],
    ) -> None:
        self._live_dir = live_dir
        self._documents = documents
        self._leases = leases
        self._artifacts = artifacts
        self._executor = executor
        self._clock = clock
        self._log = log
        self._serving = serving
        self._open_journal = open_journal
        self._hopeless: set[str] = set()
        self._waiting: set[str] = set()
        """Recordings that the disk did not take the last time."""

    async def look(self) -> int:
        """Store what can be stored now; returns how many recordings that were."""
        loop = asyncio.get_running_loop()
        saved = 0
        for path in await loop.run_in_executor(self._executor, self._orphans):
            call_id = _call_of(path)
            if call_id in self._serving():
                continue
            journal = self._open_journal(call_id)
            try:
                outcome = await storing(self._executor, partial(self._store, path), partial(self._record, journal))
            except (ValueError, EOFError, wave.Error) as error:
                self._hopeless.add(call_id)
                _log.warning("recording.not_recovered", extra={"call_id": call_id, "reason": str(error)})
                continue
            except OSError as error:
                # A disk that is full will have room again.
                if call_id not in self._waiting:
                    _log.warning("recording.waits", extra={"call_id": call_id, "reason": error.strerror or str(error)})
                self._waiting.add(call_id)
                continue
            self._waiting.discard(call_id)
            saved += 1
            await journal.flushed()
            kept = Kept(call_id, outcome.stored, outcome.sources)
            await loop.run_in_executor(self._executor, let_go_of, kept, self._artifacts, self._documents)
        return saved

    def _record(self, journal: Journal, outcome: Outcome) -> None:
        for fact in outcome.stored:
            journal.append(fact, self._clock())
        for code, detail in outcome.warnings:
            journal.append(Warned(code=code, detail=detail), self._clock())

    def _orphans(self) -> list[Path]:
        recordings = (path for path in self._live_dir.glob("*.wav") if "." not in path.stem)
        logs = self._live_dir.glob(f"*{LOG_SUFFIX}")
        paths = [*recordings, *logs]
        for call_id in {_call_of(path) for path in paths}:
            if self._is_deleted(call_id):
                let_go(list(self._live_dir.glob(f"{escape(call_id)}.*")))
        return [path for path in paths if self._is_orphan(_call_of(path)) and not self._is_stored(path)]

    def _is_deleted(self, call_id: str) -> bool:
        if self._log is None or call_id in self._serving() or self._document(call_id) is not None:
            return False
        try:
            return any(isinstance(each.recorded.event, CallDeleted) for each in self._log.history(call_id))
        except BodyPruned:
            return False

    def _document(self, call_id: str) -> Document | None:
        """Nothing becomes of what was left of a call that is only in the archive."""
        try:
            return self._documents.get("call", call_id)
        except BodyPruned:
            return None

    def _is_stored(self, path: Path) -> bool:
        """Whether the log has what a file of a call that has ended became; then the file goes."""
        document = self._document(_call_of(path))
        track = "log" if path.name.endswith(LOG_SUFFIX) else "stereo"
        if document is not None and any(stored.track == track for stored in document.state.artifacts):
            let_go([path])
            return True
        return False

    def _is_orphan(self, call_id: str) -> bool:
        if call_id in self._hopeless or call_id in self._serving():
            return False
        document = self._document(call_id)
        if document is None or not isinstance(document.state, Ended) or document.state.claim is None:
            return False
        owner = document.state.claim.owner
        return owner == self._leases.owner or not self._leases.alive(owner)

    def _store(self, path: Path) -> Outcome:
        if path.name.endswith(LOG_SUFFIX):
            return store_written_log(self._artifacts, _call_of(path), path)
        length_ms = recover(path)
        return store_recording(self._artifacts, path.stem, path, length_ms)


def _call_of(path: Path) -> str:
    """The id that files of a call begin with."""
    return path.name.partition(".")[0]
