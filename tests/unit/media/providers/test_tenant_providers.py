"""Servers of tenants that stand in for a provider: what they are told, and how they know us."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest

from domain.credentials.own_keys import OwnKey, keys_by_provider
from domain.server_messages.access import Authentication, CredentialUnusable, Outgoing
from domain.server_messages.server import Server
from media.egress.client import HttpClient, guarded_client
from media.providers.custom_llm import CustomLlm
from media.providers.custom_voice import CustomVoice
from media.providers.errors import ProviderError
from media.providers.language_model import ModelFact, ModelRequest, TextDelta
from media.providers.tenant import Tenant
from media.providers.text_to_speech import AudioChunk
from tests.patience import PATIENCE_S
from tests.simulators.openai_server import OpenAiServer, Say
from tests.unit.media.tools.calling import LOOPBACK, NOW, tenant_servers
from tests.unit.media.tools.tool_server import ToolServer, tool_server

REQUEST = ModelRequest(messages=({"role": "user", "content": "Hello"},))


class Granting:
    """``ServerAccess`` that gives out one token, and none for a credential that is broken."""

    async def headers(self, org_id: str, server: Server, request: Outgoing) -> Authentication:
        if server.credential_id == "broken":
            raise CredentialUnusable("credential broken does not exist")
        own = {"webhook-id": request.id} if request.ours else {}
        return Authentication({**own, "Authorization": "Bearer granted"})

    def renew(self, credential_id: str) -> None:
        return


@pytest.fixture
def server() -> Iterator[ToolServer]:
    with tool_server() as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    async with guarded_client(LOOPBACK, timeout_s=PATIENCE_S) as client:
        yield client


async def test_a_voice_request_has_the_fields_of_every_message_and_is_authenticated(
    server: ToolServer, client: HttpClient
) -> None:
    server.answers.append((200, b"\x01\x02" * 480))
    tenant = Tenant(tenant_servers(client, Granting()), facts=lambda: {"call": {"id": "call-1"}})
    voice = CustomVoice(client, {"server": {"url": server.url, "credentialId": "c1"}}, tenant)
    for text in ("Hello.", "How are you?"):
        assert [fact async for fact in voice.synthesize(text) if isinstance(fact, AudioChunk)]
    first, second = server.received
    assert first.message == {
        "type": "voice-request",
        "text": "Hello.",
        "sampleRate": 24_000,
        "timestamp": NOW.timestamp() * 1000,
        "call": {"id": "call-1"},
    }
    assert first.headers["authorization"] == "Bearer granted"
    assert first.headers["webhook-id"] != second.headers["webhook-id"]


async def test_a_voice_whose_credential_is_gone_asks_nobody(server: ToolServer, client: HttpClient) -> None:
    tenant = Tenant(tenant_servers(client, Granting()))
    voice = CustomVoice(client, {"server": {"url": server.url, "credentialId": "broken"}}, tenant)
    with pytest.raises(ProviderError, match="does not exist") as caught:
        _ = [fact async for fact in voice.synthesize("Hello.")]
    assert (caught.value.category, server.received) == ("unauthorized", [])


@pytest.mark.parametrize(
    ("own", "sent"),
    [
        (None, None),
        (OwnKey("sk-mine"), "Bearer sk-mine"),
        (OwnKey("", plan={"type": "oauth2"}, credential_id="c1"), "Bearer granted"),
    ],
)
async def test_a_tenants_model_is_opened_by_the_organizations_key_or_plan(
    client: HttpClient, own: OwnKey | None, sent: str | None
) -> None:
    async with OpenAiServer(Say("Good day.")) as vendor:
        config = {"url": vendor.base_url, "model": "mine", "headers": {"Authorization": "Bearer from-assistant"}}
        model = CustomLlm(client, config, tenant_servers(client, Granting()), own)
        async with aclosing(model.stream(REQUEST)) as facts:
            said: list[ModelFact] = [fact async for fact in facts]
        assert "".join(fact.text for fact in said if isinstance(fact, TextDelta)).strip() == "Good day."
        assert vendor.requests[-1].headers.get("authorization") == sent
        assert "webhook-id" not in vendor.requests[-1].headers


def test_the_first_usable_key_of_each_provider_counts() -> None:
    keys = keys_by_provider(
        [
            ("", {"provider": "openai", "apiKey": "sk-inline"}),
            ("a", {"provider": "openai", "apiKey": "sk-stored"}),
            ("b", {"provider": "deepgram", "apiKey": ""}),
            ("c", {"provider": "deepgram", "apiKey": "dg", "apiUrl": "https://api.eu.deepgram.com/"}),
            ("d", {"provider": "custom-credential", "authenticationPlan": {"type": "bearer"}}),
            ("e", {"provider": "custom-llm", "apiKey": "x", "authenticationPlan": {"type": "oauth2"}}),
            ("f", {"provider": 7, "apiKey": "y"}),
        ]
    )
    assert keys == {
        "openai": OwnKey("sk-inline"),
        "deepgram": OwnKey("dg", "https://api.eu.deepgram.com", None, "c"),
        "custom-llm": OwnKey("x", "", {"type": "oauth2"}, "e"),
    }
    assert "sk-inline" not in repr(keys)
