"""An organisation's own settings over the API: where messages go that nobody sends elsewhere."""

from __future__ import annotations

import httpx
import pytest

from domain.organization.founding import Founding
from tests.unit.api.installation import Installation

SERVER = {"url": "https://hooks.acme.example/vapi", "secret": "s3cret", "timeoutSeconds": 7}
SHOWN = {"url": "https://hooks.acme.example/vapi", "timeoutSeconds": 7}


async def test_a_server_is_set_shown_without_its_secret_and_taken_away(
    client: httpx.AsyncClient, founding: Founding, installation: Installation
) -> None:
    path = f"/org/{founding.organization_id}"
    changed = await client.patch(path, json={"server": SERVER})
    assert (changed.status_code, changed.json()["server"]) == (200, SHOWN)
    read = (await client.get(path)).json()
    assert (read["id"], read["server"]) == (founding.organization_id, SHOWN)
    assert (await client.get("/org")).json() == [read]
    document = installation.log.get("organization", founding.organization_id)
    assert document is not None
    assert document.state.config == {"server": SERVER}
    assert "server" not in (await client.patch(path, json={"server": None})).json()


async def test_a_change_is_made_only_to_the_version_that_was_seen(
    client: httpx.AsyncClient, founding: Founding
) -> None:
    path = f"/org/{founding.organization_id}"
    seen = (await client.get(path)).headers["etag"]
    await client.patch(path, json={"server": SERVER})
    late = await client.patch(path, json={"server": None}, headers={"if-match": seen})
    assert late.status_code == 412


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"server": {"url": "nowhere"}}, "server.url must be a URL address, such as https://example.com/path"),
        ({"hipaaEnabled": True}, "property hipaaEnabled should not exist"),
    ],
)
async def test_what_cannot_be_set_is_refused_by_name(
    client: httpx.AsyncClient, founding: Founding, body: dict[str, object], message: str
) -> None:
    refused = await client.patch(f"/org/{founding.organization_id}", json=body)
    assert (refused.status_code, refused.json()["message"]) == (400, [message])


async def test_another_organization_is_not_there(installation: Installation, client: httpx.AsyncClient) -> None:
    other = await installation.found("Other")
    assert (await client.get(f"/org/{other.organization_id}")).status_code == 404
    assert (await client.patch(f"/org/{other.organization_id}", json={"server": SERVER})).status_code == 404


async def test_nobody_reads_it_without_a_key(anonymous: httpx.AsyncClient) -> None:
    assert (await anonymous.get("/org")).status_code == 401


async def test_a_call_may_name_nobody_where_a_server_can_be_asked(
    client: httpx.AsyncClient, founding: Founding
) -> None:
    body = {"transport": {"provider": "vapi.websocket"}}
    refused = await client.post("/call", json=body)
    assert (refused.status_code, refused.json()["message"]) == (
        400,
        "Couldn't Get Assistant. Need Either `assistantId` Or `assistant`.",
    )
    await client.patch(f"/org/{founding.organization_id}", json={"server": SERVER})
    created = await client.post("/call", json=body)
    assert (created.status_code, created.json()["status"]) == (201, "queued")
