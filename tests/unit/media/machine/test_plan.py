"""Parsing an assistant's configuration: defaults, limits, and errors that name the field."""

from __future__ import annotations

from contextlib import suppress
from copy import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.call.resolution import resolve_assistant
from domain.call.squads import SquadInvalid, read_squad
from domain.call.variables import CallFacts
from domain.configuration.lookup import NotStored, Stored
from domain.server_messages.selection import DEFAULT_CLIENT_MESSAGES
from media.machine.listening_plans import DenoisingPlan
from media.machine.plan import CallPlan, PlanInvalid
from media.text.chunking import DEFAULT_BOUNDARIES


def plan(config: dict[str, Any], **facts: Any) -> CallPlan:
    return CallPlan.from_assistant(config, **facts)


def test_defaults() -> None:
    empty = plan({})
    assert (empty.start.wait_ms, empty.start.smart, empty.start.rules) == (400, "off", ())
    assert (empty.start.on_punctuation_ms, empty.start.on_no_punctuation_ms) == (100, 1500)
    assert empty.start.on_number_ms == 500
    assert (empty.stop.num_words, empty.stop.voice_ms, empty.stop.backoff_ms) == (0, 200, 1000)
    assert len(empty.stop.acknowledgements) == 22
    assert len(empty.stop.interruptions) == 20
    assert (empty.max_duration_ms, empty.silence_ms) == (600_000, 30_000)
    assert (empty.idle.texts, empty.idle.after_ms, empty.idle.max_count) == ((), 10_000, 3)
    assert empty.first_message_mode == "assistant-speaks-first"
    assert not empty.first_message_interruptible
    assert empty.client_messages == DEFAULT_CLIENT_MESSAGES
    assert (empty.chunks.enabled, empty.chunks.min_characters) == (True, 30)
    assert empty.chunks.boundaries == DEFAULT_BOUNDARIES
    assert (empty.formatting.enabled, empty.formatting.number_to_digits_cutoff) == (True, 2025)
    assert (empty.transcriber.name, empty.model.name, empty.voice.name) == ("vapi", "vapi", "vapi")
    assert empty.transport.name == "vapi.websocket"
    assert empty.tools == {}


def test_null_reads_as_absent() -> None:
    names = ("firstMessage", "startSpeakingPlan", "stopSpeakingPlan", "voice", "model", "messagePlan", "clientMessages")
    absent = plan({})
    null = plan(dict.fromkeys(names))
    assert (null.start, null.stop, null.idle, null.chunks) == (absent.start, absent.stop, absent.idle, absent.chunks)
    assert null.client_messages == absent.client_messages


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"firstMessage": 5}, "firstMessage"),
        ({"firstMessageMode": "sings"}, "firstMessageMode"),
        ({"maxDurationSeconds": "long"}, "maxDurationSeconds"),
        ({"maxDurationSeconds": 10**6}, "maxDurationSeconds"),
        ({"maxDurationSeconds": True}, "maxDurationSeconds"),
        ({"startSpeakingPlan": []}, "startSpeakingPlan"),
        ({"startSpeakingPlan": {"waitSeconds": 6}}, "startSpeakingPlan.waitSeconds"),
        ({"startSpeakingPlan": {"waitSeconds": float("nan")}}, "startSpeakingPlan.waitSeconds"),
        ({"startSpeakingPlan": {"smartEndpointingEnabled": "perhaps"}}, "startSpeakingPlan.smartEndpointingEnabled"),
        (
            {"startSpeakingPlan": {"smartEndpointingPlan": {"provider": "oracle"}}},
            "startSpeakingPlan.smartEndpointingPlan.provider",
        ),
        (
            {"startSpeakingPlan": {"smartEndpointingPlan": {"provider": "livekit", "waitFunction": "import os"}}},
            "startSpeakingPlan.smartEndpointingPlan.waitFunction",
        ),
        (
            {"startSpeakingPlan": {"customEndpointingRules": [{"type": "customer", "regex": "("}]}},
            "startSpeakingPlan.customEndpointingRules[0].regex",
        ),
        (
            {"startSpeakingPlan": {"customEndpointingRules": [{"type": "user", "regex": "a"}]}},
            "startSpeakingPlan.customEndpointingRules[0].type",
        ),
        ({"stopSpeakingPlan": {"numWords": 11}}, "stopSpeakingPlan.numWords"),
        ({"stopSpeakingPlan": {"interruptionPhrases": ["a", 1]}}, "stopSpeakingPlan.interruptionPhrases[1]"),
        ({"endCallPhrases": "bye"}, "endCallPhrases"),
        ({"model": "gpt"}, "model"),
        ({"model": {"messages": [{"role": "king", "content": "x"}]}}, "model.messages[0].role"),
        ({"model": {"tools": [{"type": "function"}]}}, "model.tools[0].function.name"),
        (
            {"model": {"tools": [{"type": "function", "function": {"name": "f"}, "messages": [{"type": "x"}]}]}},
            "model.tools[0].messages[0].type",
        ),
        ({"voice": {"chunkPlan": {"minCharacters": 0}}}, "voice.chunkPlan.minCharacters"),
        (
            {"voice": {"chunkPlan": {"formatPlan": {"formattersEnabled": ["magic"]}}}},
            "voice.chunkPlan.formatPlan.formattersEnabled",
        ),
        (
            {"voice": {"chunkPlan": {"formatPlan": {"replacements": [{"type": "regex", "regex": "["}]}}}},
            "voice.chunkPlan.formatPlan.replacements[0].regex",
        ),
        (
            {"voice": {"chunkPlan": {"formatPlan": {"replacements": [{"type": "exact", "value": "x"}]}}}},
            "voice.chunkPlan.formatPlan.replacements[0].key",
        ),
    ],
)
def test_what_cannot_be_followed_is_named(config: dict[str, Any], field: str) -> None:
    with pytest.raises(PlanInvalid) as caught:
        plan(config)
    assert caught.value.field == field
    assert caught.value.reason
    assert caught.value.fix
    assert field in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 100_000) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = (
    *("firstMessage", "firstMessageMode", "model", "voice", "transcriber", "startSpeakingPlan", "stopSpeakingPlan"),
    *("maxDurationSeconds", "silenceTimeoutSeconds", "messagePlan", "endCallMessage", "endCallPhrases", "server"),
    *("clientMessages", "name", "hooks", "serverUrl", "endCallFunctionEnabled"),
)


