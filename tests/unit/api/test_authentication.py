"""Who is let in: keys, tokens signed with them, and what public ones may be used for."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.authentication import KeyRing, Principal
from api.errors import WRONG_KEY, Problem
from api.restrictions import check_origin, check_target
from domain.keys import format_key, hash_key
from domain.organization.aggregate import ORGANIZATION
from domain.organization.commands import IssueKey
from domain.organization.events import KeyRestrictions, KeyTag
from domain.organization.founding import Founding
from tests.unit.api.installation import SECRET, Installation

HOUR = timedelta(hours=1)


def claims(founding: Founding, installation: Installation, tag: KeyTag = "private", **more: Any) -> dict[str, Any]:
    expires = int((installation.clock.now + HOUR).timestamp())
    return {"orgId": founding.organization_id, "token": {"tag": tag}, "exp": expires} | more


def signed(payload: dict[str, Any], key: str, **header: Any) -> str:
    return jwt.encode(payload, key, algorithm="HS256", headers=header or None)


def part(value: Any) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


async def ask(client: httpx.AsyncClient, credential: str) -> httpx.Response:
    return await client.get("/assistant", headers={"authorization": f"Bearer {credential}"})


async def refused(client: httpx.AsyncClient, credential: str) -> dict[str, Any]:
    """The refusal, which must not tell why."""
    answer = await ask(client, credential)
    assert answer.status_code == 401, answer.text
    body: dict[str, Any] = answer.json()
    assert body["message"] == WRONG_KEY
    return body


async def test_a_token_signed_with_the_private_key_acts_as_the_private_key(
    installation: Installation, anonymous: httpx.AsyncClient, founding: Founding
) -> None:
    token = signed(claims(founding, installation), founding.private_key)
    made = await anonymous.post("/assistant", json={"name": "a"}, headers={"authorization": f"Bearer {token}"})
    assert made.status_code == 201
    assert made.json()["orgId"] == founding.organization_id
    with_key = await ask(anonymous, founding.private_key)
    assert with_key.json() == (await ask(anonymous, token)).json() == [made.json()]


async def test_a_token_works_until_it_expires_and_not_a_moment_longer(
    installation: Installation, anonymous: httpx.AsyncClient, founding: Founding
) -> None:
    token = signed(claims(founding, installation), founding.private_key)
    assert (await ask(anonymous, token)).status_code == 200
    # Answers about credentials are remembered for a moment, but never past the end of a token.
    installation.clock.forward(minutes=60, seconds=28)
    assert (await ask(anonymous, token)).status_code == 200
    installation.clock.forward(seconds=2)
    await refused(anonymous, token)


async def test_every_refusal_of_a_token_is_the_same(
    installation: Installation, anonymous: httpx.AsyncClient, founding: Founding
) -> None:
    rival = await installation.found("Rival")
    mine = claims(founding, installation)
    before, after = (int((installation.clock.now + sign * HOUR).timestamp()) for sign in (-1, 1))
    rsa = generate_private_key(public_exponent=65537, key_size=2048)
    good = signed(mine, founding.private_key)
    header, payload, signature = good.split(".")
    attempts = {
        "another organisation's key": signed(mine, rival.private_key),
        "the public key": signed(mine, founding.public_key),
        "the hash of the key": signed(mine, hash_of_the_key(installation, founding)),
        "an empty key": f"{part({'alg': 'HS256'})}.{payload}.",
        "no algorithm": f"{part({'alg': 'none', 'typ': 'JWT'})}.{payload}.",
        "no algorithm, but a signature": f"{part({'alg': 'none'})}.{payload}.{signature}",
        "another HMAC": jwt.encode(mine, founding.private_key, algorithm="HS384"),
        "an RSA signature": jwt.encode(mine, rsa, algorithm="RS256"),
        "an algorithm that is no text": f"{part({'alg': ['HS256']})}.{payload}.{signature}",
        "another payload under the signature": f"{header}.{part(mine | {'orgId': rival.organization_id})}.{signature}",
        "expired": signed(mine | {"exp": before}, founding.private_key),
        "expiring in words": signed(mine | {"exp": "tomorrow"}, founding.private_key),
        "expiring never, it says": signed(mine | {"exp": True}, founding.private_key),
        "not yet in force": signed(mine | {"nbf": after}, founding.private_key),
        "an unknown organisation": signed(mine | {"orgId": "4d0b4d3c-0000-4000-8000-000000000000"}, rival.private_key),
        "an organisation that is no text": signed(mine | {"orgId": [1]}, founding.private_key),
        "no organisation": signed({"token": {"tag": "private"}}, founding.private_key),
        "no tag": signed(mine | {"token": {}}, founding.private_key),
        "another tag": signed(mine | {"token": {"tag": "operator"}}, founding.private_key),
        "no token": signed({"orgId": founding.organization_id}, founding.private_key),
        "restrictions nobody knows": signed(
            mine | {"token": {"tag": "private", "restrictions": {"allowedOrigin": ["x"]}}}, founding.private_key
        ),
        "a public one": signed(claims(founding, installation, "public"), founding.private_key),
        "not JSON inside": f"{header}.e30x.{signature}",
        "far too long": signed(mine | {"more": "x" * 9000}, founding.private_key),
        "an unknown key": "callfold_private_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    }
    bodies = {what: await refused(anonymous, credential) for what, credential in attempts.items()}
    texts = {json.dumps({**body, "requestId": ""}) for body in bodies.values()}
    assert len(texts) == 1, texts
    assert (await ask(anonymous, good)).status_code == 200


@pytest.mark.parametrize(
    ("claim", "seconds", "status"), [("exp", -20, 200), ("exp", -40, 401), ("nbf", 20, 200), ("nbf", 40, 401)]
)
async def test_clocks_may_differ_by_half_a_minute(
    installation: Installation, anonymous: httpx.AsyncClient, founding: Founding, claim: str, seconds: int, status: int
) -> None:
    moment = int(installation.clock.now.timestamp()) + seconds
    token = signed(claims(founding, installation) | {claim: moment}, founding.private_key)
    assert (await ask(anonymous, token)).status_code == status


def hash_of_the_key(installation: Installation, founding: Founding) -> str:
    document = installation.log.get("organization", founding.organization_id)
    assert document is not None
    return str(next(key.hash for key in document.state.keys if key.tag == "private"))


async def test_a_key_that_was_not_made_from_the_secret_opens_but_cannot_sign(
    installation: Installation, anonymous: httpx.AsyncClient, founding: Founding
) -> None:
    older = format_key("private", b"o" * 20)
    command = IssueKey(key_id="older", tag="private", hash=hash_key(older))
    await installation.log.execute(ORGANIZATION, founding.organization_id, command)
    assert (await ask(anonymous, older)).status_code == 200
    await refused(anonymous, signed(claims(founding, installation), older))


async def test_a_revoked_key_signs_nothing_any_more(
    installation: Installation, client: httpx.AsyncClient, founding: Founding
) -> None:
    made = (await client.post("/token", json={"name": "backend"})).json()
    token = signed(claims(founding, installation), made["value"])
    assert (await ask(client, token)).status_code == 200
    assert (await client.delete(f"/token/{made['id']}")).status_code == 200
    installation.clock.forward(seconds=6)
    await refused(client, token)
    await refused(client, made["value"])


async def test_a_revoked_key_opens_nothing_either_where_the_clock_was_set_back(
    installation: Installation, client: httpx.AsyncClient
) -> None:
    made = (await client.post("/token", json={"name": "backend"})).json()
    assert (await ask(client, made["value"])).status_code == 200
    assert (await client.delete(f"/token/{made['id']}")).status_code == 200
    installation.clock.forward(hours=-1)
    await refused(client, made["value"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(credential=st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,80}\.[A-Za-z0-9_-]{0,40}", fullmatch=True))
async def test_no_text_of_three_parts_opens_anything(
    installation: Installation, founding: Founding, credential: str
) -> None:
    ring = KeyRing(installation.log, installation.clock, SECRET)
    assert ring.open(credential) is None


async def test_the_life_of_a_key(client: httpx.AsyncClient, installation: Installation, founding: Founding) -> None:
    restrictions = {"allowedOrigins": ["https://shop.example"], "allowTransientAssistant": False}
    created = await client.post("/token", json={"name": "widget", "tag": "public", "restrictions": restrictions})
    assert created.status_code == 201, created.text
    made = created.json()
    value = made.pop("value")
    assert value.startswith("callfold_public_")
    assert made["restrictions"] == {"enabled": True, **restrictions}
    read = await client.get(f"/token/{made['id']}")
    assert read.json() == made
    assert {one["name"] for one in (await client.get("/token")).json()} == {"private", "public", "widget"}
    assert value not in (await client.get("/token")).text
    changed = await client.patch(f"/token/{made['id']}", json={"name": "shop", "restrictions": None})
    assert (changed.json()["name"], "restrictions" in changed.json()) == ("shop", False)
    refusal = await client.patch(f"/token/{made['id']}", json={"tag": "private"})
    assert refusal.json()["message"] == ["tag cannot be changed from public"]
    assert (await client.delete(f"/token/{made['id']}")).json()["name"] == "shop"
    assert (await client.get(f"/token/{made['id']}")).status_code == 404
    assert (await client.delete(f"/token/{made['id']}")).status_code == 404


async def test_the_last_private_key_stays(client: httpx.AsyncClient) -> None:
    private = next(one for one in (await client.get("/token")).json() if one["tag"] == "private")
    answer = await client.delete(f"/token/{private['id']}")
    assert (answer.status_code, answer.json()["error"]) == (409, "last_private_key")
    assert (await client.get("/token")).status_code == 200


async def test_a_repeated_request_makes_one_key_and_shows_it_again(client: httpx.AsyncClient) -> None:
    again = {"idempotency-key": "once"}
    one = await client.post("/token", json={"name": "a"}, headers=again)
    two = await client.post("/token", json={"name": "a"}, headers=again)
    assert (one.status_code, one.json()) == (two.status_code, two.json())
    assert (await client.post("/token", json={"name": "b"}, headers=again)).status_code == 422
    await client.delete(f"/token/{one.json()['id']}")
    assert (await client.post("/token", json={"name": "a"}, headers=again)).status_code == 422


async def test_keys_of_others_look_like_missing_ones(client: httpx.AsyncClient, installation: Installation) -> None:
    rival = await installation.found("Rival")
    document = installation.log.get("organization", rival.organization_id)
    assert document is not None
    foreign = document.state.keys[0].id
    for method in ("GET", "PATCH", "DELETE"):
        answer = await client.request(method, f"/token/{foreign}", json={} if method == "PATCH" else None)
        assert answer.status_code == 404, method


def holder(**restrictions: Any) -> Principal:
    return Principal("org", "public", 0, "k", restrictions=KeyRestrictions(**restrictions))


@pytest.mark.parametrize(
    ("allowed", "origin", "passes"),
    [
        (None, None, True),
        (None, "https://any.example", True),
        (("https://shop.example",), "https://shop.example", True),
        (("https://shop.example/",), "https://shop.example", True),
        (("https://shop.example",), "http://shop.example", False),
        (("https://shop.example",), "https://shop.example.evil.example", False),
        (("https://shop.example",), "null", False),
        (("https://shop.example",), None, False),
    ],
)
def test_origins(allowed: tuple[str, ...] | None, origin: str | None, passes: bool) -> None:
    if passes:
        check_origin(holder(allowed_origins=allowed), origin)
        return
    with pytest.raises(Problem) as refusal:
        check_origin(holder(allowed_origins=allowed), origin)
    assert refusal.value.status == 403


@pytest.mark.parametrize(
    ("restrictions", "body", "passes"),
    [
        ({}, {"assistant": {}}, True),
        ({"allow_transient_assistant": False}, {"assistantId": "a"}, True),
        ({"allow_transient_assistant": False}, {"assistant": {}}, False),
        ({"allow_transient_assistant": False}, {"squad": {}}, False),
        ({"allow_transient_assistant": False}, {"assistant": None, "assistantId": "a"}, True),
        ({"allowed_assistant_ids": ("a", "b")}, {"assistantId": "b"}, True),
        ({"allowed_assistant_ids": ("a",)}, {"assistantId": "b"}, False),
        ({"allowed_assistant_ids": ("a",)}, {}, False),
        ({"allowed_assistant_ids": ("a",)}, {"assistantId": "a", "squadId": "s"}, False),
        ({"allowed_assistant_ids": ("a",)}, {"assistant": {}}, False),
    ],
)
def test_targets(restrictions: dict[str, Any], body: dict[str, Any], passes: bool) -> None:
    if passes:
        check_target(holder(**restrictions), body)
        return
    with pytest.raises(Problem) as refusal:
        check_target(holder(**restrictions), body)
    assert refusal.value.status == 403
