"""Uploads: kept byte for byte, listed by purpose, renamed, downloaded, deleted; what is no upload is refused."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import uploads
from api.app import create_app
from api.dependencies import ApiLimits
from domain.file.aggregate import FILE_TEXT
from domain.file.commands import RecordText
from domain.file.events import FileTextExtracted, FileTextFailed
from domain.log.ports import Appended, Commands, LogUnavailable, OutcomeUnknown, Step
from domain.organization.founding import Founding
from tests.unit.api.application import application
from tests.unit.api.installation import Installation, install

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
        "status": "processing",
        "name": "prices.md",
        "originalName": "prices.md",
        "bytes": len(TEXT),
        "mimetype": "text/markdown",
        "metadata": {"year": 2026},
    }
    assert not {"location", "sha256", "parsedTextUrl"} & set(body)
    path = f"/file/{body['id']}"
    assert (await client.get(path)).json() == body
    downloaded = await client.get(f"{path}/content")
    assert downloaded.content == TEXT
    assert {name: downloaded.headers[name] for name in ("content-disposition", "x-content-type-options")} == {
        "content-disposition": "attachment; filename*=UTF-8''prices.md",
        "x-content-type-options": "nosniff",
    }
    assert downloaded.headers["content-type"] == "application/octet-stream"
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


async def read_as(installation: Installation, file_id: str, text: str) -> None:
    """What the process that reads uploads records."""
    location, content = f"{file_id}/text-0.txt", text.encode()
    installation.artifacts.files[location] = content
    outcome = FileTextExtracted(attempt=1, kind="markdown", location=location, sha256="0" * 64, size_bytes=len(content))
    await installation.log.execute(FILE_TEXT, file_id, RecordText(outcome=outcome))


async def test_the_text_of_a_file_can_be_read_once_it_is_there(
    client: httpx.AsyncClient, installation: Installation
) -> None:
    file_id = (await send(client)).json()["id"]
    path = f"/file/{file_id}"
    early = await client.get(f"{path}/text")
    assert (early.status_code, "still being read" in str(early.json()["message"])) == (404, True)
    await read_as(installation, file_id, "Cleaning: 90 dollars")
    body = (await client.get(path)).json()
    assert (body["status"], body["parsedTextBytes"]) == ("done", 20)
    text = await client.get(f"{path}/text")
    assert (text.text, text.headers["content-type"]) == ("Cleaning: 90 dollars", "text/plain; charset=utf-8")
    await client.delete(path)
    assert installation.artifacts.files == {}


async def test_a_file_that_cannot_be_read_says_why(client: httpx.AsyncClient, installation: Installation) -> None:
    file_id = (await send(client)).json()["id"]
    outcome = FileTextFailed(attempt=1, code="encrypted", reason="The PDF is encrypted.")
    await installation.log.execute(FILE_TEXT, file_id, RecordText(outcome=outcome))
    body = (await client.get(f"/file/{file_id}")).json()
    assert (body["status"], body["failureCode"], body["failureReason"]) == (
        "failed",
        "encrypted",
        "The PDF is encrypted.",
    )
    text = await client.get(f"/file/{file_id}/text")
    assert (text.status_code, "The PDF is encrypted." in str(text.json()["message"])) == (404, True)


async def test_links_work_without_a_key_for_what_they_were_made_for(
    client: httpx.AsyncClient, installation: Installation
) -> None:
    first, other = (await send(client)).json(), (await send(client, b"other", "other.md")).json()
    await read_as(installation, first["id"], "Cleaning: 90 dollars")
    body = (await client.get(f"/file/{first['id']}")).json()
    del client.headers["authorization"]
    assert (await client.get(body["url"])).content == TEXT
    assert (await client.get(body["parsedTextUrl"])).text == "Cleaning: 90 dollars"
    query = body["url"].partition("?")[2]
    assert (await client.get(f"/file/{first['id']}/text?{query}")).status_code == 401
    assert (await client.get(f"/file/{other['id']}/content?{query}")).status_code == 401
    assert (await client.get(f"/file/{first['id']}/content")).status_code == 401
    installation.clock.forward(hours=3)
    late = await client.get(body["url"])
    assert (late.status_code, "has expired" in str(late.json()["message"])) == (401, True)


async def test_an_organisation_keeps_so_many_files_and_so_much_of_them(tmp_path: Path) -> None:
    built = install(tmp_path, limits=ApiLimits(organization_files=2, organization_file_bytes=3000))
    founding = await built.found("Acme")
    transport = httpx.ASGITransport(create_app(built.dependencies))
    key = {"authorization": f"Bearer {founding.private_key}"}
    async with httpx.AsyncClient(transport=transport, base_url="https://c.example", headers=key) as client:
        once = {"idempotency-key": "once"}
        first = await send(client, headers=once)
        assert first.status_code == 201
        much = await send(client)
        assert (much.status_code, "CALLFOLD_ORGANIZATION_FILE_MB" in str(much.json())) == (400, True)
        assert (await send(client, b"small")).status_code == 201
        many = await send(client, b"small")
        assert (many.status_code, "CALLFOLD_ORGANIZATION_FILES" in str(many.json())) == (400, True)
        assert (await send(client, headers=once)).json()["id"] == first.json()["id"]
        await client.delete(f"/file/{first.json()['id']}")
        assert (await send(client, b"small")).status_code == 201
    assert len(built.artifacts.files) == 2
    built.log.close()


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


@dataclass
class Failing:
    """Commands whose outcome nobody can tell, although they may have been carried out."""

    commands: Commands
    failure: Exception
    carries_out: bool

    async def execute_together(
        self, steps: Sequence[Step], *, commit_id: str | None = None
    ) -> tuple[tuple[Any, ...], Appended]:
        if self.carries_out:
            await self.commands.execute_together(steps, commit_id=commit_id)
        raise self.failure

    async def execute(self, *_: Any, **__: Any) -> Any:
        raise self.failure

    async def record(self, *_: Any, **__: Any) -> Any:
        raise self.failure


@pytest.mark.parametrize(
    ("failure", "kept"), [(OutcomeUnknown("no broker confirmed it"), True), (LogUnavailable("no broker"), False)]
)
async def test_bytes_stay_unless_it_is_sure_that_no_file_names_them(
    installation: Installation, founding: Founding, failure: Exception, kept: bool
) -> None:
    commands = Failing(installation.log, failure, carries_out=False)
    app = application(replace(installation.dependencies, commands=commands), "failing")
    key = {"authorization": f"Bearer {founding.private_key}", "idempotency-key": "once"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://c.example", headers=key) as client:
        assert (await send(client)).status_code == 503
        assert bool(installation.artifacts.files) is kept
        commands.carries_out = True
        assert (await send(client)).status_code == 503
        (body,) = (await client.get("/file")).json()
        assert (await client.get(f"/file/{body['id']}/content")).content == TEXT


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


@pytest.mark.parametrize("where", ["copying it", "keeping it"])
async def test_a_full_disk_is_told_and_nothing_is_left_on_it(
    client: httpx.AsyncClient, installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if where == "copying it":
        monkeypatch.setattr(tempfile.SpooledTemporaryFile, "read", full)
    else:
        monkeypatch.setattr(installation.artifacts, "put", full)
    answer = await send(client)
    assert (answer.status_code, answer.json()["code"]) == (507, "DISK_FULL")
    assert list(temporary.iterdir()) == []
    assert (await client.get("/file")).json() == []


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
    monkeypatch.setattr(uploads, "_BESIDE_THE_FILE", 100 - ApiLimits().upload_bytes)
    too_large = await send(client)
    assert (too_large.status_code, too_large.json()["code"]) == (413, "BODY_TOO_LARGE")
    assert installation.artifacts.files == {}
