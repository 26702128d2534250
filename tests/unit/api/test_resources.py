"""What every configuration resource can do, tried on each of them."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from api.configuration.resource import Resource
from api.resources.catalogue import RESOURCES
from domain.organization.founding import Founding
from tests.unit.api.examples import BY_KIND, CHANGES, body_of, create, create_all, path_of
from tests.unit.api.installation import Installation

UNKNOWN = "4d0b4d3c-0000-4000-8000-000000000000"
EVERY = [pytest.param(resource, id=resource.kind) for resource in RESOURCES]


@pytest.fixture(scope="module")
def made(shared: Installation, shared_founding: Founding, shared_transport: httpx.ASGITransport) -> dict[str, Any]:
    """One object of every kind, for tests that change none of them."""

    async def make() -> dict[str, Any]:
        key = {"authorization": f"Bearer {shared_founding.private_key}"}
        async with httpx.AsyncClient(transport=shared_transport, base_url="https://c.example", headers=key) as client:
            return await create_all(client)

    return asyncio.run(make())


def ids(made: dict[str, Any]) -> dict[str, str]:
    return {kind: body["id"] for kind, body in made.items()}


@pytest.mark.parametrize("resource", EVERY)
async def test_an_object_is_kept_as_sent(asking: httpx.AsyncClient, made: dict[str, Any], resource: Resource) -> None:
    shown, sent = made[resource.kind], body_of(resource.kind, ids(made))
    hidden = resource.hidden | {"apiKey"}
    assert {key: shown[key] for key in sent if key not in hidden} == {k: v for k, v in sent.items() if k not in hidden}
    assert "sk-secret" not in str(shown)
    assert {"id", "orgId", "createdAt", "updatedAt"} <= set(shown)
    assert (await asking.get(f"{path_of(resource)}/{shown['id']}")).json() == shown


@pytest.mark.parametrize("resource", EVERY)
async def test_lists_have_one_of_two_forms(asking: httpx.AsyncClient, made: dict[str, Any], resource: Resource) -> None:
    listed = (await asking.get(path_of(resource), params={"limit": 1000})).json()
    found = listed["results"] if resource.style == "page" else listed
    assert made[resource.kind] in found
    if resource.style == "page":
        assert listed["metadata"] == {
            "itemsPerPage": 1000,
            "totalItems": len(found),
            "currentPage": 1,
            "totalPages": 1,
            "hasNextPage": False,
            "sortOrder": "DESC",
            "itemsBeyondRetention": False,
        }
    wrong = await asking.get(path_of(resource), params={"limit": 1001, "nonsense": 1})
    assert (wrong.status_code, len(wrong.json()["message"])) == (400, 2)


@pytest.mark.parametrize("resource", EVERY)
async def test_unknown_fields_are_refused(asking: httpx.AsyncClient, made: dict[str, Any], resource: Resource) -> None:
    path, body = path_of(resource), body_of(resource.kind, ids(made))
    for answer in (
        await asking.post(path, json={**body, "nmae": 1}),
        await asking.patch(f"{path}/{made[resource.kind]['id']}", json={"nmae": 1, **CHANGES[resource.kind]}),
    ):
        assert (answer.status_code, answer.json()["message"]) == (400, ["property nmae should not exist"])


@pytest.mark.parametrize("resource", EVERY)
async def test_the_life_of_an_object(asking: httpx.AsyncClient, made: dict[str, Any], resource: Resource) -> None:
    kind, changes = resource.kind, CHANGES[resource.kind]
    created = await create(asking, kind, ids(made))
    path = f"{path_of(resource)}/{created.json()['id']}"
    assert created.headers["etag"] == '"1"'
    changed = await asking.patch(path, json=changes, headers={"if-match": '"1"'})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"'), changed.text
    shown = changed.json()
    for name in set(changes) - resource.hidden - {"apiKey"}:
        assert shown[name] == changes[name]
    untouched = set(created.json()) - set(changes) - {"updatedAt", "latestVersion", "resource"}
    assert {name: shown[name] for name in untouched} == {name: created.json()[name] for name in untouched}
    stale = await asking.patch(path, json=changes, headers={"if-match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "VERSION_MISMATCH")

    versions = (await asking.get(f"{path}/versions")).json()
    assert [version["version"] for version in versions["results"]] == ["v2", "v1"]
    assert versions["results"][0]["changedBy"]["name"] == "private"
    assert (await asking.get(path, params={"at": "v1"})).json() == created.json()
    restored = await asking.post(f"{path}/restore/v1")
    assert restored.status_code == 201, restored.text
    same = set(created.json()) - {"updatedAt", "latestVersion"}
    assert {name: restored.json().get(name) for name in same} == {name: created.json()[name] for name in same}
    newest = (await asking.get(f"{path}/versions", params={"limit": 1})).json()
    assert (newest["results"][0]["restoredFrom"], newest["metadata"]["nextCursor"]) == ("v1", "v3")
    older = (await asking.get(f"{path}/versions", params={"cursor": "v3"})).json()
    assert [version["version"] for version in older["results"]] == ["v2", "v1"]

    events = await asking.get(f"{path}/events")
    assert [event["type"] for event in events.json()] == [f"{kind}.{w}" for w in ("created", "updated", "replaced")]
    assert "sk-" not in events.text
    before = (await asking.get(path)).json()
    deleted = await asking.delete(path)
    assert (deleted.status_code, deleted.json()) == (200, before)
    for method, suffix in (("GET", ""), ("DELETE", ""), ("PATCH", ""), ("GET", "/versions"), ("GET", "/events")):
        assert (await asking.request(method, path + suffix, json={})).status_code == 404
    assert (await asking.post(f"{path}/restore/v1")).status_code == 404


@pytest.mark.parametrize("resource", EVERY)
async def test_a_retried_creation_makes_one_object(
    asking: httpx.AsyncClient, made: dict[str, Any], resource: Resource
) -> None:
    key = {"idempotency-key": f"once {resource.kind}"}
    answers = [await create(asking, resource.kind, ids(made), **key) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    other = {**body_of(resource.kind, ids(made)), **CHANGES[resource.kind]}
    again = await asking.post(path_of(resource), json=other, headers=key)
    assert (again.status_code, again.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        ("tool", {"type": "nope"}, "type must be one of the following values: apiRequest, function,"),
        ("tool", {"type": "apiRequest", "url": "nope"}, "url must be a URL address"),
        ("tool", {"type": "function", "function": {"name": "a b"}}, "function.name must match"),
        ("tool", {"type": "code", "code": "1", "credentialId": UNKNOWN}, "Couldn't Get Credential. `credentialId`"),
        ("assistant", {"model": {"provider": "vapi", "toolIds": [UNKNOWN]}}, "Couldn't Get Tool. `model.toolIds.0`"),
        ("squad", {"members": []}, "members must contain at least 1 elements"),
        ("squad", {"members": [{}]}, "members.0 must have exactly one of assistantId, assistant"),
        ("squad", {"members": [{"assistant": {"foo": 1}}]}, "members.0.assistant.property foo should not exist"),
        ("phone_number", {"provider": "byo-phone-number", "number": "555"}, "number must be a valid phone number"),
        (
            "phone_number",
            {"provider": "twilio", "number": "+14155552671", "twilioAccountSid": "AC"},
            "twilioAuthToken is required, or twilioApiKey and twilioApiSecret",
        ),
        ("credential", {"provider": "openai"}, "apiKey is required"),
        ("credential", {"provider": "acme"}, "provider must be one of the following values: anthropic,"),
        ("session", {"expirationSeconds": 59}, "expirationSeconds must not be less than 60"),
        ("structured_output", {"name": "", "schema": {}}, "name must be longer than or equal to 1 characters"),
        ("structured_output", {"name": "n", "schema": {"type": "string"}, "type": "regex"}, "regex is required when"),
        ("eval", {"type": "other", "messages": []}, "type must be one of the following values: chat.mockConversation"),
        ("personality", {"name": "n", "assistant": {}, "path": "a/b/c/d"}, "path must match"),
        (
            "scenario",
            {"name": "n", "instructions": "i", "evaluations": [{"comparator": "=", "value": {}}]},
            "evaluations.0.value must be a string, a number or a boolean value",
        ),
        (
            "scenario",
            {
                **{"name": "n", "instructions": "i"},
                "evaluations": [
                    {
                        "structuredOutput": {"name": "n", "schema": {"type": "string"}},
                        **{"comparator": ">", "value": "x"},
                    }
                ],
            },
            "evaluations.0.comparator must be one of the following values: =, !=",
        ),
        ("simulation", {"scenarioId": UNKNOWN, "personalityId": UNKNOWN}, "Couldn't Get Scenario. `scenarioId`"),
        ("simulation_suite", {"name": "n", "simulationIds": ["x"]}, "each value in simulationIds must be a UUID"),
        ("campaign", {"name": "n"}, "exactly one of assistantId, squadId, workflowId is required"),
        ("campaign", {"name": "n", "status": "ended"}, "property status should not exist"),
        ("provider_resource", {"name": "n"}, "rules is required"),
    ],
)
async def test_mistakes_are_named_by_path(
    asking: httpx.AsyncClient, kind: str, body: dict[str, Any], message: str
) -> None:
    answer = await asking.post(path_of(BY_KIND[kind]), json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["message"][0].startswith(message), answer.json()["message"]


async def test_pages_follow_each_other_in_either_order(client: httpx.AsyncClient, installation: Installation) -> None:
    made = []
    for number in range(5):
        body = {"type": "chat.mockConversation", "name": str(number), "messages": [{"role": "user", "content": "x"}]}
        made.append((await client.post("/eval", json=body)).json()["createdAt"])
        installation.clock.forward(minutes=1)

    async def page(**parameters: Any) -> tuple[list[str], dict[str, Any]]:
        listed = (await client.get("/eval", params={"limit": 2, **parameters})).json()
        return [body["name"] for body in listed["results"]], listed["metadata"]

    names, metadata = await page()
    assert (names, metadata["totalItems"], metadata["totalPages"]) == (["4", "3"], 5, 3)
    assert metadata["hasNextPage"] is True
    names, metadata = await page(page=3)
    assert (names, metadata["hasNextPage"], metadata["currentPage"]) == (["0"], False, 3)
    assert (await page(sortOrder="ASC", page=2))[0] == ["2", "3"]
    names, metadata = await page(createdAtGt=made[0], createdAtLt=made[3])
    assert (names, metadata["totalItems"]) == (["2", "1"], 2)
    assert (await page(page=9))[0] == []
    assert (await page(limit=0))[1]["totalPages"] == 0
    assert (await client.get("/eval", params={"page": 0})).status_code == 400


async def test_two_changes_that_are_valid_alone_cannot_together_break_a_rule(client: httpx.AsyncClient) -> None:
    first = (await client.post("/assistant", json={})).json()["id"]
    second = (await client.post("/squad", json={"members": [{"assistantId": first}]})).json()["id"]
    number = (await client.post("/phone-number", json={"provider": "vapi", "sipUri": "sip:a@b"})).json()["id"]
    answers = await asyncio.gather(
        client.patch(f"/phone-number/{number}", json={"assistantId": first}),
        client.patch(f"/phone-number/{number}", json={"squadId": second}),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 400]


async def test_what_was_deleted_may_stay_referred_to_but_cannot_be_referred_to_anew(client: httpx.AsyncClient) -> None:
    made = await create_all(client)
    tool, assistant = made["tool"]["id"], made["assistant"]["id"]
    assert (await client.delete(f"/tool/{tool}")).status_code == 200
    assert (await client.patch(f"/assistant/{assistant}", json={"firstMessage": "Hi"})).status_code == 200
    again = await client.patch(f"/assistant/{assistant}", json={"model": {"provider": "vapi", "toolIds": [tool]}})
    assert again.json()["message"] == [f"Couldn't Get Tool. `model.toolIds.0` {tool} Does Not Exist."]
    assert (await client.post(f"/assistant/{assistant}/restore/v1")).status_code == 400


@pytest.mark.parametrize("holder", ["assistant", "squad"])
async def test_a_tool_of_which_a_version_is_pinned_stays(client: httpx.AsyncClient, holder: str) -> None:
    tool = (await client.post("/tool", json={"type": "endCall"})).json()["id"]
    pinning = {"model": {"provider": "vapi", "toolRefs": [{"toolId": tool, "version": "v1"}]}}
    body = pinning if holder == "assistant" else {"members": [{"assistant": pinning}]}
    user = (await client.post(f"/{holder}", json=body)).json()["id"]
    refused = await client.delete(f"/tool/{tool}")
    assert (refused.status_code, refused.json()["error"]) == (409, "tool_pinned")
    assert refused.json()["pinnedBy"] == [{"sourceType": holder, "sourceId": user}]
    await client.delete(f"/{holder}/{user}")
    assert (await client.delete(f"/tool/{tool}")).status_code == 200


async def test_what_is_only_kept_says_so(client: httpx.AsyncClient) -> None:
    made = await create_all(client)
    ids_of = {kind: body["id"] for kind, body in made.items()}
    warned = {kind for kind in BY_KIND if "warning" in (await create(client, kind, ids_of)).headers}
    assert warned == {"campaign", "provider_resource", "scorecard"}
    wrong = await client.get("/provider/acme/pronunciation-dictionary")
    assert wrong.json()["message"] == ["provider must be one of the following values: cartesia, 11labs"]


async def test_filters_take_repeated_and_separated_values(client: httpx.AsyncClient) -> None:
    assistant = (await client.post("/assistant", json={})).json()["id"]
    made = [(await client.post("/squad", json={"members": [{"assistantId": assistant}]})).json()["id"] for _ in "123"]
    for form in ([("idAny", made[0]), ("idAny", made[2])], [("idAny", f"{made[0]},{made[2]}")]):
        listed = (await client.get("/squad", params=form)).json()
        assert [squad["id"] for squad in listed] == [made[2], made[0]]
    assert (await client.get("/squad", params={"idAny": UNKNOWN})).json() == []
