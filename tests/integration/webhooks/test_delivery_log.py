"""The delivery log answers why, sends again, and shows messages to who listens."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from standardwebhooks.webhooks import Webhook

from api.app import create_app
from domain.webhook.deliveries import Told
from tests.integration.webhooks.receiver import Answer, Receiver
from tests.integration.webhooks.system import SECRET, Delivering, delivering
from tests.unit.api.installation import OPERATOR_TOKEN, install

GIVEN_UP = {"type": "fixed", "maxRetries": 1, "baseDelaySeconds": 0, "excludedStatusCodes": [500]}


@asynccontextmanager
async def asking(system: Delivering, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the operator's token, below the webhooks of the tenant."""
    built = install(folder)
    try:
        log = system.storage.log
        dependencies = dataclasses.replace(
            built.dependencies, commands=log, documents=log, log=log, deliveries=system.webhooks.deliveries
        )
        base = f"https://calls.example/operator/organizations/{system.org_id}/webhooks"
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(create_app(dependencies)),
            base_url=base,
            headers={"authorization": f"Bearer {OPERATOR_TOKEN}"},
        ) as client:
            yield client
    finally:
        built.log.close()


async def refuses(request: web.Request, times: int) -> web.StreamResponse:
    return web.Response(status=500)


async def takes(request: web.Request, times: int) -> web.StreamResponse:
    return web.Response()


@asynccontextmanager
async def watched(folder: Path, answer: Answer) -> AsyncIterator[tuple[Receiver, Delivering, httpx.AsyncClient]]:
    """A receiver, a system that delivers to it, and a client that asks how it goes."""
    async with (
        Receiver(answer) as receiver,
        delivering(folder / "system") as system,
        asking(system, folder / "other") as client,
    ):
        yield receiver, system, client


async def settled(system: Delivering, client: httpx.AsyncClient, count: int) -> list[dict[str, object]]:
    """The messages once that many attempts are on the log and the outbox knows of them."""
    await system.attempts(count)
    await system.caught_up()
    return list((await client.get("/messages")).json())


async def test_a_message_that_was_given_up_tells_why_and_is_sent_again_as_it_was(tmp_path: Path) -> None:
    async with watched(tmp_path, refuses) as (receiver, system, client):
        await system.call({"url": receiver.url, "backoffPlan": GIVEN_UP}, serverMessages=["end-of-call-report", "hang"])
        (listed,) = await settled(system, client, 1)
        assert (listed["state"], listed["attempts"], listed["status"]) == ("dead", 1, 500)
        shown = (await client.get(f"/messages/{listed['id']}")).json()
        assert shown["attemptLog"][0]["detail"] == "answered 500"
        assert shown["body"]["message"]["type"] == "end-of-call-report"
        receiver.answer = takes
        assert (await client.post(f"/messages/{listed['id']}/replay")).status_code == 202
        first, again = await receiver.until(lambda all: len(all) == 2)
        assert (first.id, first.body) == (again.id, again.body)
        assert again.headers["callfold-replay"] == "manual"
        assert "callfold-replay" not in first.headers
        (listed,) = await settled(system, client, 2)
        assert (listed["state"], listed["attempts"]) == ("delivered", 2)


async def test_a_state_that_there_is_not_is_named(tmp_path: Path) -> None:
    async with watched(tmp_path, takes) as (_, _, client):
        refused = await client.get("/messages", params={"state": "dead,lost"})
    assert refused.status_code == 400
    assert "lost is none of pending, delivered, dead, stale" in refused.text


async def test_what_an_endpoint_missed_is_counted_first_and_then_sent_in_order(tmp_path: Path) -> None:
    async with watched(tmp_path, refuses) as (receiver, system, client):
        await system.call({"url": receiver.url, "backoffPlan": GIVEN_UP}, serverMessages=["status-update"])
        await settled(system, client, 4)
        (endpoint,) = (await client.get("/endpoints")).json()
        assert (endpoint["origin"], endpoint["exhausted"]) == (receiver.url, 4)
        path = f"/endpoints/{endpoint['id']}/recover"
        counted = await client.post(path, json={"dryRun": True})
        assert counted.json() == {"endpointId": endpoint["id"], "messages": 4, "dryRun": True}
        assert len(receiver.received) == 4
        receiver.answer = takes
        assert (await client.post(path, json={})).json()["messages"] == 4
        received = await receiver.until(lambda all: len(all) == 8)
        assert [one.headers["callfold-sequence"] for one in received[4:]] == ["1", "2", "3", "4"]