@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4))
def test_odd_values_give_a_plan_or_the_one_error(config: dict[str, Any]) -> None:
    try:
        problem = "" if plan(config) else "no plan"
    except PlanInvalid as error:
        problem = error.field.split(".")[0].split("[")[0]
    assert problem in ("", *FIELDS)


TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "server": {"url": "https://tools.example", "headers": {"a": "b"}, "backoffPlan": {"type": "fixed"}},
        "function": {
            "name": "f",
            "strict": True,
            "parameters": {
                "type": "object",
                "properties": {"a": {"type": "array", "items": {"type": "string", "enum": ["x"]}}},
                "required": ["a"],
            },
        },
        "messages": [{"type": "request-start", "contents": [{"text": "t", "language": "en"}], "conditions": []}],
        "parameters": [{"key": "k", "value": "{{x}}"}],
        "rejectionPlan": {"conditions": [{"type": "regex", "regex": "x", "target": {"position": -1}}]},
    },
    {
        "type": "apiRequest",
        "url": "https://{{x}}",
        "body": {"type": "object", "properties": {"a": {"value": 1}}, "required": ["a"]},
        "headers": {"properties": {"h": {"value": "x"}}},
    },
    {
        "type": "transferCall",
        "destinations": [{"type": "assistant", "assistantName": "B", "message": {"contents": [{"text": "t"}]}}],
    },
    {"type": "query", "knowledgeBases": [{"name": "n", "fileIds": ["f"]}]},
]
WHOLE: dict[str, Any] = {
    "name": "A",
    "firstMessage": "{{ hello }}",
    "model": {
        "messages": [{"role": "system", "content": "{{ x }}"}],
        "tools": TOOLS,
        "toolIds": ["t"],
        "toolRefs": [{"toolId": "t", "version": "v1"}],
    },
    "voice": {"chunkPlan": {"formatPlan": {"replacements": [{"type": "exact", "key": "a"}]}}},
    "transcriber": {"provider": "deepgram", "languages": ["en"], "confidenceThreshold": 0.4},
    "startSpeakingPlan": {
        "smartEndpointingPlan": {"provider": "livekit", "waitFunction": "x"},
        "customEndpointingRules": [{"type": "customer", "regex": "a"}],
    },
    "hooks": [
        {
            "on": "customer.speech.timeout",
            "options": {"timeoutSeconds": 5},
            "do": [{"type": "say", "exact": ["a"]}, {"type": "tool", "tool": TOOLS[0]}],
            "filters": [{"type": "oneOf", "key": "k", "oneOf": ["x"]}],
        }
    ],
    "compliancePlan": {"recordingConsentPlan": {"type": "verbal", "message": "m", "declineToolId": "t"}},
}
NONSENSE: tuple[Any, ...] = (
    None,
    True,
    -1,
    1e300,
    "",
    "{{x}}",
    "{% if %}",
    [],
    [None],
    [[1]],
    ["a"],
    {},
    {"type": 5},
    {"a": [{}]},
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, part in inner for place in ((*path, key), *places(part, (*path, key)))]


