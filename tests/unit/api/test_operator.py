"""The operator's routes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest

from api.app import create_app
from domain.analytics import QueryProblem, QueryRejected
from domain.processing import RunnerStopped, SinkUnavailable
from tests.unit.api.installation import Installation

CALL = {"transport": {"provider": "vapi.websocket"}, "assistant": {}}


async def test_a_founded_organization_can_work_at_once(anonymous: httpx.AsyncClient, operator: dict[str, str]) -> None:
    founded = await anonymous.post("/operator/organizations", json={"name": "Acme"}, headers=operator)
    assert founded.status_code == 201
    body = founded.json()
    assert set(body) == {"id", "name", "privateKey", "publicKey"}
    private = {"authorization": f"Bearer {body['privateKey']}"}
    public = {"authorization": f"Bearer {body['publicKey']}"}
    created = await anonymous.post("/assistant", json={}, headers=private)
    assert (created.status_code, created.json()["orgId"]) == (201, body["id"])
    assert (await anonymous.post("/assistant", json={}, headers=public)).status_code == 401
    listed = await anonymous.get("/operator/organizations", headers=operator)
    assert [(org["id"], org["name"]) for org in listed.json()] == [(body["id"], "Acme")]
    assert body["privateKey"] not in listed.text


async def test_organizations_are_listed_page_by_page(anonymous: httpx.AsyncClient, operator: dict[str, str]) -> None:
    for name in ("first", "second", "third"):
        await anonymous.post("/operator/organizations", json={"name": name}, headers=operator)
    pages = [
        (await anonymous.get(f"/operator/organizations?limit=2&offset={offset}", headers=operator)).json()
        for offset in (0, 2)
    ]
    assert [[organization["name"] for organization in page] for page in pages] == [["third", "second"], ["first"]]


async def test_the_keys_are_nowhere_on_the_log(anonymous: httpx.AsyncClient, operator: dict[str, str]) -> None:
    body = (await anonymous.post("/operator/organizations", json={"name": "Acme"}, headers=operator)).json()
    events = (await anonymous.get("/operator/events", headers=operator)).text
    assert events.count("organization.key_issued") == 2
    assert body["privateKey"] not in events
    assert body["publicKey"] not in events


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/operator/organizations"),
        ("GET", "/operator/organizations"),
        ("GET", "/operator/calls"),
        ("GET", "/operator/calls/x"),
        ("GET", "/operator/events"),
        ("POST", "/operator/sql"),
        ("GET", "/operator/status"),
        ("POST", "/operator/rebuild"),
        ("GET", "/operator/rebuild"),
        ("DELETE", "/operator/rebuild"),
        ("GET", "/operator/tables"),
        ("GET", "/operator/dead-letters"),
        ("POST", "/operator/dead-letters/retry"),
        ("POST", "/operator/dead-letters/drop"),
    ],
)
async def test_only_the_operator_may_enter(asking: httpx.AsyncClient, method: str, path: str) -> None:
    own = asking.headers.pop("authorization")
    keys = [{}, {"authorization": "Bearer wrong"}, {"authorization": own}]
    assert [(await asking.request(method, path, headers=key)).status_code for key in keys] == [401] * 3


async def test_without_an_operator_token_there_are_no_operator_routes(installation: Installation) -> None:
    settings = replace(installation.dependencies.settings, operator_token=None)
    closed = create_app(replace(installation.dependencies, settings=settings))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(closed), base_url="https://x") as client:
        answer = await client.get("/operator/status", headers={"authorization": "Bearer "})
    assert (answer.status_code, answer.json()["message"]) == (404, "The operator routes are switched off.")


async def test_an_organization_needs_a_name(anonymous: httpx.AsyncClient, operator: dict[str, str]) -> None:
    empty = await anonymous.post("/operator/organizations", json={"name": ""}, headers=operator)
    blank = await anonymous.post("/operator/organizations", json={"name": "  "}, headers=operator)
    assert (empty.status_code, blank.status_code) == (400, 400)
    assert blank.json()["message"] == ["name: The name is empty. Give the organization a name."]


async def test_calls_of_all_organizations(
    client: httpx.AsyncClient, operator: dict[str, str], installation: Installation
) -> None:
    ours = (await client.post("/call", json=CALL)).json()
    rival = await installation.found("Rival")
    key = {"authorization": f"Bearer {rival.private_key}"}
    theirs = (await client.post("/call", json=CALL, headers=key)).json()
    theirs.pop("subscriptionLimits")
    await client.delete(f"/call/{ours['id']}")
    third = (await client.post("/call", json=CALL)).json()
    listed = await client.get("/operator/calls", headers=operator)
    assert [body["id"] for body in listed.json()] == [third["id"], theirs["id"]]
    ended = await client.get("/operator/calls", params={"status": "ended,in-progress"}, headers=operator)
    assert ended.json() == []
    assert (await client.get(f"/operator/calls/{theirs['id']}", headers=operator)).json() == theirs
    assert (await client.get("/operator/calls/x", headers=operator)).status_code == 404


async def test_the_log_page_by_page(
    client: httpx.AsyncClient, operator: dict[str, str], installation: Installation
) -> None:
    call = (await client.post("/call", json=CALL)).json()
    await client.patch(f"/call/{call['id']}", json={"name": "x"})

    async def page(**parameters: Any) -> list[dict[str, Any]]:
        answer = await client.get("/operator/events", params=parameters, headers=operator)
        assert answer.status_code == 200, answer.text
        events: list[dict[str, Any]] = answer.json()
        return events

    everything = await page()
    assert [event["position"] for event in everything] == [f"0:{n}" for n in range(1, len(everything) + 1)]
    assert everything[-1]["position"] == str(installation.log.head())
    assert await page(after=everything[1]["position"], limit=2) == everything[2:4]
    assert await page(originator=call["id"]) == everything[-2:]
    assert await page(originator=call["id"], limit=1) == everything[-2:-1]
    assert await page(originator=call["id"], after=everything[-2]["position"]) == everything[-1:]
    assert await page(types="call.renamed,assistant.created") == everything[-1:]
    for nowhere in ("begin", f"0:{'9' * 20}", "0:\u0663"):
        wrong = await client.get("/operator/events", params={"after": nowhere}, headers=operator)
        assert wrong.json()["message"] == [
            f"after is wrong: position '{nowhere}' is not of the form shard:ordinal, for example 0:128"
        ]


async def test_sql(client: httpx.AsyncClient, operator: dict[str, str], installation: Installation) -> None:
    answer = await client.post("/operator/sql", json={"statement": "SELECT 1"}, headers=operator)
    assert answer.json() == {"columns": ["statement"], "types": ["String"], "rows": [["SELECT 1"]], "elapsedMs": 1.5}
    installation.analytics.answer = QueryRejected([QueryProblem("statement", "must be a SELECT")])
    refused = await client.post("/operator/sql", json={"statement": "DROP TABLE calls"}, headers=operator)
    assert (refused.status_code, refused.json()["message"]) == (400, ["statement must be a SELECT"])
    nobodys = await client.post("/operator/sql", json={"statement": "SELECT 1", "orgId": "nobody"}, headers=operator)
    assert (nobodys.status_code, nobodys.json()["message"][:19]) == (404, "Organization nobody")


async def test_status(client: httpx.AsyncClient, operator: dict[str, str], installation: Installation) -> None:
    installation.live_calls.running.add("x")
    body = (await client.get("/operator/status", headers=operator)).json()
    assert (body["activeCalls"], body["ready"], body["version"]) == (1, True, "0.0-test")
    assert body["head"] == str(installation.log.head())
    assert body["heads"] == [body["head"]]


@dataclass
class ScriptedMaintenance:
    """Writes down what it is asked for."""

    asked: list[tuple[str, ...]] = field(default_factory=list)

    async def rebuild(
        self, projection: str | None, version: int | None = None, *, keep_replaced: bool = True
    ) -> dict[str, Any]:
        self.asked.append(("rebuild", projection or "all", f"version {version}", f"keep {keep_replaced}"))
        return {"equal": True}

    async def rebuild_progress(self) -> dict[str, Any]:
        return {"running": True, "events": 5}

    async def tables(self) -> dict[str, Any]:
        return {"shards": {"0": {"lagEvents": 3, "lagSeconds": 0.5}}}

    async def drop_replaced(self) -> dict[str, Any]:
        self.asked.append(("drop replaced",))
        return {"dropped": ["calls_v1_replaced"]}

    async def dead_letters(self) -> list[dict[str, Any]]:
        return [{"processor": "calls"}]

    async def retry_dead_letters(self, processor: str, originator: str) -> dict[str, Any]:
        self.asked.append(("retry", processor, originator))
        return {"retried": 1}

    async def drop_dead_letters(self, processor: str, originator: str) -> dict[str, Any]:
        self.asked.append(("drop", processor, originator))
        return {"dropped": 1}


@pytest.mark.parametrize("failure", [SinkUnavailable("the disk is full"), RunnerStopped("it ends")])
async def test_held_events_that_cannot_be_written_now_wait(
    installation: Installation, operator: dict[str, str], failure: Exception
) -> None:
    class Failing(ScriptedMaintenance):
        async def retry_dead_letters(self, processor: str, originator: str) -> dict[str, Any]:
            raise failure

    app = create_app(replace(installation.dependencies, maintenance=Failing()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://x", headers=operator) as client:
        held = {"processor": "calls", "originator": "c1"}
        answer = await client.post("/operator/dead-letters/retry", json=held)
    assert (answer.status_code, answer.json()["code"]) == (503, "SINK_UNAVAILABLE")
    assert str(failure) in answer.json()["message"]
    assert answer.headers["retry-after"] == "5"


async def test_maintenance(installation: Installation, operator: dict[str, str]) -> None:
    maintenance = ScriptedMaintenance()
    app = create_app(replace(installation.dependencies, maintenance=maintenance))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://x", headers=operator) as client:
        held = {"processor": "calls", "originator": "c1"}
        assert (await client.post("/operator/rebuild")).json() == {"equal": True}
        await client.post("/operator/rebuild", json={"projection": "calls", "version": 1, "dropOld": True})
        assert (await client.get("/operator/rebuild")).json() == {"running": True, "events": 5}
        assert (await client.get("/operator/tables")).json()["shards"] == {"0": {"lagEvents": 3, "lagSeconds": 0.5}}
        assert (await client.delete("/operator/rebuild")).json() == {"dropped": ["calls_v1_replaced"]}
        refused = await client.post("/operator/rebuild", json={"projection": "calls", "version": 0})
        assert refused.status_code == 400
        assert (await client.get("/operator/dead-letters")).json() == [{"processor": "calls"}]
        assert (await client.post("/operator/dead-letters/retry", json=held)).json() == {"retried": 1}
        assert (await client.post("/operator/dead-letters/drop", json=held)).json() == {"dropped": 1}
        incomplete = await client.post("/operator/dead-letters/drop", json={"processor": "calls"})
    assert (incomplete.status_code, incomplete.json()["message"]) == (400, ["originator is required"])
    assert maintenance.asked == [
        ("rebuild", "all", "version None", "keep True"),
        ("rebuild", "calls", "version 1", "keep False"),
        ("drop replaced",),
        ("retry", "calls", "c1"),
        ("drop", "calls", "c1"),
    ]


async def test_a_node_without_derived_data_says_so(anonymous: httpx.AsyncClient, operator: dict[str, str]) -> None:
    answer = await anonymous.post("/operator/rebuild", headers=operator)
    assert (answer.status_code, answer.json()["message"]) == (501, "This node keeps no derived data.")
