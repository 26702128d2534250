"""Which provider an assistant gets, and what is refused before a call starts."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from media.providers import vendors
from media.providers.ended_reason import ended_reason
from media.providers.errors import ProviderError
from media.providers.language_model import ModelRequest, TextDelta
from media.providers.registry import ProviderRegistry
from media.providers.settings import ProviderSettings, VendorAccess
from tests.simulators.openai_server import OpenAiServer, Say
from tests.unit.media.providers.speech import needs_speech

HELLO = ModelRequest(messages=({"role": "user", "content": "Hello"},))


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False) as client:
        yield client


@pytest.mark.parametrize(
    ("stage", "configuration", "reason"),
    [
        ("transcriber", {"provider": "deepgram"}, "pipeline-error-deepgram-transcriber-api-key-missing"),
        ("transcriber", {"provider": "gladia"}, "pipeline-error-gladia-transcriber-failed"),
        ("model", {"provider": "openai", "model": "gpt-4o"}, "pipeline-error-openai-401-unauthorized"),
        ("model", {"provider": "anthropic"}, "pipeline-error-anthropic-401-unauthorized"),
        ("model", {"provider": "custom-llm"}, "pipeline-error-custom-llm-401-unauthorized"),
        ("voice", {"provider": "11labs"}, "pipeline-error-eleven-labs-voice-failed"),
    ],
)
async def test_providers_without_a_key_or_unknown_here_are_refused(
    client: httpx2.AsyncClient, stage: str, configuration: dict[str, Any], reason: str
) -> None:
    registry = ProviderRegistry(ProviderSettings(), client)
    with pytest.raises(ProviderError) as caught:
        getattr(registry, stage)({stage: configuration})
    assert (caught.value.stage, caught.value.category) == (stage, "not-configured")
    assert caught.value.permanent
    assert ended_reason(caught.value) == reason


async def test_an_assistant_without_a_model_gets_the_guided_conversation(client: httpx2.AsyncClient) -> None:
    model = ProviderRegistry(ProviderSettings(), client).model({})
    assert (model.provider, model.model) == ("vapi", "guided-conversation")


async def test_openai_with_a_key_reaches_the_configured_base_url(client: httpx2.AsyncClient) -> None:
    async with OpenAiServer(Say("Hello.")) as server:
        registry = ProviderRegistry(ProviderSettings({"openai": VendorAccess("sk-1", server.base_url)}), client)
        model = registry.model({"model": {"provider": "openai", "model": "gpt-4o"}})
        facts = [fact async for fact in model.stream(HELLO)]
        await registry.close()
    assert facts[0] == TextDelta("Hello. ")
    assert server.requests[0].body["model"] == "gpt-4o"


async def test_a_custom_llm_is_asked_at_its_url(client: httpx2.AsyncClient) -> None:
    async with OpenAiServer(Say("Hi.")) as server:
        registry = ProviderRegistry(ProviderSettings(), client)
        model = registry.model({"model": {"provider": "custom-llm", "model": "mine", "url": server.base_url}})
        facts = [fact async for fact in model.stream(HELLO)]
        await registry.close()
    assert facts[0] == TextDelta("Hi. ")
    assert server.requests[0].body["model"] == "mine"


def test_keys_do_not_show_in_the_settings_text() -> None:
    assert "sk-secret" not in repr(ProviderSettings({"openai": VendorAccess("sk-secret")}))


@needs_speech
async def test_started_and_closed_it_leaves_no_task_and_no_process(client: httpx2.AsyncClient) -> None:
    before = asyncio.all_tasks()
    registry = ProviderRegistry(ProviderSettings(), client)
    await registry.start()
    assert registry.unavailable == ()
    assistant = {"voice": {"provider": "vapi", "voiceId": "Elliot"}}
    assert registry.transcriber(assistant).traits.needs_finalize
    assert registry.voice(assistant).traits.word_times
    pids = registry.worker_pids
    assert len(pids) == 2
    await registry.close()
    assert asyncio.all_tasks() == before
    assert registry.worker_pids == ()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_without_local_speech_the_local_providers_say_so(client: httpx2.AsyncClient) -> None:
    registry = ProviderRegistry(ProviderSettings(local_speech=False), client)
    await registry.start()
    for make in (registry.transcriber, registry.voice):
        with pytest.raises(ProviderError) as caught:
            make({})
        assert caught.value.category == "not-configured"
    await registry.close()


@pytest.mark.parametrize(
    ("language", "automatic", "found"),
    [("en-US", True, True), (None, True, True), ("de", True, False), ("en", False, False)],
)
async def test_whoever_needs_nobody_takes_over_where_the_plan_leaves_it_open(
    client: httpx2.AsyncClient, language: str | None, automatic: bool, found: bool
) -> None:
    registry = ProviderRegistry(ProviderSettings(), client)
    plan = {"voices": [{"provider": "11labs"}], "autoFallback": {"enabled": automatic}}
    assistant = {"voice": {"provider": "lmnt", "language": language, "fallbackPlan": plan}}
    if found:
        assert [voice.provider for voice in registry.voices(assistant)] == ["vapi"]
        return
    with pytest.raises(ProviderError, match="lmnt"):
        registry.voices(assistant)


async def test_what_only_an_organization_needs_is_imported_on_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[tuple[str, bool]] = []
    ours = threading.get_ident()
    monkeypatch.setattr(vendors, "_MODULES_OF_CONFIGURED", {"anthropic": ("media.providers.nowhere",)})
    monkeypatch.setattr(vendors, "import_module", lambda name: imported.append((name, threading.get_ident() == ours)))
    await vendors.load_for({"model": {"provider": "openai"}})
    await vendors.load_for({})
    assert imported == []
    await vendors.load_for({"model": {"provider": "anthropic"}})
    assert imported == [("media.providers.nowhere", False)]
