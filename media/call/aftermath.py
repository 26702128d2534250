"""What is left to do when a call has ended: finish its recording, derive the tracks, write its log, store them all."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from domain.artifacts import ArtifactStore
from domain.call.events import ArtifactStored, Track
from domain.event import Event
from media.audio.recording import derive_tracks

WAV = "audio/wav"
CALL_LOG = "application/gzip"

_TRACKS: tuple[Track, ...] = ("mono", "customer", "assistant")


def store_recording(store: ArtifactStore, call_id: str, stereo: Path, length_ms: float) -> list[ArtifactStored]:
    """Store a finished stereo file and the three tracks derived from it; the file moves away. Blocking."""
    derived = derive_tracks(stereo, stereo.parent)
    stored = [_put(store, call_id, "stereo", stereo, WAV, length_ms)]
    stored += [_put(store, call_id, track, derived[track], WAV, length_ms) for track in _TRACKS]
    return stored


def store_call_log(
    store: ArtifactStore, call_id: str, folder: Path, facts: Sequence[tuple[Event, datetime]]
) -> ArtifactStored:
    """Store the call's events as gzip JSON lines, ``{"time", "type", "data"}`` each. Blocking."""
    path = folder / f"{call_id}.log.jsonl.gz"
    with gzip.open(path, "wb") as lines:
        for event, time in facts:
            lines.write(msgspec.json.encode({"time": time, "type": event.TYPE, "data": event}))
            lines.write(b"\n")
    return _put(store, call_id, "log", path, CALL_LOG, None)


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
