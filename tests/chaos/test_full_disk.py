"""A disk that is full in the middle of a call: the call goes on, and everything that there was room for is kept."""

from __future__ import annotations

import asyncio
import subprocess
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from domain.call.events import ArtifactStored, CallEnded, Warned
from domain.log.position import Position
from media.audio.framing import FRAME_MS
from media.providers.scripted import tone
from tests.unit.media.call.rig import media_rig
from tests.unit.media.call.test_calls import assistant, dial, of, providers, texts


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def loud(samples: NDArray[np.int16]) -> int:
    """Samples of a tone and not of silence, wherever they stand."""
    return int(np.count_nonzero(np.abs(samples.astype(int)) > 1_000))


class Ballast:
    """Everything that was free."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "ballast"
        with self._path.open("wb", buffering=0) as file:
            for piece in (1 << 16, 1 << 12, 1):
                try:
                    while file.write(bytes(piece)) == piece:
                        pass
                except OSError:
                    continue

    def drop(self) -> None:
        self._path.unlink()


async def test_a_disk_that_is_full_for_a_while_costs_a_stretch_of_the_recording_and_no_event(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("media.call.recorder.PERIOD_S", 0.1)
    heard = providers("one", "two", "three")
    async with media_rig(small_disk, heard, log_retry_s=0.02, event_spool_reserve_bytes=1 << 20) as rig:
        caller = await dial(rig)
        await caller.until_said(1)
        await caller.speak(1_700)
        await caller.until_said(2)
        ballast = Ballast(small_disk)
        await caller.speak(1_700)
        await caller.until_said(3)
        async with asyncio.timeout(60):
            while "no space" not in rig.tier.trouble:  # noqa: ASYNC110 - as an orchestrator asks
                await asyncio.sleep(0.01)
        assert "memory only" not in rig.tier.trouble
        ballast.drop()
        await caller.speak(1_700)
        await caller.until_said(4)
        events = await caller.hang_up()
        assert rig.tier.trouble == ""
        assert texts(events, "user") == ["one", "two", "three"]
        assert of(events, CallEnded)[0].reason == "manually-canceled"
        warnings = {warning.code: warning.detail for warning in of(events, Warned)}
        assert "No space left" in warnings["recording-stopped"]
        assert "silent where the disk took nothing" in warnings["recording-incomplete"]
        tracks = {event.track: event for event in of(events, ArtifactStored)}
        assert set(tracks) == {"stereo", "mono", "customer", "assistant", "log"}
        with rig.artifacts.open(tracks["customer"].location) as file, wave.open(file, "rb") as track:
            samples = np.frombuffer(track.readframes(track.getnframes()), np.int16)
        assert len(samples) / 16 == pytest.approx(tracks["customer"].duration_ms, abs=1)
        # Each of the three times the caller spoke for 85 frames; of the second there is less.
        assert 160 <= loud(samples) / loud(np.frombuffer(tone(FRAME_MS), np.int16)) <= 245


async def test_a_disk_that_is_full_at_the_end_keeps_what_there_is_and_stores_it_when_it_can(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("media.call.recorder.PERIOD_S", 0.1)
    async with media_rig(
        small_disk, providers("one"), log_retry_s=0.02, event_spool_reserve_bytes=1 << 20, reap_every_s=0.05
    ) as rig:
        caller = await dial(rig, assistant(firstMessage="A greeting of some length, which takes a while."))
        await caller.until_said(1)
        await caller.speak(1_700)
        await caller.until_said(2)
        ballast = Ballast(small_disk)
        caller.control(type="end-call")
        await caller.closed_event.wait()
        ballast.drop()
        events = await caller.ended()
        async for batch in rig.log.follow(Position(0, 0), frozenset({"call.artifact_stored"})):
            stored = [item.recorded.event for item in batch]
            if any(isinstance(event, ArtifactStored) and event.track == "assistant" for event in stored):
                break
        tracks = {event.track: event for event in of(rig.events(caller.call_id), ArtifactStored)}
        assert {"stereo", "mono", "customer", "assistant"} <= set(tracks)
        assert (tracks["stereo"].duration_ms or 0) > 1_700
        assert of(events, CallEnded)[0].reason == "manually-canceled"