async def test_an_endpoint_that_is_gone_gets_nothing_until_it_is_switched_on(tmp_path: Path) -> None:
    async def gone(request: web.Request, times: int) -> web.StreamResponse:
        return web.Response(status=410)

    async with watched(tmp_path, gone) as (receiver, system, client):
        await system.call({"url": receiver.url}, serverMessages=["end-of-call-report"])
        (listed,) = await settled(system, client, 1)
        assert (listed["state"], listed["failure"]) == ("dead", "gone")
        (endpoint,) = (await client.get("/endpoints")).json()
        assert (endpoint["status"], endpoint["disabledBecause"]) == ("disabled", "gone")
        await system.call({"url": receiver.url}, serverMessages=["end-of-call-report"])
        await system.caught_up()
        assert len(receiver.received) == 1
        receiver.answer = takes
        enabled = await client.post(f"/endpoints/{endpoint['id']}/enable")
        assert enabled.json()["status"] == "enabled"
        await receiver.until(lambda all: len(all) == 2)


async def test_the_endpoint_shows_the_secret_that_its_messages_are_signed_with(tmp_path: Path) -> None:
    async with watched(tmp_path, takes) as (receiver, system, client):
        await system.call({"url": receiver.url}, serverMessages=["end-of-call-report"])
        (one,) = await receiver.until(lambda all: len(all) == 1)
        await settled(system, client, 1)
        (endpoint,) = (await client.get("/endpoints")).json()
        secret = (await client.get(f"/endpoints/{endpoint['id']}")).json()["signingSecret"]
        assert Webhook(secret).verify(one.body, one.headers)
        assert SECRET.decode() not in secret


async def test_who_listens_is_told_everything_although_no_server_is_configured(tmp_path: Path) -> None:
    async with delivering(tmp_path) as system:
        told: list[Told] = []
        listening = system.webhooks.deliveries.listen(system.org_id)
        following = anext(aiter(listening))
        call = system.call({}, serverMessages=["status-update", "end-of-call-report"])
        first, _ = await asyncio.gather(following, call)
        told.append(first)
        async for one in listening:
            told.append(one)
            if len(told) == 5:
                break
        types = [msgspec.json.decode(one.body)["message"]["type"] for one in told]
        assert types == ["status-update"] * 4 + ["end-of-call-report"]
        assert all(one.headers["webhook-id"].startswith("msg_") for one in told)
        key = system.webhooks.deliveries.listening_key(system.org_id)
        assert all(Webhook(key).verify(one.body, dict(one.headers)) for one in told)


async def test_metrics_say_what_waits_what_was_given_up_and_how_attempts_ended(tmp_path: Path) -> None:
    async def refuses_reports(request: web.Request, times: int) -> web.StreamResponse:
        return web.Response(status=500 if b'"type":"end-of-call-report"' in await request.read() else 200)

    async with Receiver(refuses_reports) as receiver, delivering(tmp_path) as system:
        wanted = ["hang", "end-of-call-report", "status-update"]
        await system.call({"url": receiver.url, "backoffPlan": GIVEN_UP}, serverMessages=wanted)
        await system.attempts(5)
        await system.settled()
        registry = CollectorRegistry()
        for collector in system.webhooks.metrics():
            registry.register(collector)
        found = figures(registry)
        async with asyncio.timeout(60):
            # A request is over a moment after its outcome is on the log.
            while found["callfold_webhook_requests_active",]:
                await asyncio.sleep(0.01)
                found = figures(registry)
    assert found["callfold_webhook_waiting_messages",] == 0
    assert found["callfold_webhook_dead_messages",] == 1
    assert found["callfold_webhook_attempts_total", "success"] == 4
    assert found["callfold_webhook_attempts_total", "status"] == 1
    assert found["callfold_webhook_first_attempt_seconds_count",] == 5


def figures(registry: CollectorRegistry) -> dict[tuple[str, ...], float]:
    """By name and labels."""
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}
