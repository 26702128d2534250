"""Calls through simulated vendors: Deepgram hears, OpenAI thinks, Cartesia speaks; and others take over in mid-call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from domain.call.events import CallEnded, Warned
from tests.contracts.provider_cases import registry_of
from tests.simulators.anthropic_server import AnthropicServer
from tests.simulators.cartesia_server import CartesiaServer
from tests.simulators.deepgram_server import DeepgramServer
from tests.simulators.openai_platform_server import OpenAiPlatformServer
from tests.simulators.vendor_server import Fault, Refuse, Reset
from tests.unit.media.call.rig import Rig, ScriptedProviders, media_rig
from tests.unit.media.call.test_calls import QUICK, dial, of, texts

ASKS = ("Is there a table for two?", "At eight, please.")
SAYS = "There is one at eight."
VOICE = {"provider": "cartesia", "voiceId": "v1", "cachingEnabled": False}
EARS = {"provider": "deepgram", "model": "nova-3"}


@dataclass
class Vendors:
    deepgram: DeepgramServer
    openai: OpenAiPlatformServer
    cartesia: CartesiaServer
    anthropic: AnthropicServer


@asynccontextmanager
async def calls(
    root: Path,
    *,
    ears: Sequence[Fault] = (),
    mind: Sequence[Fault] = (),
    mouth: Sequence[Fault] = (),
    heard_by_openai: Sequence[str] = (),
    **settings: Any,
) -> AsyncIterator[tuple[Rig, Vendors]]:
    async with AsyncExitStack() as stack:
        vendors = Vendors(
            DeepgramServer(ASKS, faults=ears),
            OpenAiPlatformServer(heard_by_openai, says=SAYS, faults=mind),
            CartesiaServer(faults=mouth),
            AnthropicServer(says=SAYS),
        )
        for server in (vendors.deepgram, vendors.openai, vendors.cartesia, vendors.anthropic):
            await stack.enter_async_context(server)
        registry = await stack.enter_async_context(
            registry_of(
                {
                    "deepgram": vendors.deepgram.base_url,
                    "openai": vendors.openai.base_url,
                    "cartesia": vendors.cartesia.base_url,
                    "anthropic": vendors.anthropic.base_url,
                }
            )
        )
        # The rig takes whatever chooses providers for an assistant, as the registry does.
        rig = await stack.enter_async_context(media_rig(root, cast(ScriptedProviders, registry), **settings))
        yield rig, vendors


def assistant(**changes: Any) -> dict[str, Any]:
    return {
        "firstMessage": "Good evening.",
        "transcriber": EARS,
        "model": {"provider": "openai", "model": "gpt-4o", "messages": [{"role": "system", "content": "Be brief."}]},
        "voice": VOICE,
        "startSpeakingPlan": QUICK,
        **changes,
    }


async def test_two_turns_over_one_connection_to_each_vendor(tmp_path: Path) -> None:
    # What is asked ahead and in vain is broken off, and its connection with it.
    async with calls(tmp_path, thinks_ahead=False) as (rig, vendors):
        caller = await dial(rig, assistant())
        await caller.until_said(1)
        await caller.speak(600, 400)
        await caller.until_said(2)
        await caller.speak(400, 400)
        await caller.until_said(3)
        events = await caller.hang_up()
    assert texts(events, "user") == list(ASKS)
    assert texts(events, "assistant") == ["Good evening.", SAYS, SAYS]
    assert of(events, Warned) == []
    assert (vendors.deepgram.connections, vendors.cartesia.connections, vendors.openai.connections) == (1, 1, 1)


async def test_a_turn_ends_when_the_vendor_says_so(tmp_path: Path) -> None:
    async with calls(tmp_path) as (rig, vendors):
        flux = {"provider": "deepgram", "model": "flux-general-en", "eotThreshold": 0.7}
        caller = await dial(rig, assistant(transcriber=flux))
        await caller.until_said(1)
        await caller.speak(600, 600)
        await caller.until_said(2)
        events = await caller.hang_up()
    assert texts(events, "user") == [ASKS[0]]
    assert vendors.deepgram.queries[0]["eot_threshold"] == ["0.7"]
    assert [event.rule for event in events if event.TYPE == "call.turn_decided"] == ["native"]


async def test_another_transcriber_takes_over_in_the_middle_of_a_turn_and_loses_nothing(tmp_path: Path) -> None:
    plan = {"transcribers": [{"provider": "openai", "model": "gpt-4o-transcribe"}]}
    faults: list[Fault] = [Reset(after=8), Refuse(401)]
    async with calls(tmp_path, ears=faults, heard_by_openai=ASKS[:1]) as (rig, vendors):
        caller = await dial(rig, assistant(firstMessage="", transcriber={**EARS, "fallbackPlan": plan}))
        await caller.speak(800, 400)
        await caller.until_said(1)
        events = await caller.hang_up()
    assert texts(events, "user") == [ASKS[0]]
    assert texts(events, "assistant") == [SAYS]
    assert {warning.code for warning in of(events, Warned)} == {"transcriber-fallback"}
    assert vendors.deepgram.connections == 2


async def test_when_a_transcriber_without_turn_signals_takes_over_the_text_decides(tmp_path: Path) -> None:
    plan = {"transcribers": [EARS]}
    flux = {"provider": "deepgram", "model": "flux-general-en", "fallbackPlan": plan}
    async with calls(tmp_path, ears=[Reset(after=8), Refuse(403)]) as (rig, vendors):
        caller = await dial(rig, assistant(firstMessage="", transcriber=flux))
        await caller.speak(800, 400)
        await caller.until_said(1)
        events = await caller.hang_up()
    assert texts(events, "user") == [ASKS[0]]
    assert [event.rule for event in events if event.TYPE == "call.turn_decided"] == ["number"]  # "two"
    assert vendors.deepgram.connections == 3


async def test_another_voice_takes_over_in_mid_call_and_the_sentence_is_not_lost(tmp_path: Path) -> None:
    plan = {"voices": [{"provider": "deepgram", "voiceId": "asteria", "model": "aura-2"}]}
    async with calls(tmp_path, mouth=[Reset(after=2), Refuse(503), Refuse(503)]) as (rig, vendors):
        caller = await dial(rig, assistant(voice={**VOICE, "fallbackPlan": plan}))
        await caller.until_said(1)
        await caller.speak(600, 400)
        await caller.until_said(2)
        events = await caller.hang_up()
    assert texts(events, "assistant") == ["Good evening.", SAYS]
    assert {warning.code for warning in of(events, Warned)} == {"voice-fallback"}
    assert [query["model"] for query in vendors.deepgram.queries if "asteria" in str(query)] == [["aura-2-asteria-en"]]


async def test_another_model_answers_the_same_turn(tmp_path: Path) -> None:
    async with calls(tmp_path, mind=[Reset(after=0)]) as (rig, vendors):
        model = {"provider": "openai", "model": "gpt-4o", "fallbackModels": ["gpt-4.1"], "messages": []}
        caller = await dial(rig, assistant(model=model))
        await caller.until_said(1)
        await caller.speak(600, 400)
        await caller.until_said(2)
        events = await caller.hang_up()
    assert texts(events, "user") == [ASKS[0]]
    assert texts(events, "assistant") == ["Good evening.", SAYS]
    assert [body["model"] for body in vendors.openai.received] == ["gpt-4o", "gpt-4.1"]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"ears": [Refuse(401)]}, "pipeline-error-deepgram-returning-401-invalid-credentials"),
        ({"mouth": [Refuse(500)] * 3}, "pipeline-error-cartesia-voice-failed"),
    ],
    ids=["ears", "mouth"],
)
async def test_without_a_fallback_plan_the_call_ends_with_the_published_reason(
    tmp_path: Path, broken: dict[str, Any], reason: str
) -> None:
    async with calls(tmp_path, **broken) as (rig, _):
        caller = await dial(rig, assistant())
        events = await caller.ended()
    assert [event.reason for event in of(events, CallEnded)] == [reason]


async def test_anthropic_answers_after_the_assistant_spoke_first(tmp_path: Path) -> None:
    async with calls(tmp_path) as (rig, vendors):
        caller = await dial(
            rig, assistant(model={"provider": "anthropic", "model": "claude-haiku-4-5", "messages": []})
        )
        await caller.until_said(1)
        await caller.speak(600, 400)
        await caller.until_said(2)
        events = await caller.hang_up()
    assert texts(events, "assistant") == ["Good evening.", SAYS]
    assert [message["role"] for message in vendors.anthropic.received[0]["messages"]] == ["user", "assistant", "user"]
