"""Recordings that a dead process left behind: what there is of them is made playable and stored."""

from __future__ import annotations

import asyncio
import logging
import wave
from collections.abc import Callable, Collection
from concurrent.futures import Executor
from pathlib import Path

from domain.artifacts import ArtifactStore
from domain.call.events import ArtifactStored
from domain.call.state import Ended
from domain.log.ports import Clock, Documents
from media.audio.recording import recover
from media.call.aftermath import store_recording
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
        serving: Callable[[], Collection[str]],
        open_journal: Callable[[str], Journal],
    ) -> None:
        self._live_dir = live_dir
        self._documents = documents
        self._leases = leases
        self._artifacts = artifacts
        self._executor = executor
        self._clock = clock
        self._serving = serving
        self._open_journal = open_journal
        self._hopeless: set[str] = set()

    async def look(self) -> int:
        """Store what can be stored now; returns how many recordings that were."""
        loop = asyncio.get_running_loop()
        saved = 0
        for path in await loop.run_in_executor(self._executor, self._orphans):
            call_id = path.stem
            if call_id in self._serving():
                continue
            try:
                stored = await loop.run_in_executor(self._executor, self._store, path)
            except (OSError, ValueError, EOFError, wave.Error) as error:
                self._hopeless.add(call_id)
                _log.warning("recording.not_recovered", extra={"call_id": call_id, "reason": str(error)})
                continue
            journal = self._open_journal(call_id)
            for fact in stored:
                journal.append(fact, self._clock())
            saved += 1
        return saved

    def _orphans(self) -> list[Path]:
        return [path for path in self._live_dir.glob("*.wav") if self._is_orphan(path)]

    def _is_orphan(self, path: Path) -> bool:
        call_id = path.stem
        if "." in call_id or call_id in self._hopeless or call_id in self._serving():
            return False
        document = self._documents.get("call", call_id)
        if document is None or not isinstance(document.state, Ended) or document.state.claim is None:
            return False
        owner = document.state.claim.owner
        return owner == self._leases.owner or not self._leases.alive(owner)

    def _store(self, path: Path) -> list[ArtifactStored]:
        length_ms = recover(path)
        return store_recording(self._artifacts, path.stem, path, length_ms)
