"""How a command reads the operator's answers, the unwelcome ones too."""

from __future__ import annotations

from collections.abc import Callable

import httpx2
import pytest

from infra.cli.failure import CommandFailed
from infra.cli.operator import Operator, client


def operator(answer: Callable[[httpx2.Request], httpx2.Response], *, live: bool = True) -> Operator:
    return Operator(client("http://system", "token", httpx2.MockTransport(answer)), place="http://system", live=live)


async def test_it_carries_the_operators_token() -> None:
    seen: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers["authorization"])
        return httpx2.Response(200, json=[])

    await operator(answer).organizations()

    assert seen == ["Bearer token"]


@pytest.mark.parametrize(
    ("status", "body", "says", "code"),
    [
        (404, {"message": "Call x does not exist.", "detail": "Check the id."}, "does not exist. Check the id.", 3),
        (400, {"message": ["a is wrong", "b is wrong"], "detail": "Change them."}, "a is wrong; b is wrong", 1),
        (400, {"message": ["a is wrong"], "detail": "Change them.", "code": "VALIDATION_FAILED"}, "a is wrong", 1),
        (507, {"message": "The disk is full."}, "The disk is full.", 1),
    ],
)
async def test_a_refusal_is_told_in_the_systems_own_words(
    status: int, body: dict[str, object], says: str, code: int
) -> None:
    with pytest.raises(CommandFailed) as failed:
        await operator(lambda request: httpx2.Response(status, json=body)).call("x")

    assert says in str(failed.value)
    assert failed.value.code == code


async def test_an_answer_that_is_no_json_is_shown() -> None:
    with pytest.raises(CommandFailed, match="answered 502: Bad Gateway"):
        await operator(lambda request: httpx2.Response(502, text="Bad Gateway")).status()


async def test_a_system_that_does_not_answer_is_named() -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("connection refused")

    with pytest.raises(CommandFailed, match=r"http://system does not answer \(connection refused\)"):
        await operator(refuse).status()


async def test_every_page_of_organizations_is_read_although_one_is_founded_meanwhile() -> None:
    there = [{"id": str(number)} for number in range(1500)]

    def answer(request: httpx2.Request) -> httpx2.Response:
        offset, limit = int(request.url.params["offset"]), int(request.url.params["limit"])
        page = there[offset : offset + limit]
        there.insert(0, {"id": "new"})
        return httpx2.Response(200, json=page)

    found = await operator(answer).organizations()

    assert [organization["id"] for organization in found] == [str(number) for number in range(1500)]


async def test_every_page_of_events_is_read() -> None:
    pages = {"0:0": ["0:1", "0:4"], "0:4": ["0:9"], "0:9": []}

    def answer(request: httpx2.Request) -> httpx2.Response:
        positions = pages[request.url.params["after"]]
        return httpx2.Response(200, json=[{"position": position} for position in positions])

    events = await operator(answer).all_events(originator="call-1")

    assert [event["position"] for event in events] == ["0:1", "0:4", "0:9"]


async def test_following_reads_events_and_skips_comments() -> None:
    stream = b': keep\n\nid: 0:1\nevent: call.ended\ndata: {"position": "0:1"}\n\n: keep\n\n'
    sent: list[dict[str, str]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(dict(request.url.params))
        return httpx2.Response(200, content=stream)

    followed = [event async for event in operator(answer).follow(after="0:0", types=("call.ended",))]

    assert followed == [{"position": "0:1"}]
    assert sent == [{"follow": "true", "after": "0:0", "types": "call.ended"}]


async def test_several_shards_are_followed_at_once() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        shard, _, ordinal = request.url.params["after"].partition(":")
        events = [{"position": f"{shard}:{number}"} for number in range(int(ordinal) + 1, 4)]
        return httpx2.Response(200, json=events)

    asked = operator(answer, live=False).follow_all(after=["0:1", "1:0"])
    assert sorted([event["position"] async for event in asked]) == ["0:2", "0:3", "1:1", "1:2", "1:3"]


async def test_what_fails_in_one_shard_ends_following_all() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.params["after"].startswith("1:"):
            return httpx2.Response(400, json={"message": "after is in shard 1, and not in 0"})
        return httpx2.Response(200, json=[])

    with pytest.raises(CommandFailed, match="shard 1"):
        _ = [event async for event in operator(answer, live=False).follow_all(after=["0:0", "1:0"])]
