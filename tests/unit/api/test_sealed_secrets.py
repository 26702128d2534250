"""With a key to seal them, no secret that the API is sent reaches the log as it was sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from domain.organization.founding import Founding
from domain.sealing import opened
from infra.sealing import KeyedSeal
from tests.unit.api.installation import Installation, install

SECRET = "sk-quite-unmistakable"
SEAL = KeyedSeal(["k" * 32])
SERVER = {"url": "https://hooks.acme.example", "secret": SECRET}


@pytest.fixture
async def sealing(tmp_path: Path) -> AsyncIterator[tuple[Installation, Founding, httpx.AsyncClient]]:
    installation = install(tmp_path)
    founding = await installation.found("Acme")
    app = create_app(replace(installation.dependencies, seal=SEAL))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://test",
        headers={"authorization": f"Bearer {founding.private_key}"},
    ) as client:
        yield installation, founding, client
    installation.log.close()


@pytest.mark.parametrize(
    ("path", "body", "change"),
    [
        ("/credential", {"provider": "openai", "apiKey": SECRET}, {"apiKey": SECRET + "-2"}),
        ("/credential", {"provider": "gcp", "gcpKey": {"private_key": SECRET}}, {"gcpKey": {"private_key": SECRET}}),
        (
            "/credential",
            {"provider": "custom-credential", "authenticationPlan": {"type": "bearer", "token": SECRET}},
            {"authenticationPlan": {"type": "hmac", "secretKey": SECRET}},
        ),
        ("/assistant", {"name": "Mary", "server": SERVER}, {"serverUrlSecret": SECRET}),
        (
            "/tool",
            {"type": "function", "function": {"name": "find"}, "server": SERVER},
            {"server": SERVER},
        ),
    ],
)
async def test_what_is_created_and_changed(
    sealing: tuple[Installation, Founding, httpx.AsyncClient],
    tmp_path: Path,
    path: str,
    body: dict[str, Any],
    change: dict[str, Any],
) -> None:
    installation, founding, client = sealing
    created = await client.post(path, json=body, headers={"idempotency-key": "k1"})
    assert created.status_code == 201, created.text
    again = await client.post(path, json=body, headers={"idempotency-key": "k1"})
    assert again.json() == created.json()
    id, kind = created.json()["id"], path[1:]
    assert SECRET not in created.text
    changed = await client.patch(f"{path}/{id}", json=change)
    assert changed.status_code == 200, changed.text
    document = installation.log.get(kind, id)
    assert document is not None
    config = document.state.config
    assert SECRET not in str(config)
    assert SECRET in str(opened(config, founding.organization_id, SEAL))
    for name, value in change.items():
        assert opened(config, founding.organization_id, SEAL)[name] == value
    assert SECRET.encode() not in _stored(tmp_path)


async def test_requests_for_calls_and_chats_and_the_organization(
    sealing: tuple[Installation, Founding, httpx.AsyncClient], tmp_path: Path
) -> None:
    installation, founding, client = sealing
    assistant = {"server": SERVER, "credentials": [{"provider": "openai", "apiKey": SECRET}]}
    body = {"assistant": assistant, "transport": {"provider": "vapi.websocket"}}
    called = await client.post("/call", json=body, headers={"idempotency-key": "k1"})
    assert called.status_code == 201, called.text
    assert (await client.post("/call", json=body, headers={"idempotency-key": "k1"})).status_code == 201
    chatted = await client.post("/chat", json={"assistant": assistant, "input": "Hello"})
    assert chatted.status_code == 200, chatted.text
    await client.patch(f"/org/{founding.organization_id}", json={"server": SERVER})
    document = installation.log.get("call", called.json()["id"])
    assert document is not None
    request = document.state.identity.request
    assert opened(request, founding.organization_id, SEAL)["assistant"] == assistant
    assert SECRET.encode() not in _stored(tmp_path)


def _stored(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.glob("log.db*"))