def put(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    if not path:
        return other
    changed = copy(value)
    changed[path[0]] = put(value[path[0]], path[1:], other)
    return changed


class NothingStored:
    def find(self, kind: str, id: str, version: str | None = None) -> Stored:
        raise NotStored(kind, id)


@settings(max_examples=150)
@given(st.sampled_from(places(WHOLE)), st.sampled_from(NONSENSE))
def test_nonsense_anywhere_in_an_assistant_is_followed_or_refused_by_name(path: tuple[Any, ...], other: Any) -> None:
    """A server may answer with such an assistant in mid-call, which nobody has validated: the call must go on."""
    config = put(WHOLE, path, other)
    squad = {
        "members": [{"assistant": config, "assistantDestinations": [other, {"type": "assistant"}]}],
        "membersOverrides": other,
    }
    facts, now = CallFacts(call_id="c", type="webCall"), datetime(2026, 1, 1, tzinfo=UTC)
    with suppress(NotStored, SquadInvalid):
        read_squad(squad, NothingStored())
    with suppress(NotStored):
        resolve_assistant(config, None, facts, now, stored=NothingStored())
    resolved = resolve_assistant(config, None, facts, now)
    made = None
    with suppress(PlanInvalid):
        made = plan(resolved.config, late_templates=resolved.late, variables=resolved.variable_values)
    assert made is None or made.assistant == resolved.config


def test_older_chunk_settings_win() -> None:
    voice = {"inputMinCharacters": 12, "inputPunctuationBoundaries": ["."], "chunkPlan": {"minCharacters": 50}}
    chunks = plan({"voice": voice}).chunks
    assert (chunks.min_characters, chunks.first_min_characters, chunks.boundaries) == (12, 12, frozenset("."))


def test_whether_a_tool_call_reaches_a_server() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    own = [{"type": "function", "function": {"name": "f"}, "server": {"url": "https://x.example"}}]
    assert plan({"model": {"tools": tools}}).tools["f"].kind == "client"
    assert plan({"model": {"tools": own}}).tools["f"].kind == "remote"
    assert plan({"model": {"tools": tools}, "server": {"url": "https://x.example"}}).tools["f"].kind == "remote"
    assert plan({"model": {"tools": tools}, "serverUrl": "https://x.example"}).tools["f"].kind == "remote"
    assert plan({"model": {"tools": tools}}, server_available=True).tools["f"].kind == "remote"


def test_end_call_function_enabled_makes_an_end_call_tool() -> None:
    assert plan({"endCallFunctionEnabled": True}).tools["endCall"].kind == "endCall"


def test_an_audio_file_as_first_message_is_not_read_out() -> None:
    audio = plan({"firstMessage": "https://cdn.example/hello.mp3", "backgroundSound": "https://cdn.example/room.wav"})
    assert audio.first_message_sound == "https://cdn.example/hello.mp3"
    assert audio.first_message == "[recorded message]"
    assert audio.public()["firstMessage"] == "https://cdn.example/hello.mp3"
    assert audio.background == "https://cdn.example/room.wav"
    assert audio.unsupported == ()


def test_deprecated_waits_count_where_no_plan_says_otherwise() -> None:
    old = {"responseDelaySeconds": 1.5, "numWordsToInterruptAssistant": 3}
    assert (plan(old).start.wait_ms, plan(old).stop.num_words) == (1_500, 3)
    new = {**old, "startSpeakingPlan": {"waitSeconds": 0.2}, "stopSpeakingPlan": {"numWords": 0}}
    assert (plan(new).start.wait_ms, plan(new).stop.num_words) == (200, 0)


def test_what_calls_go_on_without_is_named() -> None:
    config = {"model": {"numFastTurns": 2}, "observabilityPlan": {"provider": "langfuse", "tags": []}}
    assert plan(config).unsupported == ("model.numFastTurns", "observabilityPlan")
    assert plan({"model": {"numFastTurns": 0}}).unsupported == ()


def test_denoising_is_off_unless_it_is_asked_for() -> None:
    assert plan({"backgroundSpeechDenoisingPlan": {"smartDenoisingPlan": {}}}).denoising == DenoisingPlan()
    assert plan({"backgroundDenoisingEnabled": True}).denoising.smart
    wanted = plan(
        {
            "backgroundSpeechDenoisingPlan": {
                "smartDenoisingPlan": {"enabled": True},
                "fourierDenoisingPlan": {"enabled": True, "staticThreshold": -50, "windowSizeMs": 5_000},
            }
        }
    ).denoising
    assert wanted.smart
    assert wanted.gate is not None
    assert (wanted.gate.static_db, wanted.gate.offset_db, wanted.gate.window_ms) == (-50, -15, 5_000)
    with pytest.raises(PlanInvalid, match="baselinePercentile is not a number from 1 to 99"):
        plan({"backgroundSpeechDenoisingPlan": {"fourierDenoisingPlan": {"baselinePercentile": 100}}})


def test_what_clients_and_usage_see_holds_no_secret() -> None:
    config = {
        "model": {"provider": "custom-llm", "model": "m", "url": "https://x", "headers": {"key": "secret"}},
        "voice": {"provider": "cartesia", "voiceId": "v", "apiKey": "secret"},
    }
    made = plan(config)
    assert made.model.config == {"provider": "custom-llm", "model": "m"}
    assert made.voice.config == {"provider": "cartesia", "voiceId": "v"}
