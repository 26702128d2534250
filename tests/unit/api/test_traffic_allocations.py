"""Sharing an assistant's calls out among its versions: what may be asked, who was first, and where calls go."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.configuration.lookup import StoredConfigurations
from domain.organization.founding import Founding
from domain.traffic.choice import version_for
from domain.traffic.events import Target
from domain.traffic.state import Allocation
from media.call.casting import first_role
from tests.unit.api.installation import Installation, SettableClock

UNKNOWN = "4d0b4d3c-0000-4000-8000-000000000000"
WEBSOCKET = {"provider": "vapi.websocket"}
HALVES = [{"assistantVersion": "v1", "percentage": 50}, {"assistantVersion": "v2", "percentage": 50}]


@pytest.fixture
async def assistant(client: httpx.AsyncClient) -> str:
    """One with two versions."""
    made = (await client.post("/assistant", json={"firstMessage": "First."})).json()
    await client.patch(f"/assistant/{made['id']}", json={"firstMessage": "Second."})
    return str(made["id"])


async def allocated(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post("/traffic-allocations", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_the_last_allocation_is_in_force(client: httpx.AsyncClient, assistant: str) -> None:
    latest = f"/traffic-allocations/latest?assistantId={assistant}"
    assert (await client.get(latest)).json() == {}
    split = await allocated(client, assistantId=assistant, targets=HALVES, description="A try.")
    assert (split["allocationIntent"], split["description"], split["actorType"]) == ("explicit", "A try.", "api-key")
    assert split["targets"] == [{**target, "position": index} for index, target in enumerate(HALVES)]
    assert (await client.get(latest)).json() == {"allocation": split}
    stopped = await allocated(client, assistantId=assistant, allocationIntent="follow-latest")
    assert (stopped["targets"], "description" in stopped) == ([], False)
    assert (await client.get(latest)).json() == {"allocation": stopped}
    assert (await client.get(f"/traffic-allocations/{split['id']}")).json() == split
    page = (await client.get("/traffic-allocations", params={"assistantId": assistant})).json()
    assert (page["results"], page["metadata"]["totalItems"]) == ([stopped, split], 2)
    second = (await client.get("/traffic-allocations?limit=1&page=2&sortOrder=ASC")).json()
    assert second["results"] == [stopped]
    assert (await client.get(f"/traffic-allocations?assistantId={UNKNOWN}")).json()["results"] == []


async def test_only_who_saw_the_present_one_replaces_it(client: httpx.AsyncClient, assistant: str) -> None:
    first = await allocated(client, assistantId=assistant, targets=HALVES)
    body = {"assistantId": assistant, "targets": HALVES, "expectedCurrentAllocationId": first["id"]}
    answers = await asyncio.gather(*(client.post("/traffic-allocations", json=body) for _ in range(4)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 3}
    winner = next(answer.json() for answer in answers if answer.status_code == 201)
    refused = next(answer.json() for answer in answers if answer.status_code == 409)
    assert (refused["error"], refused["currentAllocationId"]) == ("stale_allocation", winner["id"])
    assert "statusCode" not in refused


async def test_one_that_was_never_there_is_stale_too(client: httpx.AsyncClient, assistant: str) -> None:
    body = {"assistantId": assistant, "targets": HALVES, "expectedCurrentAllocationId": UNKNOWN}
    refused = (await client.post("/traffic-allocations", json=body)).json()
    assert (refused["error"], refused["currentAllocationId"]) == ("stale_allocation", None)


async def test_a_key_makes_one_allocation(client: httpx.AsyncClient, assistant: str) -> None:
    key = {"idempotency-key": "a try"}
    body = {"assistantId": assistant, "targets": HALVES}
    first = await client.post("/traffic-allocations", json=body, headers=key)
    again = await client.post("/traffic-allocations", json=body, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    other = {"assistantId": assistant, "allocationIntent": "follow-latest"}
    assert (await client.post("/traffic-allocations", json=other, headers=key)).status_code == 422
    assert (await client.get("/traffic-allocations")).json()["metadata"]["totalItems"] == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "targets should not be empty: name versions and their shares, or send allocationIntent follow-latest"),
        ({"allocationIntent": "explicit"}, "targets should not be empty when allocationIntent is explicit"),
        (
            {"allocationIntent": "follow-latest", "targets": HALVES},
            "targets should not exist beside allocationIntent follow-latest",
        ),
        ({"targets": HALVES[:1]}, "targets must have percentages that add up to 100, not 50"),
        ({"targets": []}, "targets must have percentages that add up to 100, not 0"),
        (
            {"targets": [{"assistantVersion": "v3", "percentage": 100}]},
            "targets.0.assistantVersion v3 Does Not Exist: the assistant has v1 to v2.",
        ),
        ({"targets": [HALVES[0], HALVES[0]]}, "targets.1.assistantVersion v1 stands there twice"),
        (
            {"targets": [{"assistantVersion": "v1", "percentage": 33.3333}]},
            "targets.0.percentage must have at most 3 decimal places",
        ),
        (
            {"targets": [{"assistantVersion": "v1", "percentage": 101}]},
            "targets.0.percentage must not be greater than 100",
        ),
    ],
)
async def test_what_adds_up_to_nothing_is_refused(
    client: httpx.AsyncClient, assistant: str, body: dict[str, Any], message: str
) -> None:
    answer = await client.post("/traffic-allocations", json={"assistantId": assistant, **body})
    assert (answer.status_code, answer.json()["message"]) == (400, [message])


async def test_an_assistant_of_others_has_no_traffic(
    client: httpx.AsyncClient, assistant: str, installation: Installation
) -> None:
    made = await allocated(client, assistantId=assistant, targets=HALVES)
    rival = await installation.found("Rival")
    client.headers["authorization"] = f"Bearer {rival.private_key}"
    assert (await client.post("/traffic-allocations", json={"assistantId": assistant})).status_code == 404
    assert (await client.get(f"/traffic-allocations/latest?assistantId={assistant}")).status_code == 404
    assert (await client.get(f"/traffic-allocations/{made['id']}")).status_code == 404
    assert (await client.get("/traffic-allocations")).json()["results"] == []


async def test_calls_get_the_versions(
    client: httpx.AsyncClient, assistant: str, installation: Installation, founding: Founding
) -> None:
    await allocated(client, assistantId=assistant, targets=HALVES)
    stored = StoredConfigurations(installation.log, installation.log, founding.organization_id)

    async def begins_with(**body: Any) -> str:
        answer = await client.post("/call", json={"assistantId": assistant, "transport": WEBSOCKET, **body})
        document = installation.log.get("call", answer.json()["id"])
        assert document is not None, answer.text
        return str(first_role(document.state.identity, stored).config["firstMessage"])

    said = Counter([await begins_with() for _ in range(20)])
    assert min(said["First."], said["Second."]) >= 4, said
    assert {await begins_with(assistantVersion="v1") for _ in range(5)} == {"First."}, "who names one gets it"
    await allocated(client, assistantId=assistant, allocationIntent="follow-latest")
    assert {await begins_with() for _ in range(5)} == {"Second."}


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=6), st.uuids())
def test_every_call_gets_a_version_that_gets_calls(weights: list[int], call_id: Any) -> None:
    whole = sum(weights) or 1
    shares = [round(weight * 100 / whole, 3) for weight in weights]
    targets = tuple(
        Target(assistant_version=f"v{index}", percentage=share) for index, share in enumerate(shares, start=1)
    )
    allocation = Allocation(id="a", intent="explicit", created_at=SettableClock()(), targets=targets)
    chosen = version_for(allocation, str(call_id))
    assert chosen == version_for(allocation, str(call_id))
    shares_of = {target.assistant_version: target.percentage for target in targets}
    assert chosen is None if not any(shares) else shares_of[chosen or ""] > 0
