"""Calls over HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest

from api.app import create_app
from domain.call.aggregate import CALL
from domain.call.commands import ClaimCall, EndCall
from domain.call.events import CallDeletionFailed, CallStarted
from domain.fragments import Fragment, FragmentBatch
from domain.organization.founding import Founding
from domain.signing import is_call_token
from tests.unit.api.examples import create_all
from tests.unit.api.installation import SECRET, Installation

WEBSOCKET = {"provider": "vapi.websocket"}


async def start(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post("/call", json={"transport": WEBSOCKET, "assistant": {}, **fields})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_a_websocket_call_is_queued_with_its_addresses(client: httpx.AsyncClient) -> None:
    body = await start(client, assistant={"firstMessage": "Hi"}, name="test")
    assert (body["status"], body["type"], body["cost"]) == ("queued", "vapi.websocketCall", 0)
    assert body["assistant"] == {"firstMessage": "Hi"}
    assert body["transport"]["audioFormat"] == {"format": "pcm_s16le", "container": "raw", "sampleRate": 16000}
    scheme, _, rest = body["transport"]["websocketCallUrl"].partition("://")
    host, call_id, token, last = rest.split("/")
    assert (scheme, host, call_id, last) == ("wss", "calls.example", body["id"], "transport")
    assert is_call_token(SECRET, call_id, "transport", token)
    assert not is_call_token(SECRET, call_id, "control", token)
    assert body["monitor"]["controlUrl"].startswith(f"https://calls.example/{call_id}/")
    assert body["monitor"]["controlUrl"].endswith("/control")
    assert body["monitor"]["listenUrl"].startswith(f"wss://calls.example/{call_id}/")
    assert body.pop("subscriptionLimits")["concurrencyBlocked"] is False
    assert (await client.get(f"/call/{call_id}")).json() == body


async def test_mulaw_runs_at_eight_kilohertz_unless_told(client: httpx.AsyncClient) -> None:
    body = await start(client, transport={**WEBSOCKET, "audioFormat": {"format": "mulaw"}})
    assert body["transport"]["audioFormat"]["sampleRate"] == 8000


@pytest.mark.parametrize("place", ["stored", "inline", "override"])
async def test_a_monitor_plan_withholds_addresses(client: httpx.AsyncClient, place: str) -> None:
    plan = {"monitorPlan": {"listenEnabled": False}}
    if place == "stored":
        stored = (await client.post("/assistant", json=plan)).json()
        body = await start(client, assistantId=stored["id"], assistant=None)
    elif place == "inline":
        body = await start(client, assistant=plan)
    else:
        body = await start(client, assistantOverrides=plan)
    assert "listenUrl" not in body["monitor"]
    assert "controlUrl" in body["monitor"]


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"transport": None}, 400, "Couldn't Get Phone Number. Need Either `phoneNumberId` Or `phoneNumber`."),
        (
            {
                "transport": None,
                "phoneNumberId": "4d0b4d3c-0000-4000-8000-000000000000",
                "customer": {"number": "+15551234567"},
            },
            400,
            "Couldn't Get Phone Number. `phoneNumberId` 4d0b4d3c-0000-4000-8000-000000000000 Does Not Exist.",
        ),
        ({"transport": None, "phoneNumber": {}, "customer": {"number": "+15551234567"}}, 501, "Phone calls are not"),
        (
            {"assistant": None, "assistantId": "nobody"},
            400,
            "Couldn't Get Assistant. `assistantId` nobody Does Not Exist.",
        ),
        ({"assistant": None}, 400, "Couldn't Get Assistant. Need Either `assistantId` Or `assistant`."),
        ({"assistantId": "x"}, 400, "Need Exactly One Of `assistantId`, `assistant`."),
        (
            {"assistant": None, "squadId": "4d0b4d3c-0000-4000-8000-000000000000"},
            400,
            "Couldn't Get Squad. `squadId` 4d0b4d3c-0000-4000-8000-000000000000 Does Not Exist.",
        ),
        (
            {"assistant": None, "squad": {"members": [{"assistant": {"name": "A"}}, {"assistant": {"name": "A"}}]}},
            400,
            "Duplicate Assistant Name: A",
        ),
        ({"schedulePlan": {"earliestAt": "2026-02-01T00:00:00Z"}}, 501, "Scheduled calls are not built yet."),
        ({"assistantVersion": "v1"}, 400, "`assistantVersion` Needs `assistantId`."),
    ],
)
async def test_calls_that_cannot_be_held(
    asking: httpx.AsyncClient, fields: dict[str, Any], status: int, message: str
) -> None:
    answer = await asking.post("/call", json={"transport": WEBSOCKET, "assistant": {}, **fields})
    assert answer.status_code == status
    assert answer.json()["message"].startswith(message)
    assert (await asking.get("/call")).json() == []


async def test_a_version_of_an_assistant_that_is_asked_for_has_to_exist(client: httpx.AsyncClient) -> None:
    stored = (await client.post("/assistant", json={})).json()
    await client.patch(f"/assistant/{stored['id']}", json={"name": "second"})
    request = {"transport": WEBSOCKET, "assistantId": stored["id"]}
    for version, status in (("v1", 201), ("v2", 201), ("v3", 400), ("v0", 400), ("newest", 400)):
        answer = await client.post("/call", json={**request, "assistantVersion": version})
        assert answer.status_code == status, version
    assert answer.json()["message"] == "Couldn't Get Assistant. `assistantVersion` newest Does Not Exist."


async def test_what_a_call_refers_to_must_exist_and_be_something_that_calls_can_use(client: httpx.AsyncClient) -> None:
    made = await create_all(client)
    tools = {"provider": "vapi", "toolIds": [made["tool"]["id"]]}
    for request in (
        {"assistantId": made["assistant"]["id"]},
        {"assistant": {"model": tools}},
        {"assistant": {}, "assistantOverrides": {"model": tools}},
        {"squadId": made["squad"]["id"]},
        {"squad": {"members": [{"assistantId": made["assistant"]["id"]}, {"assistant": {"name": "B"}}]}},
    ):
        answer = await client.post("/call", json={"transport": WEBSOCKET, **request})
        assert answer.status_code == 201, answer.json()
    customer = {"number": "+14155552671"}
    phone = {"phoneNumberId": made["phone_number"]["id"], "customer": customer}
    assert (await client.post("/call", json=phone)).status_code == 501
    missing = "4d0b4d3c-0000-4000-8000-000000000000"
    for request, path, noun in (
        ({"assistant": {"model": {"provider": "vapi", "toolIds": [missing]}}}, "assistant.model.toolIds.0", "Tool"),
        ({"squad": {"members": [{"assistantId": missing}]}}, "squad.members.0.assistantId", "Assistant"),
    ):
        answer = await client.post("/call", json={"transport": WEBSOCKET, **request})
        assert answer.json()["message"] == [f"Couldn't Get {noun}. `{path}` {missing} Does Not Exist."]


@pytest.mark.parametrize(
    ("squad", "message"),
    [
        ({}, "squad.members is required"),
        ({"members": []}, "squad.members"),
        ({"members": [{}]}, "squad.members.0 must have exactly one of assistantId, assistant"),
        ({"members": [{"assistant": {"foo": 1}}]}, "squad.members.0.assistant.property foo should not exist"),
    ],
)
async def test_an_inline_squad_is_checked_as_a_stored_one(
    asking: httpx.AsyncClient, squad: dict[str, Any], message: str
) -> None:
    answer = await asking.post("/call", json={"transport": WEBSOCKET, "squad": squad})
    assert answer.status_code == 400
    assert answer.json()["message"][0].startswith(message), answer.json()


async def test_lists_and_their_filters(client: httpx.AsyncClient, installation: Installation) -> None:
    stored = (await client.post("/assistant", json={})).json()
    with_stored = await start(client, assistantId=stored["id"], assistant=None)
    installation.clock.forward(minutes=1)
    inline = await start(client)

    async def listed(**parameters: Any) -> list[str]:
        return [body["id"] for body in (await client.get("/call", params=parameters)).json()]

    assert await listed() == [inline["id"], with_stored["id"]]
    assert await listed(assistantId=stored["id"]) == [with_stored["id"]]
    assert await listed(id=inline["id"]) == [inline["id"]]
    assert await listed(id=inline["id"], assistantId=stored["id"]) == []
    assert await listed(id=inline["id"], createdAtLt=inline["createdAt"]) == []
    assert await listed(id="unknown") == []
    assert await listed(phoneNumberId="any") == []
    assert await listed(createdAtLt="2026-01-31T09:30:30Z") == [with_stored["id"]]
    assert await listed(limit=0) == []


async def test_only_the_name_can_be_changed(client: httpx.AsyncClient) -> None:
    body = await start(client)
    path = f"/call/{body['id']}"
    assert (await client.patch(path, json={"name": "second"})).json()["name"] == "second"
    assert "name" not in (await client.patch(path, json={"name": None})).json()
    assert (await client.patch(path, json={})).status_code == 200
    refused = await client.patch(path, json={"status": "ended"})
    assert (refused.status_code, refused.json()["message"]) == (400, ["property status should not exist"])


async def test_a_call_is_renamed_only_in_the_version_that_was_seen(client: httpx.AsyncClient) -> None:
    created = await client.post("/call", json={"transport": WEBSOCKET, "assistant": {}})
    path, seen = f"/call/{created.json()['id']}", {"if-match": created.headers["etag"]}
    renamed = await client.patch(path, json={"name": "a"}, headers=seen)
    assert renamed.headers["etag"] == (await client.get(path)).headers["etag"]
    assert (await client.patch(path, json={"name": "b"}, headers=seen)).status_code == 412
    assert (await client.get(path)).json()["name"] == "a"


async def test_a_queued_call_is_deleted(client: httpx.AsyncClient) -> None:
    body = await start(client)
    deleted = await client.request("DELETE", f"/call/{body['id']}", json={})
    assert (deleted.status_code, deleted.json()["id"]) == (200, body["id"])
    assert (await client.get(f"/call/{body['id']}")).status_code == 404
    assert (await client.delete(f"/call/{body['id']}")).status_code == 404
    assert (await client.get("/call")).json() == []
    past = await client.get(f"/call/{body['id']}", params={"at": "2026-01-31T09:30:30Z"})
    assert past.status_code == 404


async def test_a_running_call_is_ended_before_it_is_deleted(
    client: httpx.AsyncClient, installation: Installation
) -> None:
    body = await start(client)
    await installation.log.execute(CALL, body["id"], ClaimCall(owner="test", lease_seconds=5))
    installation.live_calls.running.add(body["id"])

    async def record_the_end(call_id: str, reason: str) -> None:
        await installation.log.execute(CALL, call_id, EndCall(reason=reason))

    installation.live_calls.on_end = record_the_end
    deleted = await client.delete(f"/call/{body['id']}")
    assert (deleted.status_code, deleted.json()["status"]) == (200, "ended")
    assert installation.live_calls.ended == [(body["id"], "call-deleted")]


async def test_a_call_whose_process_died_can_be_deleted(client: httpx.AsyncClient, installation: Installation) -> None:
    body = await start(client)
    await installation.log.execute(CALL, body["id"], ClaimCall(owner="gone", lease_seconds=5))
    deleted = await client.delete(f"/call/{body['id']}")
    assert (deleted.status_code, deleted.json()["endedReason"]) == (200, "call-deleted")


async def test_a_call_that_stays_when_several_are_deleted_keeps_that_on_the_log(
    client: httpx.AsyncClient, installation: Installation
) -> None:
    waiting, running = [(await start(client))["id"] for _ in range(2)]
    await installation.log.execute(CALL, running, ClaimCall(owner="media-1", lease_seconds=5))

    async def go_on(call_id: str, reason: str) -> None:
        """It is asked, and does not end."""
        installation.live_calls.running.add(call_id)

    installation.live_calls.on_end = go_on
    installation.live_calls.running.add(running)
    answer = await client.request("DELETE", f"/call/{waiting}", json={"ids": [waiting, running]})
    deleted, stays = answer.json()["results"]
    assert (deleted["status"], stays["status"]) == ("deleted", "deletion-failed")
    last = installation.log.history(running)[-1].recorded.event
    assert last == CallDeletionFailed(code=stays["code"], reason=stays["message"])
    assert (await client.get(f"/call/{running}")).json()["status"] == "ringing"


async def test_several_calls_are_deleted_at_once(client: httpx.AsyncClient, installation: Installation) -> None:
    waiting, gone, stays = [(await start(client))["id"] for _ in range(3)]
    assert (await client.delete(f"/call/{gone}")).status_code == 200
    ids = {"ids": [waiting, gone, waiting]}
    answer = await client.request("DELETE", f"/call/{stays}", json=ids)
    body = answer.json()
    assert (answer.status_code, body["id"], body["message"]) == (200, stays, "1 of 2 calls were deleted.")
    assert [(result["id"], result["status"]) for result in body["results"]] == [
        (waiting, "deleted"),
        (gone, "deletion-failed"),
    ]
    assert body["results"][1]["code"] == "NOT_FOUND"
    assert [call["id"] for call in (await client.get("/call")).json()] == [stays]
    rival = await installation.found("Rival")
    client.headers["authorization"] = f"Bearer {rival.private_key}"
    theirs = await client.request("DELETE", "/call/x", json={"ids": [stays]})
    assert theirs.json()["results"][0]["code"] == "NOT_FOUND"
    assert installation.log.get("call", stays) is not None


async def test_a_retried_creation_gives_the_same_call(client: httpx.AsyncClient) -> None:
    key = {"idempotency-key": "one call"}
    request = {"transport": WEBSOCKET, "assistant": {"name": "a"}}
    first = await client.post("/call", json=request, headers=key)
    again = await client.post("/call", json=request, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert len((await client.get("/call")).json()) == 1
    other = await client.post("/call", json={**request, "name": "x"}, headers=key)
    assert other.status_code == 422


async def test_a_call_as_it_was(client: httpx.AsyncClient, installation: Installation) -> None:
    created = await client.post("/call", json={"transport": WEBSOCKET, "assistant": {}})
    call_id = created.json()["id"]
    await installation.log.execute(CALL, call_id, ClaimCall(owner="test", lease_seconds=5))
    now = installation.clock()
    started = CallStarted(clock_origin=now, at_ms=10, assistant={"firstMessage": "resolved"})
    await installation.log.record(call_id, [started], [now])
    assert (await client.get(f"/call/{call_id}")).json()["status"] == "in-progress"
    then = await client.get(f"/call/{call_id}", params={"at": created.headers["x-callfold-position"]})
    assert then.json() | {"subscriptionLimits": created.json()["subscriptionLimits"]} == created.json()


async def test_another_organisation_sees_nothing(client: httpx.AsyncClient, installation: Installation) -> None:
    body = await start(client)
    rival = await installation.found("Rival")
    key = {"authorization": f"Bearer {rival.private_key}"}
    path = f"/call/{body['id']}"
    for method, suffix in (
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/mono-recording"),
        ("GET", "/pcap"),
        ("GET", "/events"),
    ):
        assert (await client.request(method, path + suffix, headers=key)).status_code == 404
    assert (await client.patch(path, json={"name": "x"}, headers=key)).status_code == 404
    assert (await client.get("/call", headers=key)).json() == []
    assert (await client.get("/call", params={"id": body["id"]}, headers=key)).json() == []


async def test_the_history_of_a_call(client: httpx.AsyncClient, installation: Installation) -> None:
    body = await start(client, name="first")
    renamed = await client.patch(f"/call/{body['id']}", json={"name": "second"})
    history = (await client.get(f"/call/{body['id']}/events")).json()
    assert [event["type"] for event in history] == ["call.created", "call.renamed"]
    assert [event["originatorVersion"] for event in history] == [1, 2]
    assert history[1]["position"] == renamed.headers["x-callfold-position"]
    assert history[1]["data"] == {"name": "second"}
    assert history[0]["data"]["org_id"] == body["orgId"]


async def test_no_event_shows_a_secret(client: httpx.AsyncClient, operator: dict[str, str]) -> None:
    secretive = {"server": {"url": "https://hooks.example", "secret": "s3cret"}, "serverUrlSecret": "0ld"}
    stored = (await client.post("/assistant", json=secretive)).json()
    await client.patch(f"/assistant/{stored['id']}", json=secretive)
    body = await start(client, assistant=secretive, assistantOverrides=secretive)
    history = (await client.get(f"/call/{body['id']}/events")).json()
    everything = (await client.get("/operator/events", headers=operator)).text
    assert history[0]["data"]["request"]["assistant"] == {"server": {"url": "https://hooks.example"}}
    assert "https://hooks.example" in everything
    assert "s3cret" not in everything + str(history)
    assert "0ld" not in everything + str(history)


class OneCallsFragments:
    """Media facts of one call."""

    def __init__(self, call_id: str) -> None:
        self.call_id = call_id

    def append(self, batches: Sequence[FragmentBatch]) -> None:
        raise AssertionError("the API appends nothing")

    def read(self, call_id: str, *, source: str | None = None, types: Iterable[str] = ()) -> list[Fragment]:
        facts = [
            Fragment(seq=1, type="transcript.partial", at_ms=10.5, data={"text": "hel"}),
            Fragment(seq=2, type="mark.t4", at_ms=20.0),
        ]
        return [fact for fact in facts if call_id == self.call_id and (not types or fact.type in types)]


async def test_the_media_facts_of_a_call(
    client: httpx.AsyncClient, installation: Installation, founding: Founding
) -> None:
    body = await start(client)
    assert (await client.get(f"/call/{body['id']}/fragments")).status_code == 501
    app = create_app(replace(installation.dependencies, fragments=OneCallsFragments(body["id"])))
    key = {"authorization": f"Bearer {founding.private_key}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x", headers=key) as node:
        every = await node.get(f"/call/{body['id']}/fragments")
        marks = await node.get(f"/call/{body['id']}/fragments", params={"types": "mark.t4,mark.t5"})
        assert (await node.get("/call/another/fragments")).status_code == 404
    assert [fact["type"] for fact in every.json()] == ["transcript.partial", "mark.t4"]
    assert marks.json() == [{"seq": 2, "type": "mark.t4", "at_ms": 20.0}]
