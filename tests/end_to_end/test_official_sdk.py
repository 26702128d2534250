"""The official Python SDK against a real server, told nothing but the base URL and a key."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from vapi import Vapi
from vapi import types as sdk  # each type when it is first named: importing all of them takes ten seconds
from vapi.core.api_error import ApiError

from domain.call.aggregate import CALL
from domain.call.commands import ClaimCall, EndCall
from domain.call.events import ArtifactStored
from domain.organization.founding import Founding
from tests.unit.api.installation import Installation

SOUND = bytes(range(256)) * 40
WEBSOCKET = {
    "provider": "vapi.websocket",
    "audioFormat": {"format": "pcm_s16le", "container": "raw", "sampleRate": 16000},
}


def make_assistant(vapi: Vapi, **fields: Any) -> sdk.Assistant:
    return vapi.assistants.create(
        name="Reception",
        first_message="Hello!",
        model={"provider": "vapi", "messages": [{"role": "system", "content": "Be brief."}]},
        voice={"provider": "vapi", "voiceId": "Elliot"},
        transcriber={"provider": "deepgram", "model": "nova-3", "language": "en"},
        **fields,
    )


def make_call(vapi: Vapi, assistant_id: str, **fields: Any) -> sdk.Call:
    call = vapi.calls.create(assistant_id=assistant_id, transport=WEBSOCKET, **fields)
    assert isinstance(call, sdk.Call)
    return call


def test_the_life_of_an_assistant(vapi: Vapi) -> None:
    created = make_assistant(vapi)
    assert created.model.provider == "vapi"
    assert created.model.messages[0].content == "Be brief."
    assert created.transcriber.model == "nova-3"
    assert vapi.assistants.get(created.id) == created
    assert created in vapi.assistants.list(limit=10)

    updated = vapi.assistants.update(created.id, first_message="Good morning!", end_call_phrases=["goodbye"])
    assert (updated.first_message, updated.end_call_phrases) == ("Good morning!", ["goodbye"])
    assert updated.name == "Reception"
    assert vapi.assistants.update(created.id, first_message=None).first_message is None

    assert vapi.assistants.delete(created.id).id == created.id
    with pytest.raises(ApiError) as refused:
        vapi.assistants.get(created.id)
    assert refused.value.status_code == 404
    assert refused.value.body["error"] == "Not Found"


def test_lists_are_bounded_by_time(vapi: Vapi, installation: Installation) -> None:
    before = make_assistant(vapi)
    installation.clock.forward(hours=1)
    after = make_assistant(vapi)
    between = before.created_at + timedelta(minutes=30)
    later = {assistant.id for assistant in vapi.assistants.list(created_at_gt=between)}
    earlier = {assistant.id for assistant in vapi.assistants.list(created_at_lt=between.astimezone(UTC))}
    assert after.id in later - earlier
    assert before.id in earlier - later


def test_the_life_of_a_call(vapi: Vapi, installation: Installation) -> None:
    assistant = make_assistant(vapi)
    call = make_call(vapi, assistant.id, name="first")
    assert (call.status, call.type, call.name) == ("queued", "vapi.websocketCall", "first")
    assert call.transport.provider == "vapi.websocket"
    assert call.transport.audio_format.sample_rate == 16000
    url = installation.dependencies.settings.websocket_base_url()
    assert call.transport.websocketCallUrl.startswith(f"{url}/{call.id}/")
    assert call.monitor.listen_url.startswith(f"{url}/{call.id}/")
    assert call.monitor.control_url.startswith(f"{installation.dependencies.settings.base_url()}/{call.id}/")

    assert vapi.calls.get(call.id).assistant_id == assistant.id
    assert [found.id for found in vapi.calls.list(assistant_id=assistant.id)] == [call.id]
    assert vapi.calls.list(id=call.id, assistant_id="another") == []
    assert vapi.calls.update(call.id, name="renamed").name == "renamed"
    assert vapi.calls.delete(call.id).id == call.id
    assert vapi.calls.list(assistant_id=assistant.id) == []


def test_a_call_with_an_inline_assistant_built_from_sdk_types(vapi: Vapi) -> None:
    call = vapi.calls.create(
        assistant=sdk.CreateAssistantDto(first_message="Hi", max_duration_seconds=30),
        transport={
            "provider": "vapi.websocket",
            "audio_format": sdk.AudioFormat(format="mulaw", container="raw", sample_rate=8000),
        },
    )
    assert isinstance(call, sdk.Call)
    assert call.assistant.first_message == "Hi"
    assert (call.transport.audio_format.format, call.transport.audio_format.sample_rate) == ("mulaw", 8000)


async def store_recording(installation: Installation, call_id: str) -> None:
    log = installation.log
    await log.execute(CALL, call_id, ClaimCall(owner="test", lease_seconds=5))
    await log.execute(CALL, call_id, EndCall(reason="customer-ended-call"))
    installation.artifacts.files["mono.wav"] = SOUND
    digest = hashlib.sha256(SOUND).hexdigest()
    stored = ArtifactStored(
        track="mono", location="mono.wav", sha256=digest, size_bytes=len(SOUND), content_type="audio/wav"
    )
    await log.record(call_id, [stored], [datetime.now(UTC)])


def test_a_recording_is_downloaded_through_the_redirect(vapi: Vapi, installation: Installation) -> None:
    call = make_call(vapi, make_assistant(vapi).id)
    with pytest.raises(ApiError) as missing:
        vapi.calls.call_artifact_controller_mono_recording_download(call.id)
    assert missing.value.status_code == 404
    asyncio.run(store_recording(installation, call.id))
    answer = vapi.calls.with_raw_response.call_artifact_controller_mono_recording_download(call.id)
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["content-length"] == str(len(SOUND))
    assert vapi.calls.get(call.id).artifact.recording.mono.combined_url.endswith(f"/call/{call.id}/mono-recording")


def test_analytics(vapi: Vapi, installation: Installation, founding: Founding) -> None:
    installation.analytics.answer = [
        {
            "name": "calls",
            "timeRange": {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z", "timezone": "UTC"},
            "result": [{"countId": 3}],
        }
    ]
    results = vapi.analytics.get(
        queries=[
            sdk.AnalyticsQuery(
                table="call", name="calls", operations=[sdk.AnalyticsOperation(operation="count", column="id")]
            )
        ]
    )
    assert results[0].result == [{"countId": 3}]
    org_id, queries = installation.analytics.asked[-1]
    assert org_id == founding.organization_id
    assert queries[0]["operations"] == [{"operation": "count", "column": "id"}]


def test_refusals_reach_the_client_as_bodies_it_can_read(vapi: Vapi, installation: Installation) -> None:
    with pytest.raises(ApiError) as unknown:
        vapi.calls.create(assistant_id="4d0b4d3c-0000-4000-8000-000000000000", transport=WEBSOCKET)
    assert unknown.value.status_code == 400
    assert unknown.value.body["message"] == (
        "Couldn't Get Assistant. `assistantId` 4d0b4d3c-0000-4000-8000-000000000000 Does Not Exist."
    )
    with pytest.raises(ApiError) as invalid:
        vapi.assistants.create(name="x" * 41)
    assert invalid.value.body["message"] == ["name must be shorter than or equal to 40 characters"]
    with pytest.raises(ApiError) as no_number:
        vapi.calls.create(assistant_id="4d0b4d3c-0000-4000-8000-000000000000")
    assert no_number.value.body["message"].startswith("Couldn't Get Phone Number.")
    with pytest.raises(ApiError) as unbuilt:
        vapi.eval.eval_controller_get_runs_paginated(request_options={"max_retries": 0})
    assert unbuilt.value.status_code == 501
    stranger = Vapi(token="nobody's key", base_url=installation.dependencies.settings.base_url())
    with pytest.raises(ApiError) as unauthorized:
        stranger.assistants.list()
    assert unauthorized.value.status_code == 401
    assert unauthorized.value.body["message"].startswith("Invalid Key.")
