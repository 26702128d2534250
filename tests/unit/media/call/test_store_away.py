"""An artifact store that is away when a call ends: nothing of the call is lost, and it is stored once it is back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from domain.artifacts import ArtifactsUnavailable, StoredArtifact
from domain.call.events import ArtifactStored, Warned
from domain.log.position import Position
from media.artifacts.local import LocalArtifactStore
from tests.patience import PATIENCE_S
from tests.unit.media.call.rig import Rig, media_rig
from tests.unit.media.call.test_calls import assistant, dial, of, providers

ALL = {"stereo", "mono", "customer", "assistant", "log"}


class Away:
    """A bucket that does not answer until it is ``back``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real = LocalArtifactStore.put
        self._away = True
        monkeypatch.setattr(LocalArtifactStore, "put", lambda store, *arguments: self._put(store, *arguments))

    def back(self) -> None:
        self._away = False

    def _put(self, store: LocalArtifactStore, *arguments: Any) -> StoredArtifact:
        if self._away:
            raise ArtifactsUnavailable("the bucket did not take it")
        return self._real(store, *arguments)


async def stored(rig: Rig, call_id: str) -> dict[str, ArtifactStored]:
    """What is stored of the call, once all of it is."""
    found: dict[str, ArtifactStored] = {}
    async with asyncio.timeout(PATIENCE_S):
        async for batch in rig.log.follow(Position.parse("0:0"), frozenset({ArtifactStored.TYPE})):
            for positioned in batch:
                event = positioned.recorded.event
                if isinstance(event, ArtifactStored) and positioned.recorded.originator_id == call_id:
                    found[event.track] = event
            if set(found) == ALL:
                break
    return found


@pytest.mark.parametrize("recording_format", ["wav;l16", "mp3"])
async def test_what_the_store_did_not_take_is_stored_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recording_format: str
) -> None:
    bucket = Away(monkeypatch)
    async with media_rig(tmp_path, providers(), reap_every_s=0.05) as rig:
        caller = await dial(rig, assistant(artifactPlan={"recordingFormat": recording_format}))
        await caller.until_said(1)
        events = await caller.hang_up()
        assert of(events, ArtifactStored) == []
        assert len([event for event in of(events, Warned) if event.code == "artifact-not-stored"]) == 2

        bucket.back()
        found = await stored(rig, caller.call_id)

        for artifact in found.values():
            with rig.artifacts.open(artifact.location) as file:
                assert len(file.read()) == artifact.size_bytes > 0
    # Who stops right after the last event leaves what is stored for the next one to delete, and nothing else.
    left = {path.name for path in (tmp_path / "live").iterdir() if path.is_file()}
    assert left <= {f"{caller.call_id}.wav", f"{caller.call_id}.log.jsonl.gz"}
