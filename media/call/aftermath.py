"""What is left to do when a call has ended: finish its recording, derive the tracks, write its log, store them all."""

from __future__ import annotations

import asyncio
import gzip
import logging
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from domain.artifacts import ArtifactStore
from domain.call.events import ArtifactStored, Track
from domain.event import Event
from domain.log.ports import Documents
from media.audio.mp3 import MP3, Mp3Unavailable, encode
from media.audio.recording import Recording, derive_tracks

_log = logging.getLogger(__name__)

WAV = "audio/wav"
CALL_LOG = "application/gzip"
LOG_SUFFIX = ".log.jsonl.gz"
NOT_STORED = "artifact-not-stored"
"""Warning code: a track that there should be is missing, or will come later."""
INCOMPLETE = "recording-incomplete"
"""Warning code: stretches of the recording are silent, since the disk did not take them."""

_TRACKS: tuple[Track, ...] = ("mono", "customer", "assistant")


@dataclass(slots=True)
class Outcome:
    """What was stored, and what a person should know about the rest: warning codes with their details.

    ``sources`` are files that may go once the log has what is to be recorded of them: until then they are what a
    process that takes over after a crash knows about them.
    """

    stored: list[ArtifactStored] = field(default_factory=list)
    sources: list[Path] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)


class FinishedCall(Protocol):
    """A session that is over."""

    call_id: str
    ended_ms: float
    log_kept: bool
    as_mp3: bool
    recording_allowed: bool
    facts: list[tuple[Event, float]]

    def record(self, event: Event) -> None: ...

    def warned(self, code: str, detail: str) -> None: ...


@dataclass(slots=True)
class Kept:
    """What was stored of a call, and the files that it was made of."""

    call_id: str
    stored: list[ArtifactStored] = field(default_factory=list)
    sources: list[Path] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Aftermath:
    """``recordings`` is the thread that writes recordings, ``threads`` do the rest; ``folder`` holds what is in the
    making. What becomes of a call's artifacts is recorded in the call, also when nobody waits for it any more.
    """

    artifacts: ArtifactStore
    documents: Documents
    recordings: Executor
    threads: Executor
    folder: Path

    async def settle(
        self, call: FinishedCall, recording: Recording | None, wall_time: Callable[[float], datetime]
    ) -> Kept:
        """Store what can be stored. A recording that cannot be is left for ``Salvage``.

        Returns what is to be given to ``let_go`` once the log has all that was recorded."""
        kept = Kept(call.call_id)
        if recording is not None and recording.empty and not call.recording_allowed:
            await asyncio.get_running_loop().run_in_executor(self.recordings, recording.discard)
        elif recording is not None and not recording.abandoned:
            await self._recorded(call, kept, lambda: self._keep_recording(call, recording))
        if call.log_kept:
            facts = [(event, wall_time(at_ms)) for event, at_ms in call.facts]
            await self._recorded(call, kept, lambda: self._keep_log(call.call_id, facts))
        return kept

    async def let_go(self, kept: Kept) -> None:
        """See ``let_go_of``."""
        await asyncio.get_running_loop().run_in_executor(self.threads, let_go_of, kept, self.artifacts, self.documents)

    async def _recorded(self, call: FinishedCall, kept: Kept, work: Callable[[], Outcome]) -> None:
        def record(outcome: Outcome) -> None:
            for stored in outcome.stored:
                call.record(stored)
            for code, detail in outcome.warnings:
                call.warned(code, detail)

        outcome = await storing(self.threads, work, record)
        kept.stored += outcome.stored
        kept.sources += outcome.sources

    def _keep_recording(self, call: FinishedCall, recording: Recording) -> Outcome:
        try:
            length_ms = self.recordings.submit(recording.finish, call.ended_ms).result()
            outcome = store_recording(self.artifacts, call.call_id, recording.path, length_ms, as_mp3=call.as_mp3)
        except OSError as error:
            outcome = Outcome(warnings=[(NOT_STORED, f"the recording waits for the disk: {_reason(error)}")])
        if recording.gaps_ms:
            gaps = ", ".join(f"{start / 1000:.1f} to {end / 1000:.1f} s" for start, end in recording.gaps_ms)
            outcome.warnings.append((INCOMPLETE, f"silent where the disk took nothing: {gaps}"))
        return outcome

    def _keep_log(self, call_id: str, facts: Sequence[tuple[Event, datetime]]) -> Outcome:
        try:
            return store_call_log(self.artifacts, call_id, self.folder, facts)
        except OSError as error:
            return Outcome(warnings=[(NOT_STORED, f"the call log waits for the store: {_reason(error)}")])


async def storing(thread: Executor, work: Callable[[], Outcome], record: Callable[[Outcome], None]) -> Outcome:
    """Run ``work`` and record what came of it, also when whoever waits is cancelled: a file that was brought into the
    store belongs to its call from then on. Raises what ``work`` raises."""

    def settled(done: asyncio.Future[Outcome]) -> None:
        if not done.cancelled() and done.exception() is None:
            record(done.result())

    done = asyncio.get_running_loop().run_in_executor(thread, work)
    done.add_done_callback(settled)
    return await asyncio.shield(done)


