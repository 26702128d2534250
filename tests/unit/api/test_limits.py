"""How much an organisation may ask for, and what is written down of what it asked."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.app import create_app
from api.dependencies import ApiLimits
from api.rate_limits import WINDOW_SECONDS, RateLimits
from domain.organization.events import KeyTag
from domain.organization.founding import Founding
from tests.unit.api.installation import OPERATOR_TOKEN, Installation, install

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
OPERATOR = {"authorization": f"Bearer {OPERATOR_TOKEN}"}
WEBSOCKET = {"assistant": {}, "transport": {"provider": "vapi.websocket"}}


@given(quota=st.integers(1, 400), gaps=st.lists(st.floats(0, 30), min_size=1, max_size=200))
def test_no_minute_holds_more_than_a_full_bucket_and_its_refill(quota: int, gaps: list[float]) -> None:
    limits, moment, taken = RateLimits(), NOW, list[datetime]()
    for gap in gaps:
        moment += timedelta(seconds=gap)
        allowance = limits.take("org", "private", quota, moment)
        assert allowance is not None
        assert 0 <= allowance.remaining < quota
        if allowance.retry_after_s is None:
            taken.append(moment)
        else:
            assert allowance.retry_after_s > 0
            again = limits.take("org", "private", quota, moment + timedelta(seconds=allowance.retry_after_s + 1e-3))
            assert again is not None
            assert again.retry_after_s is None
            taken.append(moment + timedelta(seconds=allowance.retry_after_s))
            moment += timedelta(seconds=allowance.retry_after_s + 1e-3)
    for first in taken:
        within = [time for time in taken if first <= time < first + timedelta(seconds=WINDOW_SECONDS)]
        assert len(within) <= 2 * quota + 1


def test_buckets_of_other_organisations_and_kinds_are_others() -> None:
    limits = RateLimits()
    tags: tuple[KeyTag, ...] = ("private", "public")
    taken = [limits.take(org, tag, 1, NOW) for org in "ab" for tag in tags]
    assert [allowance is not None and allowance.retry_after_s for allowance in taken] == [None] * 4
    assert limits.take("a", "private", 0, NOW) is None


@given(back_s=st.integers(int(WINDOW_SECONDS) + 1, 10**6))
def test_a_clock_that_is_set_back_refuses_nobody_for_longer(back_s: int) -> None:
    limits = RateLimits()

    def let_through(moment: datetime) -> int:
        taken = [limits.take("org", "private", 10, moment) for _ in range(15)]
        return sum(allowance is not None and allowance.retry_after_s is None for allowance in taken)

    assert let_through(NOW) == 10
    assert let_through(NOW - timedelta(seconds=back_s)) == 10


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Installation]:
    limits = ApiLimits(private_requests_per_minute=5, public_requests_per_minute=2, organization_calls=2)
    built = install(tmp_path, limits=limits)
    yield built
    built.log.close()


@pytest.fixture
async def acme(small: Installation) -> Founding:
    return await small.found("Acme")


@pytest.fixture
async def api(small: Installation, acme: Founding) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {acme.private_key}"}
    transport = httpx.ASGITransport(create_app(small.dependencies))
    async with httpx.AsyncClient(transport=transport, base_url="https://c.example", headers=headers) as client:
        yield client


async def test_requests_beyond_the_quota_are_told_when_to_come_back(
    small: Installation, api: httpx.AsyncClient, acme: Founding
) -> None:
    for left in (4, 3, 2, 1, 0):
        answer = await api.get("/assistant")
        assert answer.status_code == 200
        assert answer.headers["ratelimit-policy"] == '"private";q=5;w=60'
        assert answer.headers["ratelimit"].startswith(f'"private";r={left};t=')
    refused = await api.get("/assistant")
    assert refused.status_code == 429
    assert refused.json()["code"] == "RATE_LIMITED"
    assert refused.json()["statusCode"] == 429
    assert refused.headers["ratelimit"].startswith('"private";r=0')
    wait = int(refused.headers["retry-after"])
    assert 1 <= wait <= 12
    small.clock.forward(seconds=wait)
    assert (await api.get("/assistant")).status_code == 200
    rival = await small.found("Rival")
    assert (await api.get("/assistant", headers={"authorization": f"Bearer {rival.private_key}"})).status_code == 200


async def test_limits_of_an_organisations_own_go_before_those_of_the_installation(
    small: Installation, api: httpx.AsyncClient, acme: Founding
) -> None:
    path = f"/operator/organizations/{acme.organization_id}/limits"
    answer = await api.patch(path, json={"privateRequestsPerMinute": 1000, "concurrentCalls": 0}, headers=OPERATOR)
    assert answer.json()["limits"] == {
        "privateRequestsPerMinute": 1000,
        "publicRequestsPerMinute": None,
        "concurrentCalls": 0,
    }
    assert (await api.get("/assistant")).headers["ratelimit-policy"] == '"private";q=1000;w=60'
    call = (await api.post("/call", json=WEBSOCKET)).json()
    assert (call["status"], call["subscriptionLimits"]["concurrencyLimit"]) == ("ended", 0)
    freed = await api.patch(path, json={"concurrentCalls": None}, headers=OPERATOR)
    assert freed.json()["limits"]["privateRequestsPerMinute"] == 1000
    assert (await api.patch(path, json={"concurrentCalls": -1}, headers=OPERATOR)).status_code == 400
    assert (await api.patch("/operator/organizations/x/limits", json={}, headers=OPERATOR)).status_code == 404
    assert (await api.patch(path, json={})).status_code == 401


async def test_calls_beyond_the_limit_are_created_and_end_at_once(api: httpx.AsyncClient) -> None:
    answers: list[dict[str, Any]] = [(await api.post("/call", json=WEBSOCKET)).json() for _ in range(3)]
    assert [answer["subscriptionLimits"] for answer in answers] == [
        {"concurrencyBlocked": False, "concurrencyLimit": 2, "remainingConcurrentCalls": 2},
        {"concurrencyBlocked": False, "concurrencyLimit": 2, "remainingConcurrentCalls": 1},
        {"concurrencyBlocked": True, "concurrencyLimit": 2, "remainingConcurrentCalls": 0},
    ]
    assert [answer["status"] for answer in answers] == ["queued", "queued", "ended"]
    assert answers[2]["endedReason"] == "call.start.error-subscription-concurrency-limit-reached"
    # A call that is gone makes room.
    assert (await api.delete(f"/call/{answers[0]['id']}")).status_code == 200
    assert (await api.post("/call", json=WEBSOCKET)).json()["status"] == "queued"


async def test_the_operator_reads_what_was_asked(
    small: Installation, api: httpx.AsyncClient, acme: Founding, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "callfold.requests")
    secret = "nobody-is-to-read-this"
    made = (await api.post("/assistant", json={"name": secret}, headers={"x-request-id": "req-1"})).json()
    await api.get(f"/assistant/{made['id']}", params={"at": "v1"})
    await api.get(f"/nowhere/{made['id']}")
    await api.post(f"/eval/run?secret={secret}")
    await api.get("/assistant", headers={"authorization": f"Bearer {secret}"})
    await api.get("/health")

    entries = (await api.get("/operator/requests", headers=OPERATOR)).json()
    assert [(entry["method"], entry["route"], entry["status"]) for entry in reversed(entries)] == [
        ("POST", "/assistant", 201),
        ("GET", "/assistant/{id}", 200),
        ("GET", "(no route)", 404),
        ("POST", "/eval/run", 501),
        ("GET", "/assistant", 401),
        ("GET", "/health", 200),
    ]
    first = entries[-1]
    assert (first["requestId"], first["orgId"]) == ("req-1", acme.organization_id)
    assert first["ms"] > 0
    lines = [record for record in caplog.records if record.name == "callfold.requests"]
    assert [(record.__dict__["route"], record.levelname) for record in lines[1:3]] == [
        ("/assistant/{id}", "DEBUG"),
        ("(no route)", "INFO"),
    ]
    written = str(entries) + "".join(str(vars(record)) for record in lines)
    assert not any(hidden in written for hidden in (secret, acme.private_key, made["id"]))

    async def asked(**query: Any) -> list[str]:
        found = (await api.get("/operator/requests", params=query, headers=OPERATOR)).json()
        return [entry["route"] for entry in found]

    assert await asked(requestId="req-1") == ["/assistant"]
    assert await asked(orgId=acme.organization_id, limit=1) == ["/eval/run"]
    assert await asked(status=404) == ["(no route)"]
    assert await asked(route="/assistant", method="get") == ["/assistant"]
    assert await asked(msGe=1e6) == []
    assert (await api.get("/operator/requests")).status_code == 401


def test_of_too_many_buckets_the_one_used_longest_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.rate_limits.REMEMBERED_BUCKETS", 2)
    limits = RateLimits()
    remaining = [taken.remaining for org in "abacab" if (taken := limits.take(org, "private", 10, NOW))]
    assert remaining == [9, 9, 8, 9, 7, 9]
