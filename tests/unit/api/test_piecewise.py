"""Long reads give what they would give at once, and leave everybody else their turn."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.piecewise import PIECE_SECONDS, Pauses, each_document
from api.responses import POSITION_HEADER, json_bytes, list_response
from domain.aggregate import DocumentKeys
from domain.log.ports import Document, Documents
from domain.log.position import Position

START = datetime(2026, 1, 1, tzinfo=UTC)


class Kept:
    """Documents in memory, listed as the log's are."""

    def __init__(self, seconds: list[int]) -> None:
        self.documents = [
            Document(f"{number:04}", "thing", 1, _keys(START + timedelta(seconds=second)), None)
            for number, second in enumerate(seconds)
        ]

    def list(
        self, kind: str, *, limit: int, offset: int, oldest_first: bool, created: tuple[Any, ...], **_: Any
    ) -> list[Document]:
        within = [
            document
            for document in self.documents
            if all(_compares(document.keys.created_at, *bound) for bound in created)
        ]
        within.sort(key=lambda document: (document.keys.created_at, document.id), reverse=not oldest_first)
        return within[offset : offset + limit]


def _keys(time: datetime) -> DocumentKeys:
    return DocumentKeys(org_id="org", created_at=time, updated_at=time)


def _compares(time: datetime, operator: str, bound: datetime) -> bool:
    return {"gt": time > bound, "ge": time >= bound, "lt": time < bound, "le": time <= bound}[operator]


async def read(kept: Kept, **asked: Any) -> list[str]:
    documents = cast(Documents, kept)
    return [document.id async for document in each_document(documents, "thing", org_id="org", **asked)]


@given(
    seconds=st.lists(st.integers(0, 3) | st.integers(0, 1000), max_size=120),
    limit=st.none() | st.integers(1, 60),
    offset=st.integers(0, 40),
    oldest_first=st.booleans(),
    after=st.none() | st.integers(0, 3),
)
async def test_in_pieces_is_the_same_as_at_once(
    seconds: list[int], limit: int | None, offset: int, oldest_first: bool, after: int | None
) -> None:
    kept = Kept(seconds)
    created = () if after is None else (("gt", START + timedelta(seconds=after)),)
    at_once = kept.list(
        "thing", limit=limit or len(seconds) + 1, offset=offset, oldest_first=oldest_first, created=created
    )
    assert await read(kept, limit=limit, offset=offset, oldest_first=oldest_first, created=created) == [
        document.id for document in at_once
    ]


async def test_what_comes_and_goes_meanwhile_displaces_nothing() -> None:
    kept = Kept([*range(100)])
    found = []
    async for document in each_document(cast(Documents, kept), "thing", org_id="org"):
        found.append(document.id)
        if document.id == "0095":
            newer = Document("new", "thing", 1, _keys(START + timedelta(hours=1)), None)
            kept.documents = [*(kept.documents[:60]), *(kept.documents[90:]), newer]
    assert found[:5] == ["0099", "0098", "0097", "0096", "0095"]
    assert len(set(found)) == len(found)
    assert set(found) >= {f"{number:04}" for number in range(60)}


async def test_others_have_their_turn_during_a_long_read() -> None:
    turns, now_s = list[float](), 0.0

    async def others() -> None:
        while True:
            turns.append(now_s / PIECE_SECONDS)
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    pauses = Pauses(lambda: now_s)
    for _ in range(13):
        now_s += PIECE_SECONDS * 0.3
        await pauses.rest()
    beside.cancel()
    # Not after every step, which would cost more than the steps do.
    assert turns == pytest.approx([1.2, 2.4, 3.6])


async def sent(items: list[bytes], metadata: dict[str, Any] | None) -> httpx.Response:
    app = list_response(items, metadata, position=Position(0, 7))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://c.example") as client:
        return await client.get("/")


@given(texts=st.lists(st.text(max_size=5), max_size=4), times=st.sampled_from([1, 100_000]), paged=st.booleans())
async def test_a_list_is_the_same_in_one_piece_and_in_many(texts: list[str], times: int, paged: bool) -> None:
    items = [{"text": text * times} for text in texts]
    metadata = {"totalItems": len(items)} if paged else None
    answer = await sent([json_bytes(item) for item in items], metadata)
    assert answer.json() == ({"results": items, "metadata": metadata} if paged else items)
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert answer.headers[POSITION_HEADER] == "0:7"


async def test_a_long_list_is_sent_in_turn_with_others(client: httpx.AsyncClient) -> None:
    prompt = {"role": "system", "content": "Be brief. " * 4_000}
    model = {"provider": "openai", "model": "gpt-4o", "messages": [prompt]}
    for number in range(40):
        made = await client.post("/assistant", json={"name": f"{number}", "model": model})
        assert made.status_code == 201
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    answer = await client.get("/assistant?limit=40")
    beside.cancel()
    assert [one["name"] for one in answer.json()] == [f"{number}" for number in reversed(range(40))]
    assert turns >= len(answer.content) // 100_000 >= 10
