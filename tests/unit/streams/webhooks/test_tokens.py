"""OAuth 2.0 tokens run out in the middle of a batch, and many requests want one at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from domain.configuration.commands import CreateConfiguration
from domain.configuration.kinds import CONFIGURATIONS
from domain.egress import EgressPolicy
from domain.log.ports import Clock
from domain.server_messages.access import CredentialUnusable
from infra.egress.sessions import OrganizationSessions
from infra.identifiers import now, random_id
from infra.settings import LOOPBACK
from streams.log.embedded import EmbeddedLog
from streams.webhooks.credentials import LONGEST_LIFETIME_SECONDS, Credentials, Signed
from tests.integration.webhooks.receiver import Receiver

SIGNED = Signed("msg_1", 1767225600, "https://shop.example/", b"{}")


class Server:
    """A token server: numbers its tokens, and can be told what to answer."""

    def __init__(self, expires_in: Any = 600) -> None:
        self.granted = 0
        self.expires_in = expires_in
        self.answer: web.Response | None = None

    async def __call__(self, request: web.Request, times: int) -> web.StreamResponse:
        if self.answer is not None:
            return self.answer
        form = await request.post()
        assert (form["grant_type"], form["client_id"], form["client_secret"]) == ("client_credentials", "us", "shh")
        self.granted += 1
        return web.json_response({"access_token": f"token-{self.granted}", "expires_in": self.expires_in})


@asynccontextmanager
async def credential_of(server: Server, folder: Path, clock: Clock) -> AsyncIterator[tuple[Credentials, str]]:
    """A stored credential whose tokens ``server`` grants."""
    log = EmbeddedLog.open(folder / "log.db", clock=now, new_id=random_id)
    sessions = OrganizationSessions(EgressPolicy.parse(LOOPBACK), per_host=20)
    try:
        async with Receiver(server) as receiver:
            plan = {"type": "oauth2", "url": f"{receiver.url}/token", "clientId": "us", "clientSecret": "shh"}
            config = {"provider": "custom-credential", "authenticationPlan": plan}
            credential = random_id()
            command = CreateConfiguration(org_id="org", config=config, actor="test")
            await log.execute(CONFIGURATIONS["credential"], credential, command)
            yield Credentials(log, sessions, clock), credential
    finally:
        await sessions.close()
        log.close()


async def test_a_token_is_asked_for_once_and_again_a_minute_before_it_runs_out(tmp_path: Path) -> None:
    clock = datetime(2026, 11, 21, 12, tzinfo=UTC)
    server = Server()
    async with credential_of(server, tmp_path, lambda: clock) as (credentials, credential):

        async def tokens(count: int) -> set[str]:
            asked = (credentials.headers("org", credential, "", SIGNED) for _ in range(count))
            return {found.headers["Authorization"] for found in await asyncio.gather(*asked)}

        assert await tokens(20) == {"Bearer token-1"}
        clock += timedelta(seconds=539)
        assert await tokens(5) == {"Bearer token-1"}
        clock += timedelta(seconds=1)
        assert await tokens(20) == {"Bearer token-2"}
        credentials.forget(credential)
        assert await tokens(3) == {"Bearer token-3"}
        for answer in (web.Response(status=500), web.json_response({"token": "?"}), web.Response(text="<html>")):
            server.answer = answer
            credentials.forget(credential)
            with pytest.raises(CredentialUnusable, match="token server") as refused:
                await tokens(1)
            assert "shh" not in str(refused.value)


@pytest.mark.parametrize("said", [10**400, 1e300, "1e999", "nan", -5, None, "soon", [3600]], ids=str)
async def test_a_token_server_that_says_nonsense_of_how_long_does_no_harm(said: Any, tmp_path: Path) -> None:
    clock = datetime(2026, 11, 21, 12, tzinfo=UTC)
    server = Server(expires_in=said)
    async with credential_of(server, tmp_path, lambda: clock) as (credentials, credential):
        assert (await credentials.headers("org", credential, "", SIGNED)).headers == {"Authorization": "Bearer token-1"}
        clock += timedelta(seconds=LONGEST_LIFETIME_SECONDS)
        assert (await credentials.headers("org", credential, "", SIGNED)).headers == {"Authorization": "Bearer token-2"}
