"""What of a call is written, by what its assistant allows: the storage matrix."""

from __future__ import annotations

import sys
import wave
from pathlib import Path
from typing import Any

import pytest

from domain.call.events import ArtifactStored, MessageCommitted, TranscriptFinalized, TurnMeasured, UsageMetered, Warned
from media.audio import mp3
from media.audio.recording import Recording
from media.call.retention import Retention, RetentionConflict, retention_of
from tests.unit.media.call.rig import media_rig
from tests.unit.media.call.test_calls import Caller, assistant, dial, of, providers

PCI = {"compliancePlan": {"pciEnabled": True}}
SECRET = "four one one one"


@pytest.mark.parametrize(
    ("config", "zero", "expected"),
    [
        ({}, False, Retention()),
        ({"compliancePlan": {"hipaaEnabled": True}}, False, Retention()),
        (PCI, False, Retention(recording=False, words=False, log=False)),
        (
            {"compliancePlan": {"hipaaEnabled": True, "pciEnabled": True}},
            False,
            Retention(False, False, False, told=False),
        ),
        ({}, True, Retention(recording=False, words=False, log=False)),
        ({"artifactPlan": {"recordingEnabled": False}}, False, Retention(recording=False)),
        ({"recordingEnabled": False}, False, Retention(recording=False)),
        ({"artifactPlan": {"loggingEnabled": False}}, False, Retention(log=False)),
        ({"artifactPlan": {"recordingFormat": "mp3"}}, False, Retention(mp3=True)),
    ],
)
def test_the_matrix(config: dict[str, Any], zero: bool, expected: Retention) -> None:
    assert retention_of(config, zero_data_retention=zero) == expected


def test_hipaa_and_zero_retention_exclude_each_other() -> None:
    with pytest.raises(RetentionConflict, match="hipaaEnabled"):
        retention_of({"compliancePlan": {"hipaaEnabled": True}}, zero_data_retention=True)


def holding(folder: Path, text: str) -> list[Path]:
    """The files below a folder that hold a text."""
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


@pytest.mark.parametrize(("config", "settings"), [(PCI, {}), ({}, {"zero_data_retention": True})])
async def test_no_word_sound_or_log_of_such_a_call_reaches_the_disk(
    tmp_path: Path, config: dict[str, Any], settings: dict[str, Any]
) -> None:
    async with media_rig(tmp_path, providers(SECRET, answers=("Thank you for that.",)), **settings) as rig:
        caller = await dial(rig, assistant(**config))
        await caller.until_said(1)
        await caller.speak(400)
        await caller.until_said(2)
        events = await caller.hang_up()
        fragments = rig.fragments.read(caller.call_id)

    assert caller.finals("user") == [SECRET]  # who takes part hears and sees everything
    assert of(events, ArtifactStored) == []
    assert [event.text for event in (*of(events, MessageCommitted), *of(events, TranscriptFinalized))] == [""] * 4
    assert of(events, TurnMeasured)
    assert of(events, UsageMetered)
    assert {fragment.type for fragment in fragments} >= {"mark.t7", "turn.state"}
    assert not [fragment for fragment in fragments if fragment.type == "machine.input"]
    assert holding(tmp_path, SECRET) == []


async def test_without_logging_everything_but_the_log_is_kept(tmp_path: Path) -> None:
    async with media_rig(tmp_path) as rig:
        caller = await dial(rig, assistant(artifactPlan={"loggingEnabled": False}))
        await caller.until_said(1)
        events = await caller.hang_up()
    tracks = {event.track for event in of(events, ArtifactStored)}
    assert tracks == {"stereo", "mono", "customer", "assistant"}


async def test_recordings_are_mp3_where_the_plan_says_so(tmp_path: Path) -> None:
    pytest.importorskip("lameenc")
    async with media_rig(tmp_path, providers(ms_per_character=100)) as rig:
        caller = await dial(rig, assistant(artifactPlan={"recordingFormat": "mp3"}))
        await caller.until_said(1)
        events = await caller.hang_up()
        sound = [event for event in of(events, ArtifactStored) if event.track != "log"]
        heads = []
        for event in sound:
            with rig.artifacts.open(event.location) as file:
                heads.append(file.read(2))
    assert {event.track for event in sound} == {"stereo", "mono", "customer", "assistant"}
    assert {event.content_type for event in sound} == {"audio/mpeg"}
    assert {event.location.rpartition(".")[2] for event in sound} == {"mp3"}
    assert all(head[0] == 0xFF and head[1] & 0xE0 == 0xE0 for head in heads)
    assert not list((tmp_path / "live").glob("*.wav"))


async def test_without_lame_recordings_stay_wav_and_the_call_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lameenc", None)
    async with media_rig(tmp_path) as rig:
        caller = await dial(rig, assistant(artifactPlan={"recordingFormat": "mp3"}))
        await caller.until_said(1)
        events = await caller.hang_up()
    assert {event.content_type for event in of(events, ArtifactStored) if event.track != "log"} == {"audio/wav"}
    (warning,) = [event for event in of(events, Warned) if event.code == "recording-not-compressed"]
    assert "callfold[mp3]" in warning.detail


async def test_a_member_that_takes_payments_leaves_silence_in_the_recording_and_no_words(tmp_path: Path) -> None:
    def member(name: str, **more: Any) -> dict[str, Any]:
        return {"assistant": assistant(name=name, firstMessage=f"This is {name}.", **more)}

    squad = {"members": [member("front"), member("till", **PCI)]}
    # What was said to the till is not kept, so nothing behind it can be stepped again.
    async with media_rig(tmp_path, providers(ms_per_character=20), replays=False) as rig:
        caller = Caller(rig, await rig.create(squad=squad))
        await caller.until_said(1)
        caller.control(type="handoff", destination={"type": "assistant", "assistantName": "till"})
        await caller.until_said(2)
        events = await caller.hang_up()
        tracks = {event.track: event for event in of(events, ArtifactStored)}
        with rig.artifacts.open(tracks["assistant"].location) as file, wave.open(file) as sound:
            samples = sound.readframes(sound.getnframes())
    assert set(tracks) == {"stereo", "mono", "customer", "assistant"}
    front, till = [event for event in of(events, MessageCommitted) if event.role == "assistant"]
    assert (front.text, till.text) == ("This is front.", "")
    handed_over = 16 * 2 * int(till.started_ms)
    assert any(samples[:handed_over])
    assert len(samples) > handed_over
    assert not any(samples[handed_over:])


def test_mp3_is_shorter_than_wav(tmp_path: Path) -> None:
    pytest.importorskip("lameenc")
    recording = Recording(tmp_path / "a.wav")
    recording.finish(2_000)
    assert mp3.encode(tmp_path / "a.wav").stat().st_size < (tmp_path / "a.wav").stat().st_size / 4
