"""How tenants' servers know us while a conversation runs: every kind of credential, on every request that needs one."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from standardwebhooks import Webhook

from domain.configuration.commands import CreateConfiguration
from domain.configuration.kinds import CONFIGURATIONS
from domain.sealing import sealed
from domain.webhook.origin import origin_of
from domain.webhook.signature import endpoint_id, endpoint_key, shown_key
from infra.egress.sessions import OrganizationSessions
from infra.sealing import KeyedSeal
from media.egress.client import guarded_client
from media.tools.api_request import ApiRequests
from media.tools.asking import Reply
from media.tools.outcome import Answered, Failed
from media.tools.tenant_servers import TenantServers
from streams.log.embedded import EmbeddedLog
from streams.webhooks.credentials import Credentials
from streams.webhooks.signed_access import SignedAccess
from tests.patience import PATIENCE_S
from tests.unit.media.tools.calling import LOOPBACK, call_of, tenant_servers
from tests.unit.media.tools.tool_server import ToolServer, tool_server

ORG, SECRET, SEAL = "org-1", b"the installation's own secret...", KeyedSeal(["k" * 32])
MESSAGE = {"type": "tool-calls", "toolCallList": []}


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def server() -> Iterator[ToolServer]:
    with tool_server() as running:
        yield running


@asynccontextmanager
async def asking(folder: Path) -> AsyncIterator[tuple[TenantServers, EmbeddedLog, Any]]:
    log = EmbeddedLog.open(folder / "log.db", clock=now, new_id=lambda: str(uuid4()))
    sessions = OrganizationSessions(LOOPBACK, per_host=2)
    access = SignedAccess(Credentials(log, sessions, now, SEAL), SECRET, "1.2", now)
    try:
        async with guarded_client(LOOPBACK, timeout_s=PATIENCE_S) as client:
            yield tenant_servers(client, access, now=now), log, client
    finally:
        await sessions.close()
        log.close()


async def stored(log: EmbeddedLog, plan: dict[str, Any], **more: Any) -> str:
    id = str(uuid4())
    config = sealed({"provider": "custom-credential", "authenticationPlan": plan, **more}, ORG, SEAL, "credential")
    await log.execute(CONFIGURATIONS["credential"], id, CreateConfiguration(org_id=ORG, config=config))
    return id


async def asked(servers: TenantServers, server: ToolServer, **more: Any) -> Reply | Failed:
    found = servers.find({"server": {"url": server.url, **more}})
    assert found is not None
    return await servers.ask(found, MESSAGE, source="tool-calls.c1")


async def test_every_question_is_signed_as_webhooks_are(server: ToolServer, tmp_path: Path) -> None:
    async with asking(tmp_path) as (servers, _, _client):
        await asked(servers, server)
        await asked(servers, server)
    first, second = server.received
    key = endpoint_key(SECRET, endpoint_id(ORG, origin_of(server.url)))
    assert Webhook(shown_key(key)).verify(first.body, first.headers)["message"]["type"] == "tool-calls"
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["callfold-call-id"] == "call-1"


async def test_a_secret_of_the_old_kind_is_opened(server: ToolServer, tmp_path: Path) -> None:
    kept = sealed({"server": {"url": server.url, "secret": "old"}}, ORG, SEAL)
    async with asking(tmp_path) as (servers, _, _client):
        found = servers.find(kept)
        assert found is not None
        assert found.secret != "old"
        await servers.ask(found, MESSAGE, source="x")
    assert server.received[0].headers["x-vapi-secret"] == "old"


@pytest.mark.parametrize(
    ("plan", "header", "value"),
    [
        ({"type": "bearer", "token": "t0k"}, "authorization", "Bearer t0k"),
        (
            {"type": "bearer", "token": "t0k", "headerName": "X-Vapi-Secret", "bearerPrefixEnabled": False},
            "x-vapi-secret",
            "t0k",
        ),
    ],
)
async def test_bearer_credentials(
    server: ToolServer, tmp_path: Path, plan: dict[str, Any], header: str, value: str
) -> None:
    async with asking(tmp_path) as (servers, log, _):
        await asked(servers, server, credentialId=await stored(log, plan))
    assert server.received[0].headers[header] == value


async def test_an_hmac_credential_signs_the_bytes_that_were_sent(server: ToolServer, tmp_path: Path) -> None:
    plan = {"type": "hmac", "secretKey": "k3y", "algorithm": "sha256", "signaturePrefix": "sha256="}
    async with asking(tmp_path) as (servers, log, _):
        await asked(servers, server, credentialId=await stored(log, plan))
    request = server.received[0]
    content = request.headers["x-timestamp"].encode() + b"." + request.body
    assert request.headers["x-signature"] == "sha256=" + hmac.new(b"k3y", content, hashlib.sha256).hexdigest()


async def test_a_token_is_kept_and_renewed_once_when_it_is_refused(server: ToolServer, tmp_path: Path) -> None:
    server.answers += [(200, b"{}"), (200, b"{}"), (401, b""), (200, b'{"results": []}')]
    with tool_server() as tokens:
        tokens.answers += [
            (200, json.dumps({"access_token": name, "expires_in": 3600}).encode()) for name in ("first", "second")
        ]
        plan = {"type": "oauth2", "url": tokens.url, "clientId": "me", "clientSecret": "s3cret", "scope": "calls"}
        async with asking(tmp_path) as (servers, log, _):
            credential = await stored(log, plan)
            for _ in range(2):
                await asked(servers, server, credentialId=credential)
            reply = await asked(servers, server, credentialId=credential)
        assert isinstance(reply, Reply)
        assert reply.status == 200
        assert [request.headers["authorization"] for request in server.received] == [
            *["Bearer first"] * 3,
            "Bearer second",
        ]
        assert len(tokens.received) == 2
        assert b"client_secret=s3cret" in tokens.received[0].body


async def test_headers_of_the_server_win_over_its_credential_and_never_over_ours(
    server: ToolServer, tmp_path: Path
) -> None:
    headers = {"Authorization": "Basic abc", "webhook-id": "forged", "X-Tenant": "acme", "Bad": "a\r\nb"}
    async with asking(tmp_path) as (servers, log, _):
        credential = await stored(log, {"type": "bearer", "token": "t0k"})
        await asked(servers, server, credentialId=credential, headers=headers)
    sent = server.received[0].headers
    assert (sent["authorization"], sent["x-tenant"]) == ("Basic abc", "acme")
    assert sent["webhook-id"] != "forged"
    assert "bad" not in sent


@pytest.mark.parametrize(
    ("plan", "why"),
    [
        (None, "does not exist"),
        ({"type": "oauth2", "url": "http://169.254.169.254/token", "clientSecret": "s3cret"}, "could not be asked"),
        ({"type": "hmac", "secretKey": "s3cret", "algorithm": "md5"}, "md5"),
        ({"type": "bearer"}, "no token"),
    ],
)
async def test_what_cannot_authenticate_sends_nothing_and_says_why(
    server: ToolServer, tmp_path: Path, plan: dict[str, Any] | None, why: str
) -> None:
    async with asking(tmp_path) as (servers, log, _):
        credential = await stored(log, plan) if plan is not None else str(uuid4())
        reply = await asked(servers, server, credentialId=credential)
    assert isinstance(reply, Failed)
    assert reply.failure == "refused"
    assert why in reply.error
    assert "s3cret" not in reply.error
    assert server.received == []


async def test_what_is_to_be_encrypted_is_not_sent_in_the_clear(server: ToolServer, tmp_path: Path) -> None:
    async with asking(tmp_path) as (servers, _, _client):
        reply = await asked(servers, server, encryptedPaths=["toolCallList[*].arguments"])
        assert isinstance(await asked(servers, server, encryptedPaths=[]), Reply)
    assert isinstance(reply, Failed)
    assert "encryptedPaths is not built yet" in reply.error
    assert len(server.received) == 1


async def test_an_api_request_carries_the_credential_and_nothing_of_ours(server: ToolServer, tmp_path: Path) -> None:
    server.answers.append((200, b'{"ok": true}'))
    async with asking(tmp_path) as (servers, log, client):
        credential = await stored(log, {"type": "bearer", "token": "t0k"})
        tool = {"type": "apiRequest", "name": "find", "method": "POST", "url": server.url, "credentialId": credential}
        requests = ApiRequests(client, servers, now=now, timeout_s=PATIENCE_S, result_cap=200)
        (outcome,) = (await requests.run([call_of(tool)])).values()
    assert isinstance(outcome, Answered)
    sent = server.received[0].headers
    assert sent["authorization"] == "Bearer t0k"
    assert not [name for name in sent if name.startswith(("webhook-", "callfold-"))]
