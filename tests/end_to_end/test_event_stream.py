"""The live event stream, over a real connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.dependencies import ApiLimits
from domain.organization.founding import Founding
from tests.end_to_end.serving import listening, serving
from tests.unit.api.installation import OPERATOR_TOKEN, Installation, install

WITHIN_SECONDS = 60
"""Long, for busy machines."""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with listening() as (bound, url):
        built = install(tmp_path_factory.mktemp("stream"), public_url=url, limits=ApiLimits(heartbeat_seconds=0.05))
        with serving(create_app(built.dependencies), bound):
            yield built
        built.log.close()


@pytest.fixture
async def founding(installation: Installation) -> Founding:
    return await installation.found("Acme")


@pytest.fixture
async def client(installation: Installation, founding: Founding) -> AsyncIterator[httpx.AsyncClient]:
    key = {"authorization": f"Bearer {founding.private_key}"}
    base_url = installation.dependencies.settings.base_url()
    async with httpx.AsyncClient(base_url=base_url, headers=key, timeout=WITHIN_SECONDS) as connected:
        yield connected


async def events(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, Any]]:
    async for line in lines:
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


async def test_events_of_the_organization_arrive_as_they_happen_and_of_no_other(
    client: httpx.AsyncClient, installation: Installation, founding: Founding
) -> None:
    rival = await installation.found("Rival")
    async with asyncio.timeout(WITHIN_SECONDS), client.stream("GET", "/event", params={"after": "0:0"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        stream = events(answer.aiter_lines())
        past = [await anext(stream) for _ in range(4)]
        assert [event["type"] for event in past] == [
            "organization.created",
            "organization.placed",
            "organization.key_issued",
            "organization.key_issued",
        ]
        assert {event["originatorId"] for event in past} == {founding.organization_id}
        theirs = {"authorization": f"Bearer {rival.private_key}"}
        await client.post("/assistant", json={"name": "theirs"}, headers=theirs)
        ours = (await client.post("/assistant", json={"name": "ours"})).json()
        await client.delete(f"/assistant/{ours['id']}")
        live = [await anext(stream) for _ in range(2)]
    assert [event["type"] for event in live] == ["assistant.created", "assistant.deleted"]
    assert live[0]["data"]["config"] == {"name": "ours"}


async def test_a_stream_goes_on_where_it_broke_off(client: httpx.AsyncClient) -> None:
    made = [await client.post("/assistant", json={"name": str(number)}) for number in range(3)]
    resume = {"last-event-id": made[0].headers["x-callfold-position"]}
    async with asyncio.timeout(WITHIN_SECONDS):
        async with client.stream("GET", "/event", params={"after": "0:0"}, headers=resume) as answer:
            stream = events(answer.aiter_lines())
            resumed = [await anext(stream) for _ in range(2)]
    assert [event["position"] for event in resumed] == [answer.headers["x-callfold-position"] for answer in made[1:]]


async def test_types_can_be_chosen_and_silence_is_kept_alive(client: httpx.AsyncClient) -> None:
    parameters = {"after": "0:0", "types": "assistant.updated, assistant.deleted"}
    async with asyncio.timeout(WITHIN_SECONDS), client.stream("GET", "/event", params=parameters) as answer:
        lines = answer.aiter_lines()
        assert [await anext(lines) for _ in range(4)] == [": still here", "", ": still here", ""]
        made = (await client.post("/assistant", json={})).json()
        await client.patch(f"/assistant/{made['id']}", json={"name": "x"})
        event = await anext(events(lines))
    assert (event["type"], event["data"]["changes"]) == ("assistant.updated", {"name": "x"})


async def test_the_operator_follows_one_originator(client: httpx.AsyncClient) -> None:
    operator = {"authorization": f"Bearer {OPERATOR_TOKEN}"}
    first = (await client.post("/assistant", json={})).json()
    parameters = {"after": "0:0", "follow": "true", "originator": first["id"]}
    async with asyncio.timeout(WITHIN_SECONDS):
        async with client.stream("GET", "/operator/events", params=parameters, headers=operator) as answer:
            stream = events(answer.aiter_lines())
            assert (await anext(stream))["type"] == "assistant.created"
            await client.post("/assistant", json={"name": "another"})
            await client.delete(f"/assistant/{first['id']}")
            assert (await anext(stream))["type"] == "assistant.deleted"


async def test_a_wrong_start_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get("/event", params={"after": "yesterday"})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/query/after"
