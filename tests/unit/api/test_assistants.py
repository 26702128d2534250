"""Assistants over HTTP."""

from __future__ import annotations

import httpx

from tests.unit.api.installation import Installation

CONFIG = {
    "name": "Reception",
    "firstMessage": "Hello, this is the dentist.",
    "model": {"provider": "vapi", "messages": [{"role": "system", "content": "Be brief."}], "temperature": 0.5},
    "metadata": {"a": [1, None, {"b": 2.5}]},
    "voicemailMessage": None,
}


async def test_a_created_assistant_round_trips_as_sent(client: httpx.AsyncClient) -> None:
    created = await client.post("/assistant", json=CONFIG)
    assert created.status_code == 201
    body = created.json()
    assert {key: body[key] for key in CONFIG} == CONFIG
    assert body["createdAt"] == body["updatedAt"]
    assert body["createdAt"].endswith("Z")
    assert (await client.get(f"/assistant/{body['id']}")).json() == body
    assert (await client.get("/assistant")).json() == [body]
