"""Messages of calls reach the server: each once, signed, in order, and again when it was away."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest
from aiohttp import web
from standardwebhooks.webhooks import Webhook

from domain.configuration.kinds import CONFIGURATIONS
from domain.webhook.signature import endpoint_id, endpoint_key, shown_key
from tests.integration.webhooks.receiver import Received, Receiver
from tests.integration.webhooks.system import SECRET, Delivering, delivering


def types(received: list[Received]) -> list[str]:
    return [f"{one.type} {one.message.get('status', '')}".strip() for one in received]


def reported(received: list[Received]) -> bool:
    return any(one.type == "end-of-call-report" for one in received)


async def test_a_call_is_told_in_order_signed_and_kept_in_the_delivery_log(tmp_path: Path) -> None:
    async with Receiver() as receiver, delivering(tmp_path) as system:
        call_id = await system.call({"url": f"{receiver.url}/hooks?key=hidden", "secret": "old"})
        received = await receiver.until(reported)
        assert types(received) == [
            "status-update queued",
            "status-update ringing",
            "status-update in-progress",
            "assistant.started",
            "status-update ended",
            "end-of-call-report",
        ]
        assert [one.headers["callfold-sequence"] for one in received] == ["1", "2", "3", "4", "5", "6"]
        assert {one.headers["x-vapi-secret"] for one in received} == {"old"}
        assert all(one.message["call"]["id"] == call_id for one in received)
        report = received[-1].message
        assert report["endedReason"] == "customer-ended-call"
        assert report["durationMs"] == 2000
        assert report["artifact"]["logUrl"].endswith("/call-logs")
        assert "old" not in received[-1].body.decode()
        key = shown_key(endpoint_key(SECRET, endpoint_id(system.org_id, receiver.url)))
        for one in received:
            assert Webhook(key).verify(one.body, one.headers)
        attempts = await system.attempts(6)
        assert {attempt.failure for attempt in attempts} == {""}
        assert {attempt.url for attempt in attempts} == {f"{receiver.url}/hooks"}
        assert {attempt.body_sha256 for attempt in attempts} == {sha256(one.body).hexdigest() for one in received}


async def test_only_what_was_asked_for_is_sent(tmp_path: Path) -> None:
    async with Receiver() as receiver, delivering(tmp_path) as system:
        await system.call({"url": receiver.url}, serverMessages=["end-of-call-report"])
        await receiver.until(reported)
        assert types(receiver.received) == ["end-of-call-report"]


async def test_a_server_that_fails_is_asked_again_with_the_same_bytes_under_the_same_id(tmp_path: Path) -> None:
    async def fails_once(request: web.Request, times: int) -> web.StreamResponse:
        return web.Response(status=503 if times == 1 else 204)

    plan = {"type": "fixed", "maxRetries": 3, "baseDelaySeconds": 0.05}
    async with Receiver(fails_once) as receiver, delivering(tmp_path) as system:
        await system.call(
            {"url": receiver.url, "backoffPlan": plan}, serverMessages=["status-update", "end-of-call-report"]
        )
        received = await receiver.until(lambda all: len(all) == 10)
        bodies: dict[str, set[bytes]] = {}
        for one in received:
            bodies.setdefault(one.id, set()).add(one.body)
        assert len(bodies) == 5
        assert {len(versions) for versions in bodies.values()} == {1}
        attempts = await system.attempts(10)
        assert [attempt.failure for attempt in attempts if attempt.attempt == 1] == ["throttled"] * 5
        assert [attempt.failure for attempt in attempts if attempt.attempt == 2] == [""] * 5


async def test_what_was_not_delivered_is_delivered_by_the_next_process_and_the_rest_is_not_sent_again(
    tmp_path: Path,
) -> None:
    async def refuses(request: web.Request, times: int) -> web.StreamResponse:
        return web.Response(status=500)

    wanted = ["status-update", "end-of-call-report"]
    plan = {"type": "fixed", "maxRetries": 10, "baseDelaySeconds": 0.2}
    async with Receiver() as receiver:
        async with delivering(tmp_path) as system:
            await system.call({"url": receiver.url, "backoffPlan": plan}, serverMessages=wanted)
            await receiver.until(lambda all: len(all) == 5)
            await system.attempts(5)
            receiver.answer = refuses
            call_id = await system.call({"url": receiver.url, "backoffPlan": plan}, serverMessages=wanted)
            await receiver.until(lambda all: len(all) >= 10)
            delivered = {one.id for one in receiver.received[:5]}
            org_id = system.org_id
        # A lost outbox is folded again from the log.
        lose_outbox(tmp_path)
        receiver.received.clear()

        async def takes(request: web.Request, times: int) -> web.StreamResponse:
            return web.Response()

        receiver.answer = takes
        async with delivering(tmp_path, org_id):
            received = await receiver.until(lambda all: len({one.id for one in all}) == 5)
        assert {one.message["call"]["id"] for one in received} == {call_id}
        assert delivered.isdisjoint(one.id for one in received)


@pytest.mark.parametrize(
    ("plan", "header", "value"),
    [
        ({"type": "bearer", "token": "t0"}, "authorization", "Bearer t0"),
        (
            {"type": "bearer", "token": "t0", "headerName": "X-Vapi-Secret", "bearerPrefixEnabled": False},
            "x-vapi-secret",
            "t0",
        ),
    ],
)
async def test_the_server_knows_us_by_its_credential(
    tmp_path: Path, plan: dict[str, object], header: str, value: str
) -> None:
    async with Receiver() as receiver, delivering(tmp_path) as system:
        credential = await stored_credential(system, plan)
        await system.call({"url": receiver.url, "credentialId": credential}, serverMessages=["end-of-call-report"])
        (one,) = await receiver.until(reported)
        assert one.headers[header] == value


async def test_a_plan_may_ask_for_standard_webhooks_with_a_secret_of_its_own(tmp_path: Path) -> None:
    secret = b64encode(b"k" * 32).decode()
    plan = {
        "type": "hmac",
        "secretKey": secret,
        "secretIsBase64": True,
        "signatureHeader": "webhook-signature",
        "timestampHeader": "webhook-timestamp",
        "messageIdHeader": "webhook-id",
        "signaturePrefix": "v1,",
        "signatureEncoding": "base64",
        "payloadFormat": "{svix-id}.{timestamp}.{body}",
    }
    async with Receiver() as receiver, delivering(tmp_path) as system:
        credential = await stored_credential(system, plan)
        await system.call({"url": receiver.url, "credentialId": credential}, serverMessages=["end-of-call-report"])
        (one,) = await receiver.until(reported)
        assert Webhook(secret).verify(one.body, one.headers)


async def test_a_token_that_has_run_out_is_renewed_in_the_middle(tmp_path: Path) -> None:
    tokens: list[str] = []

    async def answers(request: web.Request, times: int) -> web.StreamResponse:
        if request.path == "/token":
            tokens.append(f"token-{len(tokens) + 1}")
            return web.json_response({"access_token": tokens[-1], "expires_in": 3600})
        # The first token is revoked after two messages.
        good = request.headers["authorization"] == f"Bearer {tokens[-1]}"
        if len(taken) == 2 and len(tokens) == 1:
            good = False
        if good:
            taken.append(request.headers["webhook-id"])
        return web.Response(status=200 if good else 401)

    taken: list[str] = []
    plan = {"type": "oauth2", "clientId": "us", "clientSecret": "shh", "scope": "hooks"}
    async with Receiver(answers) as receiver, delivering(tmp_path) as system:
        credential = await stored_credential(system, {**plan, "url": f"{receiver.url}/token"})
        await system.call(
            {"url": receiver.url, "credentialId": credential}, serverMessages=["status-update", "end-of-call-report"]
        )
        await receiver.until(lambda all: len(taken) == 5)
        assert len(tokens) == 2
        assert len(set(taken)) == 5
        assert {attempt.failure for attempt in await system.attempts(5)} == {""}


def lose_outbox(folder: Path) -> None:
    for file in folder.glob("webhooks.db*"):
        file.unlink()


async def stored_credential(system: Delivering, plan: dict[str, object]) -> str:
    config = {"provider": "custom-credential", "authenticationPlan": plan}
    return await system.configured(CONFIGURATIONS["credential"], config)
