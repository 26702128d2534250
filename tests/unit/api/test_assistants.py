"""Assistants over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from tests.unit.api.installation import Installation

CONFIG = {
    "name": "Reception",
    "firstMessage": "Hello, this is the dentist.",
    "model": {"provider": "vapi", "messages": [{"role": "system", "content": "Be brief."}], "temperature": 0.5},
    "metadata": {"a": [1, None, {"b": 2.5}]},
    "voicemailMessage": None,
}


async def create(client: httpx.AsyncClient, **config: Any) -> dict[str, Any]:
    answer = await client.post("/assistant", json=config)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_a_created_assistant_round_trips_as_sent(client: httpx.AsyncClient) -> None:
    body = await create(client, **CONFIG)
    assert {key: body[key] for key in CONFIG} == CONFIG
    assert body["createdAt"] == body["updatedAt"]
    assert body["createdAt"].endswith("Z")
    assert (await client.get(f"/assistant/{body['id']}")).json() == body
    assert (await client.get("/assistant")).json() == [body]


async def test_a_change_replaces_whole_fields_and_null_clears(client: httpx.AsyncClient) -> None:
    before = await create(client, **CONFIG)
    changes = {"metadata": {"c": 3}, "firstMessage": None}
    after = (await client.patch(f"/assistant/{before['id']}", json=changes)).json()
    assert after["metadata"] == {"c": 3}
    assert after.get("firstMessage") is None
    assert after["model"] == CONFIG["model"]
    assert after["updatedAt"] > before["updatedAt"]
    incomplete = await client.patch(f"/assistant/{before['id']}", json={"model": {"temperature": 0}})
    assert (incomplete.status_code, incomplete.json()["message"][0]) == (400, "model.provider is required")


async def test_a_replacement_takes_the_place_of_everything(client: httpx.AsyncClient) -> None:
    before = await create(client, **CONFIG)
    path = f"/assistant/{before['id']}"
    replaced = await client.put(path, json={"firstMessage": "Hi"}, headers={"if-match": '"1"'})
    assert replaced.status_code == 200, replaced.text
    after = replaced.json()
    system = ("id", "orgId", "createdAt", "updatedAt", "latestVersion", "isServerUrlSecretSet")
    assert {name: value for name, value in after.items() if name not in system} == {"firstMessage": "Hi"}
    assert (after["latestVersion"], replaced.headers["etag"]) == ("v2", '"2"')
    assert (await client.put(path, json={"foo": 1})).status_code == 400
    assert (await client.put(path, json={}, headers={"if-match": '"1"'})).status_code == 412
    assert (await client.get(path, params={"at": "v1"})).json() == before


async def test_secrets_are_kept_but_never_shown(client: httpx.AsyncClient, installation: Installation) -> None:
    server = {"url": "https://hooks.example/vapi", "secret": "s3cret"}
    tool = {"type": "function", "function": {"name": "book"}, "server": {"url": "https://t.example", "secret": "t00l"}}
    body = await create(client, server=server, model={"provider": "vapi", "tools": [tool]}, serverUrlSecret="0ld")
    shown = await client.get(f"/assistant/{body['id']}")
    listed = await client.get("/assistant")
    for text in (str(body), shown.text, listed.text):
        assert not any(secret in text for secret in ("s3cret", "t00l", "0ld"))
    assert body["isServerUrlSecretSet"] is True
    document = installation.log.get("assistant", body["id"])
    assert document is not None
    assert document.state.config["server"] == server


async def test_a_deleted_assistant_is_shown_once_more_and_then_gone(client: httpx.AsyncClient) -> None:
    body = await create(client, name="short-lived")
    deleted = await client.delete(f"/assistant/{body['id']}")
    assert (deleted.status_code, deleted.json()) == (200, body)
    for method in ("GET", "DELETE"):
        assert (await client.request(method, f"/assistant/{body['id']}")).status_code == 404
    assert (await client.patch(f"/assistant/{body['id']}", json={})).status_code == 404
    assert (await client.get("/assistant")).json() == []


async def test_lists_are_newest_first_within_limit_and_times(
    client: httpx.AsyncClient, installation: Installation
) -> None:
    made = []
    for number in range(4):
        made.append(await create(client, name=f"number {number}"))
        installation.clock.forward(minutes=1)
    ids = [body["id"] for body in made]

    async def listed(**parameters: Any) -> list[str]:
        answer = await client.get("/assistant", params=parameters)
        assert answer.status_code == 200, answer.text
        return [body["id"] for body in answer.json()]

    assert await listed() == ids[::-1]
    assert await listed(limit=2) == [ids[3], ids[2]]
    assert await listed(limit="2.0") == [ids[3], ids[2]]
    assert await listed(limit=0) == []
    assert await listed(createdAtLt=made[2]["createdAt"], limit=1) == [ids[1]]
    second, third = made[1]["createdAt"], made[2]["createdAt"]
    assert await listed(createdAtGe=second, createdAtLt=third) == [ids[1]]
    assert await listed(createdAtGt=second, createdAtLe=third.replace("Z", "+00:00")) == [ids[2]]
    await client.patch(f"/assistant/{ids[0]}", json={"name": "changed"})
    assert await listed(updatedAtGt=made[3]["createdAt"]) == [ids[0]]
    assert await listed(updatedAtGe=made[3]["createdAt"]) == [ids[3], ids[0]]
    assert await listed(updatedAtLe=made[1]["createdAt"]) == [ids[1]]
    assert await listed(updatedAtLt=made[1]["createdAt"]) == []


async def test_a_bound_taken_from_an_answer_is_exact_although_answers_show_milliseconds(
    client: httpx.AsyncClient, installation: Installation
) -> None:
    installation.clock.forward(microseconds=456)
    body = await create(client)

    async def found(operator: str) -> bool:
        return bool((await client.get("/assistant", params={f"createdAt{operator}": body["createdAt"]})).json())

    assert {operator: await found(operator) for operator in ("Gt", "Ge", "Lt", "Le")} == {
        "Gt": False,
        "Ge": True,
        "Lt": False,
        "Le": True,
    }


async def test_wrong_filters_are_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get("/assistant", params={"limit": 1001, "createdAtGt": "yesterday", "createdAfter": "x"})
    assert answer.status_code == 400
    assert sorted(answer.json()["message"]) == [
        "createdAtGt must be a valid ISO 8601 date string with a time zone, such as 2026-01-31T09:30:00Z",
        "limit must not be greater than 1000",
        "property createdAfter should not exist",
    ]
    assert {"code": "OUT_OF_RANGE", "message": "limit must not be greater than 1000", "pointer": "/query/limit"} in (
        answer.json()["errors"]
    )
    fraction = await client.get("/assistant", params={"limit": "1.5"})
    assert fraction.json()["message"] == ["limit must be an integer number"]
    endless = await client.get("/assistant", params={"createdAtLt": "9999-12-31T23:59:59Z"})
    assert endless.json()["message"] == ["createdAtLt must be in one of the years 2 to 9998"]


async def test_another_organisation_sees_nothing(client: httpx.AsyncClient, installation: Installation) -> None:
    body = await create(client, name="ours")
    rival = await installation.found("Rival")
    key = {"authorization": f"Bearer {rival.private_key}"}
    path = f"/assistant/{body['id']}"
    foreign = await client.get(path, headers=key)
    missing = await client.get("/assistant/4d0b4d3c-0000-4000-8000-000000000000", headers=key)
    assert foreign.status_code == missing.status_code == 404
    assert foreign.json()["message"].replace(body["id"], "X") == missing.json()["message"].replace(
        "4d0b4d3c-0000-4000-8000-000000000000", "X"
    )
    assert (await client.patch(path, json={"name": "theirs"}, headers=key)).status_code == 404
    assert (await client.delete(path, headers=key)).status_code == 404
    assert (await client.get(path, params={"at": "0:999"}, headers=key)).status_code == 404
    assert (await client.get("/assistant", headers=key)).json() == []
    call = {"transport": {"provider": "vapi.websocket"}, "assistantId": body["id"]}
    refused = await client.post("/call", json=call, headers=key)
    assert refused.json()["message"] == f"Couldn't Get Assistant. `assistantId` {body['id']} Does Not Exist."
    assert (await client.get(path)).json() == body


async def test_a_retried_creation_gives_the_same_object(client: httpx.AsyncClient, installation: Installation) -> None:
    key = {"idempotency-key": "order-66"}
    first = await client.post("/assistant", json={"name": "once"}, headers=key)
    again = await client.post("/assistant", json={"name": "once"}, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert len((await client.get("/assistant")).json()) == 1
    other_body = await client.post("/assistant", json={"name": "twice"}, headers=key)
    assert (other_body.status_code, other_body.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    rival = await installation.found("Rival")
    theirs = await client.post(
        "/assistant", json={"name": "once"}, headers={**key, "authorization": f"Bearer {rival.private_key}"}
    )
    assert theirs.status_code == 201
    assert theirs.json()["id"] != first.json()["id"]


async def test_simultaneous_retries_make_one_object(client: httpx.AsyncClient) -> None:
    key = {"idempotency-key": "all at once"}
    answers = await asyncio.gather(*(client.post("/assistant", json={"name": "once"}, headers=key) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len((await client.get("/assistant")).json()) == 1


async def test_a_retry_after_deletion_does_not_create_again(client: httpx.AsyncClient) -> None:
    key = {"idempotency-key": "k"}
    first = await client.post("/assistant", json={}, headers=key)
    await client.delete(f"/assistant/{first.json()['id']}")
    again = await client.post("/assistant", json={}, headers=key)
    assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])
    assert (await client.get("/assistant")).json() == []


async def test_reading_the_past_by_position_and_by_time(client: httpx.AsyncClient, installation: Installation) -> None:
    created = await client.post("/assistant", json={"name": "first"})
    path = f"/assistant/{created.json()['id']}"
    installation.clock.forward(hours=1)
    changed = await client.patch(path, json={"name": "second"})
    installation.clock.forward(hours=1)
    deleted = await client.delete(path)

    async def at(moment: str) -> httpx.Response:
        return await client.get(path, params={"at": moment})

    assert (await at(created.headers["x-callfold-position"])).json() == created.json()
    assert (await at(changed.headers["x-callfold-position"])).json() == changed.json()
    assert (await at("2026-01-31T10:00:00Z")).json()["name"] == "first"
    assert (await at("2026-01-31T11:00:00+00:00")).json()["name"] == "second"
    assert (await at(deleted.headers["x-callfold-position"])).status_code == 404
    assert (await at("2026-01-01T00:00:00Z")).status_code == 404
    nonsense = await at("last tuesday")
    assert nonsense.json()["message"][0].startswith("at must be a position such as 0:128, a time such")


async def test_a_time_taken_from_an_answer_is_in_the_past_of_itself(
    client: httpx.AsyncClient, installation: Installation
) -> None:
    """Answers show milliseconds, the log keeps microseconds."""
    installation.clock.forward(microseconds=574)
    path = f"/assistant/{(await client.post('/assistant', json={'name': 'first'})).json()['id']}"
    installation.clock.forward(milliseconds=1)
    await client.patch(path, json={"name": "second"})
    second, first = (await client.get(f"{path}/versions")).json()["results"]
    for version, name in ((first, "first"), (second, "second")):
        for moment in (version["createdAt"], version["position"], version["version"]):
            assert (await client.get(path, params={"at": moment})).json()["name"] == name, moment
    exactly = first["createdAt"].replace("Z", "573Z")
    before = await client.get(path, params={"at": exactly})
    assert before.json()["message"] == f"Assistant {path.removeprefix('/assistant/')} did not exist at {exactly}."
    for unknown in ("v9", "1", "latest", first["position"]):
        refused = await client.post(f"{path}/restore/{unknown}")
        assert (refused.status_code, refused.json()["message"].partition("has ")[2]) == (404, f"no version {unknown}.")


async def test_a_change_to_another_version_than_the_one_seen_is_refused(client: httpx.AsyncClient) -> None:
    created = await client.post("/assistant", json={"name": "first"})
    path, seen = f"/assistant/{created.json()['id']}", created.headers["etag"]
    changed = await client.patch(path, json={"name": "second"}, headers={"if-match": seen})
    assert changed.status_code == 200
    stale = await client.patch(path, json={"name": "third"}, headers={"if-match": seen})
    assert (stale.status_code, stale.json()["code"]) == (412, "VERSION_MISMATCH")
    assert (await client.delete(path, headers={"if-match": seen})).status_code == 412
    for unreadable in ("W/abc", "9" * 5000):
        assert (await client.patch(path, json={}, headers={"if-match": unreadable})).status_code == 400
    assert (await client.get(path)).json()["name"] == "second"


async def test_of_simultaneous_changes_to_one_version_one_wins(client: httpx.AsyncClient) -> None:
    created = await client.post("/assistant", json={})
    path, seen = f"/assistant/{created.json()['id']}", created.headers["etag"]
    answers = await asyncio.gather(
        *(client.patch(path, json={"name": str(n)}, headers={"if-match": seen}) for n in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]


async def test_a_read_waits_for_the_position_it_is_handed(
    client: httpx.AsyncClient, installation: Installation
) -> None:
    written = await client.post("/assistant", json={})
    position = {"x-callfold-position": written.headers["x-callfold-position"]}
    assert (await client.get("/assistant", headers=position)).status_code == 200
    ahead = {"x-callfold-position": f"0:{installation.log.head().ordinal + 1}"}
    late = await client.get("/assistant", headers=ahead)
    assert (late.status_code, late.json()["code"], late.headers["retry-after"]) == (503, "NOT_CAUGHT_UP", "1")
    waiting, _ = await asyncio.gather(client.get("/assistant", headers=ahead), client.post("/assistant", json={}))
    assert waiting.status_code == 200
    assert (await client.get("/assistant", headers={"x-callfold-position": "x"})).status_code == 400
