"""What is said about each way in which a configuration can be wrong, path first."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.unit.api.installation import Installation

MODEL = {"provider": "openai", "model": "gpt-4o"}


@pytest.mark.parametrize(
    ("config", "message", "code", "pointer"),
    [
        ({"foo": 1}, "property foo should not exist", "FIELD_NOT_ALLOWED", "/body/foo"),
        ({"id": "x"}, "property id should not exist", "FIELD_NOT_ALLOWED", "/body/id"),
        ({"name": 5}, "name must be a string", "INVALID_TYPE", "/body/name"),
        (
            {"name": "x" * 41},
            "name must be shorter than or equal to 40 characters",
            "OUT_OF_RANGE",
            "/body/name",
        ),
        (
            {"maxDurationSeconds": 9},
            "maxDurationSeconds must not be less than 10",
            "OUT_OF_RANGE",
            "/body/maxDurationSeconds",
        ),
        (
            {"maxDurationSeconds": 43201},
            "maxDurationSeconds must not be greater than 43200",
            "OUT_OF_RANGE",
            "/body/maxDurationSeconds",
        ),
        (
            {"maxDurationSeconds": "600"},
            "maxDurationSeconds must be a number",
            "INVALID_TYPE",
            "/body/maxDurationSeconds",
        ),
        (
            {"silenceTimeoutSeconds": 5},
            "silenceTimeoutSeconds must not be less than 10",
            "OUT_OF_RANGE",
            "/body/silenceTimeoutSeconds",
        ),
        (
            {"stopSpeakingPlan": {"voiceSeconds": 0.6}},
            "stopSpeakingPlan.voiceSeconds must not be greater than 0.5",
            "OUT_OF_RANGE",
            "/body/stopSpeakingPlan/voiceSeconds",
        ),
        (
            {"startSpeakingPlan": {"waitSecond": 1}},
            "startSpeakingPlan.property waitSecond should not exist",
            "FIELD_NOT_ALLOWED",
            "/body/startSpeakingPlan/waitSecond",
        ),
        (
            {"startSpeakingPlan": {"smartEndpointingEnabled": "yes"}},
            "startSpeakingPlan.smartEndpointingEnabled must be one of the following values: true, false, livekit",
            "INVALID_CHOICE",
            "/body/startSpeakingPlan/smartEndpointingEnabled",
        ),
        (
            {
                "startSpeakingPlan": {
                    "customEndpointingRules": [{"type": "customer", "regex": "a", "timeoutSeconds": 16}]
                }
            },
            "startSpeakingPlan.customEndpointingRules.0.timeoutSeconds must not be greater than 15",
            "OUT_OF_RANGE",
            "/body/startSpeakingPlan/customEndpointingRules/0/timeoutSeconds",
        ),
        (
            {
                "startSpeakingPlan": {
                    "customEndpointingRules": [{"type": "customer", "regex": "(a", "timeoutSeconds": 1}]
                }
            },
            "startSpeakingPlan.customEndpointingRules.0.regex is not a regular expression: missing ): (a; Correct it.",
            "INVALID_FORMAT",
            "/body/startSpeakingPlan/customEndpointingRules/0/regex",
        ),
        ({"model": 4}, "model must be an object", "INVALID_TYPE", "/body/model"),
        ({"model": {"model": "gpt-4o"}}, "model.provider is required", "FIELD_REQUIRED", "/body/model/provider"),
        (
            {"model": {"provider": "openai"}},
            "model.model is required",
            "FIELD_REQUIRED",
            "/body/model/model",
        ),
        (
            {"model": {**MODEL, "messages": [{"role": "system", "content": 5}]}},
            "model.messages.0.content must be a string",
            "INVALID_TYPE",
            "/body/model/messages/0/content",
        ),
        (
            {"model": {**MODEL, "toolIds": ["not-a-uuid"]}},
            "each value in model.toolIds must be a UUID",
            "INVALID_FORMAT",
            "/body/model/toolIds/0",
        ),
        (
            {"model": {**MODEL, "temperature": 2.5}},
            "model.temperature must not be greater than 2",
            "OUT_OF_RANGE",
            "/body/model/temperature",
        ),
        (
            {"model": {**MODEL, "tools": [{"type": "function", "function": {"name": "no spaces"}}]}},
            "model.tools.0.function.name must match ^[a-zA-Z0-9_-]{1,64}$",
            "INVALID_FORMAT",
            "/body/model/tools/0/function/name",
        ),
        (
            {"model": {**MODEL, "fallbackModels": ["a", "a"]}},
            "model.fallbackModels must hold each model only once",
            "INVALID_VALUE",
            "/body/model/fallbackModels",
        ),
        (
            {"model": {"provider": "custom-llm", "model": "m", "url": "localhost"}},
            "model.url must be a URL address, such as https://example.com/path",
            "INVALID_FORMAT",
            "/body/model/url",
        ),
        (
            {"voice": {"provider": "cartesia", "voiceId": "x", "speed": 1}},
            "voice.property speed should not exist",
            "FIELD_NOT_ALLOWED",
            "/body/voice/speed",
        ),
        (
            {"voice": {"provider": "openai", "voiceId": "alloy", "speed": 5}},
            "voice.speed must not be greater than 4",
            "OUT_OF_RANGE",
            "/body/voice/speed",
        ),
        (
            {"clientMessages": ["transcript", "nonsense"]},
            "each value in clientMessages must be one of the following values: ",
            "INVALID_CHOICE",
            "/body/clientMessages/1",
        ),
        ({"clientMessages": 5}, "clientMessages must be an array", "INVALID_TYPE", "/body/clientMessages"),
        (
            {"clientMessages": "nonsense"},
            "each value in clientMessages must be one of the following values: ",
            "INVALID_CHOICE",
            "/body/clientMessages/0",
        ),
        (
            {"endCallPhrases": ["x"]},
            "each value in endCallPhrases must be longer than or equal to 2 characters",
            "OUT_OF_RANGE",
            "/body/endCallPhrases/0",
        ),
        (
            {"server": {"timeoutSeconds": 0}},
            "server.timeoutSeconds must not be less than 1",
            "OUT_OF_RANGE",
            "/body/server/timeoutSeconds",
        ),
        (
            {"voicemailDetection": "on"},
            'voicemailDetection must be "off" or an object whose provider is one of: google, openai, twilio, vapi',
            "INVALID_VALUE",
            "/body/voicemailDetection",
        ),
        (
            {"firstMessageInterruptionsEnabled": "true"},
            "firstMessageInterruptionsEnabled must be a boolean value",
            "INVALID_TYPE",
            "/body/firstMessageInterruptionsEnabled",
        ),
        (
            {"backgroundSound": "beach"},
            "backgroundSound must be a URL address, such as https://example.com/path",
            "INVALID_FORMAT",
            "/body/backgroundSound",
        ),
        ({"hooks": [{"on": "call.ending"}]}, "hooks.0.do is required", "FIELD_REQUIRED", "/body/hooks/0/do"),
    ],
)
async def test_each_violation_is_named(
    asking: httpx.AsyncClient, shared: Installation, config: dict[str, Any], message: str, code: str, pointer: str
) -> None:
    before = shared.log.head()
    answer = await asking.post("/assistant", json=config)
    body = answer.json()
    assert answer.status_code == 400
    assert (body["error"], body["statusCode"]) == ("Bad Request", 400)
    assert len(body["message"]) == 1
    assert body["message"][0].startswith(message)
    assert body["errors"] == [{"code": code, "message": body["message"][0], "pointer": pointer}]
    assert (body["type"], body["status"], body["code"]) == (
        "urn:vapi:problem:validation-failed",
        400,
        "VALIDATION_FAILED",
    )
    assert body["requestId"] == answer.headers["x-request-id"]
    assert shared.log.head() == before


@pytest.mark.parametrize("part", ["model", "voice", "transcriber"])
async def test_an_unknown_provider_is_refused_with_the_known_ones(asking: httpx.AsyncClient, part: str) -> None:
    message = (await asking.post("/assistant", json={part: {"provider": "acme", "model": "m", "voiceId": "v"}})).json()[
        "message"
    ]
    assert message[0].startswith(f"{part}.provider must be one of the following values: ")
    assert "vapi" in message[0]


async def test_all_violations_are_listed_at_once(asking: httpx.AsyncClient) -> None:
    answer = await asking.post("/assistant", json={"name": 1, "foo": 2, "model": {"provider": "openai"}})
    assert sorted(answer.json()["message"]) == [
        "model.model is required",
        "name must be a string",
        "property foo should not exist",
    ]


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"model": {"provider": "groq", "model": "llama", "somethingOnlyGroqKnows": {"a": 1}}},
        {"voice": {"provider": "rime-ai", "voiceId": "x", "speedAlpha": 2}},
        {"transcriber": {"provider": "gladia", "prosody": True}},
        {
            "model": {"provider": "vapi"},
            "voice": None,
            "endCallFunctionEnabled": True,
            "serverUrl": "https://a.example",
        },
        {"model": {"provider": "custom-llm", "model": "m", "url": "https://{{host}}/v1"}},
        {"startSpeakingPlan": {"smartEndpointingEnabled": "livekit", "waitSeconds": 0}},
        {"voicemailDetection": {"provider": "twilio", "machineDetectionTimeout": 30}},
        {"serverMessages": ['transcript[transcriptType="final"]', "function-call"]},
        {"backgroundSound": "office"},
        {"backgroundSound": "https://sounds.example/beach.mp3"},
        {"artifactPlan": {"recordingFormat": "wav;l16", "pcapS3PathPrefix": "/pcaps"}},
        {"model": {"provider": "openai", "model": "gpt-9-that-does-not-exist-yet", "tools": [{"type": "dtmf"}]}},
    ],
)
async def test_what_the_platform_accepts_is_kept_as_sent(asking: httpx.AsyncClient, config: dict[str, Any]) -> None:
    answer = await asking.post("/assistant", json=config)
    assert answer.status_code == 201, answer.text
    assert {key: answer.json()[key] for key in config} == config


WEBSOCKET = {"provider": "vapi.websocket"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"transport": {**WEBSOCKET, "audioFormat": {"format": "opus"}}},
            "transport.audioFormat.format must be one of the following values: pcm_s16le, mulaw",
        ),
        (
            {"transport": {**WEBSOCKET, "audioFormat": {"format": "mulaw", "sampleRate": 44100}}},
            "transport.audioFormat.sampleRate must be one of the following values: 8000, 16000, 24000",
        ),
        (
            {"transport": {**WEBSOCKET, "audioFormat": {"format": "mulaw", "container": "wav"}}},
            "transport.audioFormat.container must be one of the following values: raw",
        ),
        (
            {"transport": {"provider": "carrier-pigeon"}},
            "transport.provider must be one of the following values: vapi.websocket, callfold.webrtc, twilio, "
            "vonage, telnyx, vapi.sip, daily",
        ),
        ({"assistant": {"foo": 1}}, "assistant.property foo should not exist"),
        (
            {"transport": WEBSOCKET, "assistant": {}, "customer": {"number": "+15551234567"}},
            "property customer should not exist when transport.provider is vapi.websocket",
        ),
        (
            {"transport": WEBSOCKET, "assistant": {}, "phoneNumberId": "4d0b4d3c-0000-4000-8000-000000000000"},
            "property phoneNumberId should not exist when transport.provider is vapi.websocket",
        ),
        (
            {"assistantOverrides": {"model": {"temperature": 5}}},
            "assistantOverrides.model.temperature must not be greater than 2",
        ),
        ({"name": "x" * 41}, "name must be shorter than or equal to 40 characters"),
    ],
)
async def test_each_violation_of_a_call_is_named(asking: httpx.AsyncClient, body: dict[str, Any], message: str) -> None:
    answer = await asking.post("/call", json=body)
    assert (answer.status_code, answer.json()["message"]) == (400, [message])


async def test_overrides_may_give_parts_of_a_model(asking: httpx.AsyncClient) -> None:
    overrides = {
        "model": {"messages": [{"role": "system", "content": "Be rude."}]},
        "voice": {"provider": "openai", "speed": 2},
        "variableValues": {"name": "Ada"},
        "tools:append": [{"type": "endCall"}],
    }
    answer = await asking.post("/call", json={"transport": WEBSOCKET, "assistant": {}, "assistantOverrides": overrides})
    assert answer.status_code == 201, answer.text
    assert answer.json()["assistantOverrides"] == overrides
