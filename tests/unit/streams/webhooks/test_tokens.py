"""OAuth 2.0 tokens run out in the middle of a batch, and many requests want one at once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from domain.configuration.commands import CreateConfiguration
from domain.configuration.kinds import CONFIGURATIONS
from domain.egress import EgressPolicy
from domain.server_messages.access import CredentialUnusable
from infra.egress.sessions import OrganizationSessions
from infra.identifiers import now, random_id
from infra.settings import LOOPBACK
from streams.log.embedded import EmbeddedLog
from streams.webhooks.credentials import Credentials, Signed
from tests.integration.webhooks.receiver import Receiver

SIGNED = Signed("msg_1", 1767225600, "https://shop.example/", b"{}")


class Server:
    """A token server: numbers its tokens, and can be told what to answer."""

    def __init__(self) -> None:
        self.granted = 0
        self.answer: web.Response | None = None

    async def __call__(self, request: web.Request, times: int) -> web.StreamResponse:
        if self.answer is not None:
            return self.answer
        form = await request.post()
        assert (form["grant_type"], form["client_id"], form["client_secret"]) == ("client_credentials", "us", "shh")
        self.granted += 1
        return web.json_response({"access_token": f"token-{self.granted}", "expires_in": 600})


async def test_a_token_is_asked_for_once_and_again_a_minute_before_it_runs_out(tmp_path: Path) -> None:
    clock = datetime(2026, 11, 21, 12, tzinfo=UTC)
    log = EmbeddedLog.open(tmp_path / "log.db", clock=now, new_id=random_id)
    sessions = OrganizationSessions(EgressPolicy.parse(LOOPBACK), per_host=20)
    server = Server()
    try:
        async with Receiver(server) as receiver:
            plan = {"type": "oauth2", "url": f"{receiver.url}/token", "clientId": "us", "clientSecret": "shh"}
            config = {"provider": "custom-credential", "authenticationPlan": plan}
            credential = random_id()
            command = CreateConfiguration(org_id="org", config=config, actor="test")
            await log.execute(CONFIGURATIONS["credential"], credential, command)
            credentials = Credentials(log, sessions, lambda: clock)

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
    finally:
        await sessions.close()
        log.close()
