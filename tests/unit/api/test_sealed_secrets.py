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
from tests.unit.api.application import application
from tests.unit.api.installation import Installation, install

SECRET = "sk-quite-unmistakable"
SEAL = KeyedSeal(["k" * 32])
SERVER = {"url": "https://hooks.acme.example", "secret": SECRET}


@pytest.fixture
async def sealing(tmp_path: Path) -> AsyncIterator[tuple[Installation, Founding, httpx.AsyncClient]]:
    installation = install(tmp_path)
    founding = await installation.found("Acme")
    app = application(replace(installation.dependencies, seal=SEAL), "sealing")
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


async def test_what_was_stored_before_there_was_a_key_is_sealed_when_asked_for(tmp_path: Path) -> None:
    installation = install(tmp_path)
    founding = await installation.found("Acme")
    headers = {"authorization": f"Bearer {founding.private_key}"}
    operator = {"authorization": f"Bearer {installation.dependencies.settings.operator_token}"}
    plan = {"type": "bearer", "token": SECRET}
    before = httpx.AsyncClient(
        transport=httpx.ASGITransport(create_app(installation.dependencies)), base_url="http://t"
    )
    sealing_app = create_app(replace(installation.dependencies, seal=SEAL))
    after = httpx.AsyncClient(transport=httpx.ASGITransport(sealing_app), base_url="http://t")
    async with before, after:
        body = {"provider": "custom-credential", "name": "a", "authenticationPlan": plan}
        first = (await before.post("/credential", json=body, headers=headers)).json()["id"]
        second = (await before.post("/credential", json=body, headers=headers)).json()["id"]
        assistant = (await before.post("/assistant", json={"server": SERVER}, headers=headers)).json()["id"]
        await before.patch(f"/org/{founding.organization_id}", json={"server": SERVER}, headers=headers)
        refused = await before.post("/operator/secrets/seal", headers=operator)
        assert (refused.status_code, refused.json()["code"]) == (409, "NO_SEALING_KEY")

        # The next write seals what else the configuration holds.
        await after.patch(f"/credential/{first}", json={"name": "b"}, headers=headers)
        assert SECRET not in str(_config(installation, "credential", first))

        counts = (await after.post("/operator/secrets/seal", headers=operator)).json()["sealed"]
        assert counts == {"credential": 1, "assistant": 1, "organization": 1}
        again = (await after.post("/operator/secrets/seal", headers=operator)).json()["sealed"]
        assert again == {}
        # Going back to an earlier revision does not bring the secret back.
        restored = await after.post(f"/assistant/{assistant}/restore/v1", headers=headers)
        assert restored.status_code == 201, restored.text
    organization = founding.organization_id
    kept = [("credential", first), ("credential", second), ("assistant", assistant), ("organization", organization)]
    for kind, id in kept:
        config = _config(installation, kind, id)
        assert SECRET not in str(config)
        assert SECRET in str(opened(config, organization, SEAL))
    installation.log.close()


def _config(installation: Installation, kind: str, id: str) -> dict[str, Any]:
    document = installation.log.get(kind, id)
    assert document is not None
    config: dict[str, Any] = document.state.config
    return config
