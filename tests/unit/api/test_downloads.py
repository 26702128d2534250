"""Recordings and logs: the redirect, the signed link, and ranges of bytes."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from domain.call.events import ArtifactStored
from tests.unit.api.installation import Installation

SOUND = bytes(index % 251 for index in range(600_000))


@pytest.fixture
async def recorded(client: httpx.AsyncClient, installation: Installation) -> str:
    """The id of a call with a stereo recording and a log."""
    request = {"transport": {"provider": "vapi.websocket"}, "assistant": {}}
    call_id: str = (await client.post("/call", json=request)).json()["id"]
    for track, location, media_type in (("stereo", "a.wav", "audio/wav"), ("log", "a.jsonl.gz", "application/gzip")):
        installation.artifacts.files[location] = SOUND
        stored = ArtifactStored(
            track=track,  # type: ignore[arg-type]  # a plain string of the table above
            location=location,
            sha256=hashlib.sha256(SOUND).hexdigest(),
            size_bytes=len(SOUND),
            content_type=media_type,
        )
        await installation.log.record(call_id, [stored], [installation.clock()])
    return call_id


async def link(client: httpx.AsyncClient, call_id: str, name: str = "stereo-recording") -> str:
    answer = await client.get(f"/call/{call_id}/{name}")
    assert answer.status_code == 302, answer.text
    return answer.headers["location"]


async def test_a_link_serves_the_bytes_without_a_key(client: httpx.AsyncClient, recorded: str) -> None:
    where = await link(client, recorded)
    assert where.startswith(f"https://calls.example/artifact/{recorded}/stereo?")
    del client.headers["authorization"]
    answer = await client.get(where)
    assert (answer.status_code, answer.content) == (200, SOUND)
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["content-length"] == str(len(SOUND))
    assert answer.headers["accept-ranges"] == "bytes"
    assert f'filename="{recorded}-stereo.wav"' in answer.headers["content-disposition"]
    head = await client.head(where)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(SOUND)))


async def test_logs_have_their_own_type(client: httpx.AsyncClient, recorded: str) -> None:
    answer = await client.get(await link(client, recorded, "call-logs"))
    assert answer.headers["content-type"] == "application/gzip"


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-99", 0, 99),
        ("bytes=599990-", 599_990, 599_999),
        ("bytes=-10", 599_990, 599_999),
        ("bytes=100-999999999", 100, 599_999),
        ("bytes=-999999999", 0, 599_999),
        ("Bytes=0-99", 0, 99),
    ],
)
async def test_a_range(client: httpx.AsyncClient, recorded: str, asked: str, first: int, last: int) -> None:
    answer = await client.get(await link(client, recorded), headers={"range": asked})
    assert (answer.status_code, answer.content) == (206, SOUND[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{len(SOUND)}"


@pytest.mark.parametrize("asked", ["bytes=600000-", "bytes=-0"])
async def test_a_range_that_does_not_exist(client: httpx.AsyncClient, recorded: str, asked: str) -> None:
    answer = await client.get(await link(client, recorded), headers={"range": asked})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(SOUND)}")


@pytest.mark.parametrize(
    "asked", ["bytes=a-b", "bytes=0-1,5-6", "items=0-1", "bytes=-", "bytes=9-1", f"bytes=0-{'9' * 5000}"]
)
async def test_a_range_we_do_not_understand_gives_everything(
    client: httpx.AsyncClient, recorded: str, asked: str
) -> None:
    answer = await client.get(await link(client, recorded), headers={"range": asked})
    assert (answer.status_code, len(answer.content)) == (200, len(SOUND))


async def test_a_range_goes_on_only_with_the_bytes_it_began_with(client: httpx.AsyncClient, recorded: str) -> None:
    where = await link(client, recorded)
    etag = (await client.head(where)).headers["etag"]
    asked = {"range": "bytes=100-199"}
    same = await client.get(where, headers={**asked, "if-range": etag})
    assert (same.status_code, same.content) == (206, SOUND[100:200])
    for other in ('"another"', f"W/{etag}", "Sat, 31 Jan 2026 09:00:00 GMT"):
        answer = await client.get(where, headers={**asked, "if-range": other})
        assert (answer.status_code, len(answer.content)) == (200, len(SOUND)), other
    head = await client.head(where, headers=asked)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(SOUND))), "ranges concern GET alone"


async def test_bytes_that_the_client_has_are_not_sent_again(client: httpx.AsyncClient, recorded: str) -> None:
    where = await link(client, recorded)
    etag = (await client.head(where)).headers["etag"]
    for known in (etag, f'"older", W/{etag}', "*"):
        answer = await client.get(where, headers={"if-none-match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag), known
    for other in ('"older"', etag.strip('"')):
        answer = await client.get(where, headers={"if-none-match": other})
        assert (answer.status_code, len(answer.content)) == (200, len(SOUND)), other


async def test_a_link_expires(client: httpx.AsyncClient, recorded: str, installation: Installation) -> None:
    where = await link(client, recorded)
    installation.clock.forward(minutes=14)
    assert (await client.get(where)).status_code == 200
    installation.clock.forward(minutes=2)
    answer = await client.get(where)
    assert (answer.status_code, answer.json()["message"]) == (401, "The download link has expired.")


def altered(where: str, **changes: Any) -> str:
    parts = urlsplit(where)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()} | changes
    return str(httpx.URL(where.partition("?")[0], params=query))


async def test_an_altered_link_is_worth_nothing(client: httpx.AsyncClient, recorded: str) -> None:
    where = await link(client, recorded)
    signature = parse_qs(urlsplit(where).query)["signature"][0]
    forgeries = [
        altered(where, expires=99_999_999_999),
        altered(where, signature=signature[:-1] + ("A" if signature[-1] != "A" else "B")),
        altered(where, signature="ü"),
        where.replace("/stereo?", "/log?"),
    ]
    for forged in forgeries:
        answer = await client.get(forged)
        assert (answer.status_code, answer.json()["message"]) == (401, "The download link was altered.")
    assert (await client.get(where.partition("?")[0])).status_code == 400


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mono-recording", "has no mono-recording."),
        ("video-recording", "No video is recorded"),
        ("pcap", "Packets are captured on SIP calls only."),
    ],
)
async def test_what_the_call_does_not_have(client: httpx.AsyncClient, recorded: str, name: str, message: str) -> None:
    answer = await client.get(f"/call/{recorded}/{name}")
    assert answer.status_code == 404
    assert message in answer.json()["message"]


async def test_the_key_is_needed_to_get_a_link(client: httpx.AsyncClient, recorded: str) -> None:
    del client.headers["authorization"]
    assert (await client.get(f"/call/{recorded}/stereo-recording")).status_code == 401


async def test_a_deleted_call_takes_its_links_and_files_along(
    client: httpx.AsyncClient, recorded: str, installation: Installation
) -> None:
    where = await link(client, recorded)
    await client.delete(f"/call/{recorded}")
    assert (await client.get(where)).status_code == 404
    assert installation.artifacts.files == {}


async def test_a_call_is_deleted_although_its_recordings_cannot_be(
    client: httpx.AsyncClient, recorded: str, installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    locations = set(installation.artifacts.files)
    installation.artifacts.away = True
    assert (await client.delete(f"/call/{recorded}")).status_code == 200
    assert (await client.get(f"/call/{recorded}")).status_code == 404
    left = {word.removeprefix("location=") for line in caplog.messages for word in line.split() if "location=" in word}
    assert left == locations


async def test_a_stored_file_that_is_gone(client: httpx.AsyncClient, recorded: str, installation: Installation) -> None:
    where = await link(client, recorded)
    installation.artifacts.files.clear()
    answer = await client.get(where)
    assert (answer.status_code, answer.json()["message"]) == (404, "The stored file is gone.")


async def test_where_the_store_gives_links_clients_go_there(
    client: httpx.AsyncClient, installation: Installation, recorded: str
) -> None:
    installation.artifacts.links = "https://bucket.example"

    where = await link(client, recorded)

    assert (
        where
        == f"https://bucket.example/a.wav?expires={installation.dependencies.settings.limits.download_link_seconds}"
    )


async def test_a_store_that_does_not_answer_is_no_missing_file(
    client: httpx.AsyncClient, installation: Installation, recorded: str
) -> None:
    where = await link(client, recorded)
    installation.artifacts.away = True

    answer = await client.get(where)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["message"] == "The store of recordings and files does not answer."
