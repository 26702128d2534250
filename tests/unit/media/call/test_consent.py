"""Consent to being recorded in whole calls: what is on the disk before it was given, and after."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np

from domain.call.events import ArtifactStored, CallEnded, CallStarted, RecordingConsentAnswered, ToolCalled
from domain.call.wire import CallUrls, call_body
from tests.unit.media.call.rig import media_rig
from tests.unit.media.call.test_calls import assistant, dial, of, providers, texts


def asking(wait_s: int) -> dict[str, Any]:
    plan = {"type": "stay-on-line", "message": "This call is recorded.", "waitSeconds": wait_s}
    return {"compliancePlan": {"recordingConsentPlan": plan}}


async def test_the_recording_is_silent_until_the_caller_has_stayed(tmp_path: Path) -> None:
    async with media_rig(tmp_path, providers()) as rig:
        caller = await dial(rig, assistant(**asking(1)))
        await caller.speak(200)
        await caller.until_said(2)
        events = await caller.hang_up()
        (answer,), (started,) = of(events, RecordingConsentAnswered), of(events, CallStarted)
        stereo = next(event for event in of(events, ArtifactStored) if event.track == "stereo")
        with wave.open(str(rig.root / "artifacts" / stereo.location), "rb") as file:
            sound = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
        before = sound[: int((answer.at_ms - started.at_ms) * 16)]
        body = call_body(rig.call(caller.call_id), urls=CallUrls())
    assert texts(events, "assistant") == ["This call is recorded.", "Hello."]
    assert not before.any()
    assert sound[len(before) :, 1].any()
    assert body["compliance"]["recordingConsent"]["type"] == "stay-on-line"
    assert body["compliance"]["recordingConsent"]["grantedAt"].endswith("Z")


async def test_nothing_is_stored_of_a_caller_who_never_agreed(tmp_path: Path) -> None:
    async with media_rig(tmp_path, providers()) as rig:
        caller = await dial(rig, assistant(**asking(6)))
        await caller.speak(100)
        events = await caller.hang_up()
        assert [event.track for event in of(events, ArtifactStored)] == ["log"]
        assert not list(rig.root.rglob("*.wav"))
        assert "compliance" not in call_body(rig.call(caller.call_id), urls=CallUrls())


async def test_a_spoken_no_runs_the_stored_tool(tmp_path: Path) -> None:
    async with media_rig(tmp_path, providers("no thank you")) as rig:
        goodbye = {"type": "endCall", "messages": [{"type": "request-start", "content": "Then we end here."}]}
        tool_id = await rig.store("tool", goodbye)
        plan = {"type": "verbal", "message": "May we record this?", "declineToolId": tool_id}
        caller = await dial(rig, assistant(compliancePlan={"recordingConsentPlan": plan}))
        await caller.until_said(1)
        await caller.speak(200)
        events = await caller.ended()
    (started,) = of(events, CallStarted)
    assert [(use.kind, use.id) for use in started.used] == [("tool", tool_id)]
    assert [event.granted for event in of(events, RecordingConsentAnswered)] == [False]
    assert [event.name for event in of(events, ToolCalled)] == ["endCall"]
    assert texts(events, "assistant") == ["May we record this?", "Then we end here."]
    assert of(events, CallEnded)[0].reason == "assistant-ended-call"
    assert [event.track for event in of(events, ArtifactStored)] == ["log"]