def store_recording(
    store: ArtifactStore, call_id: str, stereo: Path, length_ms: float, *, as_mp3: bool = False
) -> Outcome:
    """Store a finished stereo file and as many of the tracks derived from it as can be. Blocking.

    ``as_mp3``: in that form, where it can be made; else as it is, with a warning.

    Raises ``OSError`` where the stereo file itself cannot be stored; it stays where it is then.
    """
    outcome = Outcome()
    missing = list(_TRACKS)
    problem = ""
    try:
        derived = derive_tracks(stereo, stereo.parent)
    except OSError as error:
        derived, problem = {}, _reason(error)
    originals = files = {"stereo": stereo, **derived}
    content_type = WAV
    if as_mp3:
        files, content_type = _compressed(originals, outcome)
    leaving = files["stereo"]
    try:
        if leaving == stereo:
            leaving = _twin(stereo, call_id, stereo.suffix)
        outcome.stored.append(_put(store, call_id, "stereo", leaving, content_type, length_ms))
    except OSError:
        # Everything can be made again from the stereo file, which stays.
        for path in {leaving, *files.values(), *derived.values()} - {stereo}:
            path.unlink(missing_ok=True)
        raise
    for track in _TRACKS:
        if track not in derived:
            continue
        try:
            outcome.stored.append(_put(store, call_id, track, files[track], content_type, length_ms))
            missing.remove(track)
        except OSError as error:
            problem = _reason(error)
            files[track].unlink(missing_ok=True)
    let_go([leaving, *(path for path in originals.values() if path != stereo)])
    outcome.sources.append(stereo)
    if missing:
        detail = f"the tracks {', '.join(missing)} could not be made from the stereo recording: {problem}"
        outcome.warnings.append((NOT_STORED, detail))
    return outcome


def _compressed(files: dict[str, Path], outcome: Outcome) -> tuple[dict[str, Path], str]:
    """All of them as mp3, beside the WAV files, or none."""
    made: dict[str, Path] = {}
    try:
        for track, path in files.items():
            made[track] = encode(path)
    except (Mp3Unavailable, OSError) as error:
        for path in made.values():
            path.unlink(missing_ok=True)
        outcome.warnings.append(("recording-not-compressed", f"stored as wav: {error}"))
        return files, WAV
    return made, MP3


def store_call_log(
    store: ArtifactStore, call_id: str, folder: Path, facts: Sequence[tuple[Event, datetime]]
) -> Outcome:
    """Store the call's events as gzip JSON lines, ``{"time", "type", "data"}`` each. Blocking.

    Raises ``OSError``; what could be written, but not stored, waits in ``folder`` then.
    """
    path = folder / f"{call_id}{LOG_SUFFIX}"
    partial = path.with_suffix(".part")
    try:
        with gzip.open(partial, "wb") as lines:
            for event, time in facts:
                lines.write(msgspec.json.encode({"time": time, "type": event.TYPE, "data": event}))
                lines.write(b"\n")
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    partial.replace(path)
    return store_written_log(store, call_id, path)


def store_written_log(store: ArtifactStore, call_id: str, path: Path) -> Outcome:
    """Store a call log that is written already. Blocking. Raises ``OSError``."""
    twin = _twin(path, call_id, "".join(path.suffixes[-2:]))
    try:
        return Outcome([_put(store, call_id, "log", twin, CALL_LOG, None)], [path])
    finally:
        twin.unlink(missing_ok=True)


def _twin(path: Path, call_id: str, suffix: str) -> Path:
    """The same file under another name for the store to take; where it has the very file, that name stays."""
    twin = path.with_name(f"{call_id}.leaving{suffix}")
    twin.unlink(missing_ok=True)
    try:
        twin.hardlink_to(path)
    except OSError:
        # Some file systems know no second names.
        shutil.copyfile(path, twin)
    return twin


def let_go_of(kept: Kept, artifacts: ArtifactStore, documents: Documents) -> None:
    """Delete files that are in the store and on the log. Who deleted the call while they were on their way there knew
    nothing of them: they leave the store again then. Blocking."""
    if documents.get("call", kept.call_id) is None:
        for stored in kept.stored:
            try:
                artifacts.delete(stored.location)
            except OSError as error:
                reason = _reason(error)
                _log.error("artifact.bytes_left", extra={"location": stored.location, "reason": reason})
    let_go(kept.sources)


def let_go(paths: Sequence[Path]) -> None:
    """Delete files. Blocking."""
    for path in paths:
        path.unlink(missing_ok=True)


def _put(
    store: ArtifactStore, call_id: str, track: Track, path: Path, content_type: str, length_ms: float | None
) -> ArtifactStored:
    name = "call-logs" if track == "log" else f"{track}-recording"
    stored = store.put(call_id, name, path, content_type)
    return ArtifactStored(
        track=track,
        location=stored.location,
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        content_type=stored.content_type,
        duration_ms=length_ms,
    )


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
