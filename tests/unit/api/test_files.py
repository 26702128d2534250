"""Uploads: kept byte for byte, listed by purpose, renamed, downloaded, deleted; what is no upload is refused."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from api import uploads
from tests.unit.api.installation import Installation

TEXT = b"Cleaning: 90 dollars\n" * 100


async def send(
    client: httpx.AsyncClient, content: bytes = TEXT, name: str = "prices.md", **form: Any
) -> httpx.Response:
    headers = form.pop("headers", {})
    return await client.post("/file", files={"file": (name, content, "text/markdown")}, data=form, headers=headers)


async def test_the_life_of_a_file(client: httpx.AsyncClient, installation: Installation) -> None:
    created = await send(client, purpose="assistant", metadata='{"year": 2026}')
    assert created.status_code == 201, created.text
    body = created.json()
    assert {
        key: body[key] for key in ("object", "status", "name", "originalName", "bytes", "mimetype", "metadata")
    } == {
        "object": "file",
        "status": "done",
        "name": "prices.md",
        "originalName": "prices.md",
        "bytes": len(TEXT),
        "mimetype": "text/markdown",
        "metadata": {"year": 2026},
    }
    assert not {"location", "sha256"} & set(body)
    assert "not extracted" in created.headers["warning"]
    path = f"/file/{body['id']}"
    assert (await client.get(path)).json() == body
    downloaded = await client.get(f"{path}/content")
    assert (downloaded.content, downloaded.headers["content-disposition"]) == (TEXT, "attachment")
    part = await client.get(f"{path}/content", headers={"range": "bytes=0-7"})
    assert (part.status_code, part.content) == (206, b"Cleaning")
    renamed = await client.patch(path, json={"name": "Prices"})
    assert (renamed.json()["name"], renamed.json()["originalName"]) == ("Prices", "prices.md")
    fixed = await client.patch(path, json={"bytes": 1, "location": "elsewhere"})
    assert fixed.json()["message"] == ["property bytes should not exist", "property location should not exist"]
    assert list(installation.artifacts.files.values()) == [TEXT]
    assert (await client.delete(path)).json()["id"] == body["id"]
    assert installation.artifacts.files == {}
    assert (await client.get(path)).status_code == (await client.get(f"{path}/content")).status_code == 404


async def test_files_are_listed_by_purpose(client: httpx.AsyncClient) -> None:
    for purpose in ("assistant", "composer-attachment", None):
        await send(client, **({"purpose": purpose} if purpose else {}))

    async def listed(**parameters: str) -> list[str | None]:
        return [body.get("purpose") for body in (await client.get("/file", params=parameters)).json()]

    assert await listed() == [None, "assistant"]
    assert await listed(purpose="composer-attachment") == ["composer-attachment"]
    assert (await client.get("/file", params={"purpose": "other"})).status_code == 400


async def test_a_retried_upload_is_kept_once(client: httpx.AsyncClient, installation: Installation) -> None:
    key = {"idempotency-key": "once"}
    first, again = await send(client, headers=key), await send(client, headers=key)
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    other = await send(client, b"something else", headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert list(installation.artifacts.files.values()) == [TEXT]


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"purpose": "other"}, "purpose must be one of the following values: assistant"),
        ({"metadata": "{"}, "metadata must be the text of a JSON object"),
        ({"metadata": "[]"}, "metadata must be an object"),
        ({"metadata": '"' + "x" * 4096 + '"'}, "metadata must be shorter than or equal to 4096 characters"),
        ({"nmae": "x"}, "property nmae should not exist"),
    ],
)
async def test_what_stands_beside_a_file_is_checked(
    client: httpx.AsyncClient, installation: Installation, form: dict[str, str], message: str
) -> None:
    answer = await send(client, **form)
    assert answer.status_code == 400
    assert answer.json()["message"][0].startswith(message)
    assert installation.artifacts.files == {}


async def test_what_is_no_upload_is_refused(
    client: httpx.AsyncClient, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await client.post("/file", json={})).status_code == 415
    nothing = await client.post("/file", files={"other": ("a.txt", b"x")})
    assert nothing.status_code == 400
    missing = await client.post("/file", files={"purpose": (None, "assistant")})
    assert missing.json()["message"] == ["file is required"]
    torn = {"content-type": "multipart/form-data; boundary=x"}
    assert (await client.post("/file", content=b"--y\r\nnonsense", headers=torn)).status_code == 400
    monkeypatch.setattr(uploads, "_BESIDE_THE_FILE", -uploads.LARGEST_UPLOAD_BYTES + 100)
    too_large = await send(client)
    assert (too_large.status_code, too_large.json()["code"]) == (413, "BODY_TOO_LARGE")
    assert installation.artifacts.files == {}
