"""Knowledge bases: made with their tool, deleted with it; files are attached, retried and detached."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from api.app import create_app
from domain.file.aggregate import FILE_TEXT
from domain.file.commands import RecordText
from domain.file.events import FileTextExtracted, FileTextFailed
from tests.unit.api.installation import Installation

BASE = {"name": "Price list 2026", "description": "What treatments cost."}
UNKNOWN = "4d0b4d3c-0000-4000-8000-000000000000"


async def made(client: httpx.AsyncClient, **headers: str) -> dict[str, Any]:
    answer = await client.post("/v2/knowledge-base", json=BASE, headers=headers)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def uploaded(client: httpx.AsyncClient, name: str = "prices.md") -> str:
    answer = await client.post("/file", files={"file": (name, b"Cleaning: 90", "text/markdown")})
    return str(answer.json()["id"])


async def attached(client: httpx.AsyncClient, base_id: str, file_id: str) -> dict[str, Any]:
    answer = await client.post(f"/v2/knowledge-base/{base_id}/file", json={"fileId": file_id})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def failed(installation: Installation, file_id: str, attempt: int = 1) -> None:
    outcome = FileTextFailed(attempt=attempt, code="damaged", reason="It is broken.")
    await installation.log.execute(FILE_TEXT, file_id, RecordText(outcome=outcome))


async def test_a_base_lives_together_with_its_tool(client: httpx.AsyncClient, installation: Installation) -> None:
    base = await made(client)
    path = f"/v2/knowledge-base/{base['id']}"
    assert (base["name"], base["description"], base["files"]) == (BASE["name"], BASE["description"], [])
    tool = (await client.get(f"/tool/{base['toolId']}")).json()
    assert (tool["type"], tool["knowledgeBaseId"]) == ("knowledgeBase", base["id"])
    assert tool["function"]["name"] == "search_price_list_2026"
    assert "What treatments cost." in tool["function"]["description"]
    assert tool["function"]["parameters"]["required"] == ["query"]
    history = [installation.log.history(object_id)[0].position for object_id in (base["id"], tool["id"])]
    assert history[1].ordinal == history[0].ordinal + 1
    assert (await client.get(path)).json() == base
    listed = (await client.get("/v2/knowledge-base", params={"limit": 10})).json()
    assert listed == [{name: value for name, value in base.items() if name not in {"files", "toolId"}}]
    changed = await client.patch(path, json={"description": None})
    assert (changed.json()["description"], changed.json()["toolId"]) == (None, tool["id"])
    gone = await client.delete(path)
    assert (gone.status_code, gone.json()["id"]) == (200, base["id"])
    for missing in (path, f"/tool/{tool['id']}", f"{path}/file"):
        assert (await client.get(missing)).status_code == 404
    assert (await client.delete(path)).status_code == 404


async def test_a_base_whose_tool_was_deleted_has_none(client: httpx.AsyncClient) -> None:
    base = await made(client)
    assert (await client.delete(f"/tool/{base['toolId']}")).status_code == 200
    path = f"/v2/knowledge-base/{base['id']}"
    assert (await client.get(path)).json()["toolId"] is None
    assert (await client.delete(path)).status_code == 200


async def test_a_base_is_made_once(client: httpx.AsyncClient) -> None:
    key = {"idempotency-key": "once"}
    assert await made(client, **key) == await made(client, **key)
    assert len((await client.get("/v2/knowledge-base")).json()) == len((await client.get("/tool")).json()) == 1


async def test_a_base_stays_while_its_tool_is_pinned(client: httpx.AsyncClient) -> None:
    base = await made(client)
    pinned = {"toolId": base["toolId"], "version": "v1"}
    assistant = await client.post("/assistant", json={"model": {"provider": "vapi", "toolRefs": [pinned]}})
    refused = await client.delete(f"/v2/knowledge-base/{base['id']}")
    assert (refused.status_code, assistant.json()["id"] in refused.json()["message"]) == (409, True)
    assert (await client.get(f"/v2/knowledge-base/{base['id']}")).json()["toolId"] == base["toolId"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "name is required"),
        ({"name": ""}, "name must"),
        ({"name": "x" * 81}, "name must"),
        ({"name": "x", "description": "y" * 1001}, "description must"),
        ({"name": "x", "fileIds": []}, "property fileIds should not exist"),
    ],
)
async def test_what_is_no_base_is_refused(client: httpx.AsyncClient, body: dict[str, Any], message: str) -> None:
    refused = await client.post("/v2/knowledge-base", json=body)
    assert refused.status_code == 400
    assert refused.json()["message"][0].startswith(message)


async def test_files_come_and_go(client: httpx.AsyncClient, installation: Installation) -> None:
    base, file_id = await made(client), await uploaded(client)
    path = f"/v2/knowledge-base/{base['id']}"
    tie = await attached(client, base["id"], file_id)
    assert {name: tie[name] for name in ("knowledgeBaseV2Id", "fileId", "fileName", "mimetype", "bytes", "status")} == {
        "knowledgeBaseV2Id": base["id"],
        "fileId": file_id,
        "fileName": "prices.md",
        "mimetype": "text/markdown",
        "bytes": 12,
        "status": "indexing",
    }
    assert await attached(client, base["id"], file_id) == tie
    assert (await client.get(f"{path}/file")).json() == (await client.get(path)).json()["files"] == [tie]
    outcome = FileTextExtracted(attempt=1, kind="markdown", location="x", sha256="0" * 64, size_bytes=12)
    await installation.log.execute(FILE_TEXT, file_id, RecordText(outcome=outcome))
    ready = (await client.get(f"{path}/file")).json()[0]
    assert (ready["status"], ready["createdAt"]) == ("ready", tie["createdAt"])
    assert ready["updatedAt"] > tie["updatedAt"]
    kept = await client.delete(f"/file/{file_id}")
    assert (kept.status_code, kept.json()["pinnedBy"]) == (
        409,
        [{"sourceType": "knowledge_base", "sourceId": base["id"]}],
    )
    detached = await client.delete(f"{path}/file/{file_id}")
    assert (detached.status_code, detached.json()) == (200, ready)
    assert (await client.get(f"{path}/file")).json() == []
    assert (await client.delete(f"{path}/file/{file_id}")).status_code == 404
    assert (await client.delete(f"/file/{file_id}")).status_code == 200


async def test_only_failed_files_are_tried_again(client: httpx.AsyncClient, installation: Installation) -> None:
    base, file_id = await made(client), await uploaded(client)
    await attached(client, base["id"], file_id)
    retry = f"/v2/knowledge-base/{base['id']}/file/{file_id}/retry"
    await failed(installation, file_id)
    shown = (await client.get(f"/v2/knowledge-base/{base['id']}")).json()["files"][0]
    assert (shown["status"], shown["failureReason"]) == ("failed", "It is broken.")
    again = await client.post(retry)
    assert (again.status_code, again.json()["status"]) == (201, "indexing")
    # A client that repeats a request whose answer was lost gets the same answer.
    assert (await client.post(retry)).status_code == 201
    outcome = FileTextExtracted(attempt=2, kind="markdown", location="x", sha256="0" * 64, size_bytes=12)
    await installation.log.execute(FILE_TEXT, file_id, RecordText(outcome=outcome))
    late = await client.post(retry)
    assert (late.status_code, "Only files whose text could not be read" in str(late.json())) == (400, True)
    assert (await client.post(f"/v2/knowledge-base/{base['id']}/file/{UNKNOWN}/retry")).status_code == 404


async def test_what_does_not_exist_is_told_apart(client: httpx.AsyncClient, installation: Installation) -> None:
    base, file_id = await made(client), await uploaded(client)
    path = f"/v2/knowledge-base/{base['id']}/file"
    wrong = await client.post(path, json={"fileId": UNKNOWN})
    assert (wrong.status_code, wrong.json()["message"]) == (
        400,
        [f"Couldn't Get File. `fileId` {UNKNOWN} Does Not Exist."],
    )
    assert (await client.post(f"/v2/knowledge-base/{UNKNOWN}/file", json={"fileId": file_id})).status_code == 404
    rival = await installation.found("Rival")
    client.headers["authorization"] = f"Bearer {rival.private_key}"
    for method, target in (("GET", path), ("POST", path), ("DELETE", f"{path}/{file_id}"), ("GET", path[:-5])):
        foreign = await client.request(method, target, json={"fileId": file_id} if method == "POST" else None)
        assert foreign.status_code == 404, (method, target)
    own = await made(client)
    assert (await client.post(f"/v2/knowledge-base/{own['id']}/file", json={"fileId": file_id})).status_code == 400


async def test_a_base_holds_so_many_files(client: httpx.AsyncClient, installation: Installation) -> None:
    limits = installation.dependencies.settings.limits
    assert limits.knowledge_base_files == 200
    base = await made(client)
    from dataclasses import replace

    settings = replace(installation.dependencies.settings, limits=replace(limits, knowledge_base_files=1))
    application = create_app(replace(installation.dependencies, settings=settings))
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="https://c.example", headers=client.headers) as strict:
        first, second = await uploaded(strict), await uploaded(strict)
        await attached(strict, base["id"], first)
        await attached(strict, base["id"], first)
        full = await strict.post(f"/v2/knowledge-base/{base['id']}/file", json={"fileId": second})
        assert (full.status_code, "which is the most" in str(full.json()["message"])) == (400, True)


async def test_a_search_says_what_could_not_be_searched(client: httpx.AsyncClient) -> None:
    base = await made(client)
    found = await client.post(f"/v2/knowledge-base/{base['id']}/search", json={"query": "cleaning"})
    assert found.json()["passages"] == []
    assert found.json()["notSearched"] == [{"id": base["id"], "reason": "this process does not search files"}]
    assert (await client.post(f"/v2/knowledge-base/{UNKNOWN}/search", json={"query": "x"})).status_code == 404
    assert (await client.post(f"/v2/knowledge-base/{base['id']}/search", json={})).status_code == 400
