"""Campaigns by their second path, and what simulations have beside the usual operations."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from api.app import create_app
from domain.organization.founding import Founding
from tests.unit.api.examples import create_all
from tests.unit.api.installation import Installation

CUSTOMERS = [{"number": f"+1415555267{last}", "name": f"Customer {last}"} for last in range(3)]


async def made_campaign(client: httpx.AsyncClient) -> dict[str, Any]:
    assistant = (await client.post("/assistant", json={})).json()["id"]
    number = {"provider": "twilio", "number": "+14155550100", "twilioAccountSid": "AC1", "twilioAuthToken": "t"}
    body = {
        "name": "Reminders",
        "assistantId": assistant,
        "phoneNumberId": (await client.post("/phone-number", json=number)).json()["id"],
        "customers": CUSTOMERS,
    }
    answer = await client.post("/v2/campaign", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_campaign_is_shown_without_its_customers(client: httpx.AsyncClient) -> None:
    made = await made_campaign(client)
    one = (await client.get(f"/v2/campaign/{made['id']}", params={"includeCounters": "true"})).json()
    assert "customers" not in one
    assert one["contactCounters"]["pending"] == 3
    assert one["callMetrics"] == {"dialed": 0, "connected": 0}
    page = (await client.get("/v2/campaign", params={"includeCounters": "true", "status": "scheduled"})).json()
    assert [campaign["id"] for campaign in page["results"]] == [made["id"]]
    assert (await client.get(f"/campaign/{made['id']}")).json()["customers"] == CUSTOMERS


async def test_contacts_come_in_pages(client: httpx.AsyncClient) -> None:
    made = await made_campaign(client)
    path = f"/v2/campaign/{made['id']}/contacts"
    first = (await client.get(path, params={"limit": 2})).json()
    second = (await client.get(path, params={"limit": 2, "page": 2})).json()
    assert first["metadata"] | {"itemsPerPage": 2, "totalItems": 3, "hasNextPage": True} == first["metadata"]
    rows = [*first["results"], *second["results"]]
    assert [(row["number"], row["name"], row["status"]) for row in rows] == [
        (customer["number"], customer["name"], "contact.pending") for customer in CUSTOMERS
    ]
    assert len({row["id"] for row in rows}) == 3
    several = (await client.get(f"{path}?status=contact.failed&status=contact.skipped")).json()
    assert several["results"] == []
    wrong = await client.get(path, params={"status": "pending"})
    assert wrong.json()["message"][0].startswith("each value in status must be one of")
    assert (await client.get(path, params={"limit": 1001})).status_code == 400
    assert (await client.get("/v2/campaign/x/contacts")).status_code == 404


async def test_a_campaign_can_only_be_cancelled(client: httpx.AsyncClient) -> None:
    made = await made_campaign(client)
    path = f"/v2/campaign/{made['id']}"
    refused = await client.patch(path, json={"name": "Other"})
    assert refused.json()["message"] == ["property name should not exist"]
    cancelled = await client.patch(path, json={"status": "cancelled"})
    assert (cancelled.json()["status"], cancelled.json()["contactCounters"]["skipped"]) == ("cancelled", 3)
    assert (await client.get(f"{path}/contacts")).json()["results"][0]["status"] == "contact.skipped"
    assert (await client.delete(path)).status_code == 200
    assert (await client.get(path)).status_code == 404


async def test_a_suite_is_copied_once_for_each_request(client: httpx.AsyncClient) -> None:
    suite = (await create_all(client))["simulation_suite"]
    path = f"/eval/simulation/suite/{suite['id']}/duplicate"
    copy = await client.post(path, headers={"idempotency-key": "one"})
    assert copy.status_code == 201, copy.text
    assert (copy.json()["name"], copy.json()["simulationIds"]) == (f"{suite['name']} (copy)", suite["simulationIds"])
    assert copy.json()["id"] != suite["id"]
    assert (await client.post(path, headers={"idempotency-key": "one"})).json() == copy.json()
    assert len((await client.get("/eval/simulation/suite")).json()) == 2
    assert (await client.post("/eval/simulation/suite/x/duplicate")).status_code == 404


@pytest.mark.parametrize("own", [None, 7])
async def test_simulations_take_two_calls_each(
    client: httpx.AsyncClient, founding: Founding, installation: Installation, own: int | None, operator: dict[str, str]
) -> None:
    limits = f"/operator/organizations/{founding.organization_id}/limits"
    await client.patch(limits, json={"concurrentCalls": own}, headers=operator)
    # Keys are remembered for a moment, with the limits of their organisation.
    transport = httpx.ASGITransport(create_app(installation.dependencies))
    async with httpx.AsyncClient(transport=transport, base_url="https://c.example", headers=client.headers) as fresh:
        body = (await fresh.get("/eval/simulation/concurrency")).json()
    limit = own or 100
    assert (body["concurrencyLimit"], body["availableToStart"], body["isDefault"]) == (limit, limit // 2, own is None)
