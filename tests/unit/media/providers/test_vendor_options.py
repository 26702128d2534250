"""How Vapi's configurations reach the vendors, and what they never may reach."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from domain.egress import EgressPolicy
from media.egress.client import guarded_client
from media.egress.websocket import GuardedSockets
from media.providers import anthropic_messages, cartesia_voice, deepgram_flux, deepgram_listen, deepgram_speak
from media.providers.cartesia_voice import WordPositions
from media.providers.custom_transcriber import CustomTranscriber
from media.providers.ended_reason import ended_reason
from media.providers.errors import ProviderError
from media.providers.openai_responses import needs_responses
from media.providers.scripted import tone
from media.providers.sockets import Sockets
from media.providers.speech_samples import SpeechSamples
from media.providers.speech_to_text import EagerEndOfTurn, EndOfTurn, Final, Partial, TurnResumed
from tests.contracts.provider_cases import TRANSCRIBERS, VOICES, registry_of
from tests.patience import PATIENCE_S
from tests.simulators.cartesia_server import CartesiaServer
from tests.simulators.deepgram_server import DeepgramServer
from tests.simulators.vendor_server import Refuse
from tests.unit.media.tools.calling import tenant_servers


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        ({}, {"model": "nova-2", "endpointing": 10}),
        ({"model": "nova-3", "language": "de", "endpointing": 300}, {"language": "de", "endpointing": 300}),
        ({"model": "nova-3", "languages": ["en", "es"]}, {"language": "multi"}),
        ({"model": "nova-3", "keywords": ["Acme:3"], "keyterm": ["callfold"]}, {"keyterm": ["callfold", "Acme"]}),
        ({"model": "nova-2", "keywords": ["Acme:3"]}, {"keywords": ["Acme:3"]}),
        ({"smartFormat": True, "numerals": False}, {"smart_format": True, "numerals": False}),
        ({"redaction": ["pci"], "mipOptOut": True}, {"redact": ["pci"], "mip_opt_out": True}),
    ],
)
def test_deepgram_is_asked_for_what_the_assistant_wants(
    configuration: dict[str, Any], expected: dict[str, Any]
) -> None:
    asked = deepgram_listen.options(configuration)
    assert {name: asked[name] for name in expected} == expected
    assert (asked["encoding"], asked["sample_rate"], asked["interim_results"]) == ("linear16", 16_000, True)


@pytest.mark.parametrize("nonsense", ["soon", ["x"], {"a": 1}, True, 7, None, -0.5])
def test_nonsense_in_options_is_passed_over(nonsense: Any) -> None:
    names = ("endpointing", "languages", "keyterm", "keywords", "redaction", "smartFormat", "eotThreshold", "mipOptOut")
    configuration = {"model": "flux-general-multi", **dict.fromkeys(names, nonsense)}
    assert isinstance(deepgram_listen.options({**configuration, "model": "nova-3"})["endpointing"], int)
    assert deepgram_flux.options(configuration)["model"] == "flux-general-multi"


def test_eager_ends_of_turns_are_asked_of_flux_only_where_they_are_wanted() -> None:
    plain = {"model": "flux-general-en", "eotThreshold": 0.8, "eotTimeoutMs": 4000}
    assert deepgram_flux.options(plain) == {
        "model": "flux-general-en",
        "encoding": "linear16",
        "sample_rate": 16_000,
        "eot_threshold": 0.8,
        "eot_timeout_ms": 4000,
    }
    assert deepgram_flux.options(plain | {"eagerEotThreshold": 0.4})["eager_eot_threshold"] == 0.4


@pytest.mark.parametrize(
    ("configuration", "name"),
    [
        ({"voiceId": "asteria", "model": "aura"}, "aura-asteria-en"),
        ({"voiceId": "thalia"}, "aura-2-thalia-en"),
        ({"voiceId": "aura-2-celeste-es", "model": "aura-2"}, "aura-2-celeste-es"),
    ],
)
def test_names_of_deepgrams_voices(configuration: dict[str, Any], name: str) -> None:
    assert deepgram_speak.model_name(configuration) == name


def test_cartesia_is_always_told_the_format_and_to_begin_at_once() -> None:
    asked = cartesia_voice.request({"voiceId": "v", "generationConfig": {"speed": 1.2, "experimental": {}}})
    assert asked["output_format"] == {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 16_000}
    assert asked["max_buffer_delay_ms"] == 0
    assert asked["generation_config"] == {"speed": 1.2}


def test_a_cartesia_voice_without_an_id_is_refused_before_the_call() -> None:
    with pytest.raises(ProviderError, match=r"voice\.voiceId is missing") as caught:
        cartesia_voice.request({})
    assert caught.value.category == "not-configured"


def test_reported_words_are_found_in_order_and_those_that_are_not_there_are_passed_over() -> None:
    positions = WordPositions("The the 7 ends.")
    found = [positions.find(word) for word in ("the", "The", "seven", "ends.")]
    assert found == [(0, 3), (4, 7), None, (10, 15)]


@pytest.mark.parametrize(
    ("model", "needed"),
    [("gpt-4o", False), ("gpt-5", False), ("o3-pro", True), ("gpt-5.2-pro", True), ("o3-mini", False)],
)
def test_models_that_only_responses_serve(model: str, needed: bool) -> None:
    assert needs_responses(model) is needed


def test_a_conversation_for_anthropic_begins_with_the_caller_and_alternates() -> None:
    system, messages = anthropic_messages.conversation(
        [
            {"role": "system", "content": "Be brief."},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "Book"},
            {"role": "user", "content": "for two."},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "c1", "function": {"name": "book", "arguments": '{"n": 2}'}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "done"},
            {"role": "system", "content": "Be kind."},
        ]
    )
    assert system == "Be brief.\n\nBe kind."
    assert [message["role"] for message in messages] == ["user", "assistant", "user", "assistant", "user"]
    assert [block["text"] for block in messages[2]["content"]] == ["Book", "for two."]
    assert messages[3]["content"] == [{"type": "tool_use", "id": "c1", "name": "book", "input": {"n": 2}}]
    assert messages[4]["content"] == [{"type": "tool_result", "tool_use_id": "c1", "content": "done"}]


def test_audio_in_pieces_of_any_size_is_the_same_sound() -> None:
    pcm = tone(100)
    whole, cut = SpeechSamples(24_000), SpeechSamples(24_000)
    expected = whole.take(pcm) + whole.end()
    got = b"".join(cut.take(pcm[at : at + 7]) for at in range(0, len(pcm), 7)) + cut.end()
    assert len(got) == len(expected)
    differences = np.frombuffer(got, "<i2").astype(int) - np.frombuffer(expected, "<i2")
    assert np.abs(differences).max() <= 2  # steps of rounding


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ws://127.0.0.1:9/transcribe", "not a public address"),
        ("ws://169.254.169.254/", "cloud metadata"),
        ("wss://user:secret@transcriber.example/", "do not belong into a URL"),
        ("ftp://transcriber.example/", "only http and https"),
    ],
)
async def test_a_tenants_transcriber_reaches_no_inner_address(url: str, why: str) -> None:
    sockets = Sockets("custom-transcriber")
    async with guarded_client(EgressPolicy(), timeout_s=PATIENCE_S) as client:
        guarded = GuardedSockets(EgressPolicy())
        hearing = CustomTranscriber(sockets, guarded, {"server": {"url": url}}, tenant_servers(client))
        with pytest.raises(ProviderError, match=why) as caught:
            async with hearing.connect():
                raise AssertionError("it was connected")
    assert caught.value.permanent
    assert ended_reason(caught.value) == "pipeline-error-custom-transcriber-failed"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("case", [*TRANSCRIBERS[:4], *VOICES[:3]], ids=lambda case: f"{case.name}")
async def test_vendors_without_a_key_are_refused_before_the_call(case: Any) -> None:
    async with registry_of({}, key="") as registry:
        stage = "transcriber" if case in TRANSCRIBERS else "voice"
        with pytest.raises(ProviderError, match="_API_KEY") as caught:
            getattr(registry, stage)({stage: case.section("")})
    assert (caught.value.stage, caught.value.category) == (stage, "not-configured")


@pytest.mark.parametrize(
    ("server", "voice"),
    [
        (CartesiaServer, {"provider": "cartesia", "voiceId": "v1"}),
        (DeepgramServer, {"provider": "deepgram", "voiceId": "asteria"}),
    ],
    ids=["cartesia", "deepgram"],
)
async def test_a_voice_is_connected_before_it_is_needed(server: Any, voice: dict[str, Any]) -> None:
    async with server() as vendor, registry_of({voice["provider"]: vendor.base_url}) as registry:
        speaking = registry.voices({"voice": voice})[0]
        await vendor.until(lambda: vendor.open == 1)
        async with asyncio.timeout(PATIENCE_S):
            assert [fact async for fact in speaking.synthesize("Hello.")]
        assert vendor.connections == 1


async def test_a_connection_ahead_that_is_refused_is_told_to_whoever_needs_it() -> None:
    faults = [Refuse(503), Refuse(503)]
    async with CartesiaServer(faults=faults) as vendor, registry_of({"cartesia": vendor.base_url}) as registry:
        speaking = registry.voices({"voice": {"provider": "cartesia", "voiceId": "v1"}})[0]
        await vendor.until(lambda: vendor.connections == 1)
        with pytest.raises(ProviderError) as caught:
            await anext(speaking.synthesize("Hello."))
    assert caught.value.category == "overloaded"


async def test_flux_tells_eager_ends_and_that_the_caller_went_on() -> None:
    async with DeepgramServer(["yes please"]) as vendor, registry_of({"deepgram": vendor.base_url}) as registry:
        section = {"provider": "deepgram", "model": "flux-general-en", "eagerEotThreshold": 0.4}
        pcm = tone(300) + bytes(640 * 12) + tone(200) + bytes(640 * 25)
        facts = []
        async with asyncio.timeout(PATIENCE_S), registry.transcriber({"transcriber": section}).connect() as stream:
            for at in range(0, len(pcm), 640):
                stream.feed(pcm[at : at + 640])
            async for fact in stream:
                facts.append(fact)
                if isinstance(fact, EndOfTurn):
                    break
    kinds = [type(fact) for fact in facts if not isinstance(fact, Partial)]
    assert kinds == [EagerEndOfTurn, TurnResumed, EagerEndOfTurn, Final, EndOfTurn]
