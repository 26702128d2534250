"""Signatures against vectors made by hand, and against the package that receivers use."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from domain.webhook.origin import origin_of, without_query
from domain.webhook.signature import (
    PlanUnusable,
    endpoint_id,
    endpoint_key,
    hmac_headers,
    message_id,
    shown_key,
    standard_signature,
)

SHOWN = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
KEY = b64decode(SHOWN.removeprefix("whsec_"))
ID, TIMESTAMP = "msg_018f3c9e6a7b7c8d9e0f1a2b3c4d5e6f", 1767225600
BODY = b'{"message":{"type":"status-update","status":"ended"}}'
SIGNATURE = "v1,UmqgAurxN3x6AoGOT4Y4CGk/90o50q49Y3RCZJZTbcw="


def hmac(plan: dict[str, Any], body: bytes = BODY) -> dict[str, str]:
    return hmac_headers(plan, id=ID, timestamp=TIMESTAMP, method="POST", url="https://shop.example/hooks", body=body)


def test_the_standard_vector() -> None:
    assert standard_signature((KEY,), ID, TIMESTAMP, BODY) == SIGNATURE
    assert shown_key(KEY) == SHOWN


def test_while_a_secret_is_rotated_either_one_verifies() -> None:
    now, old = int(datetime.now(UTC).timestamp()), bytes(range(100, 132))
    both = standard_signature((KEY, old), ID, now, BODY)
    headers = {"webhook-id": ID, "webhook-timestamp": str(now), "webhook-signature": both}
    for key in (KEY, old):
        assert Webhook(shown_key(key)).verify(BODY, headers)


def test_the_vector_of_the_default_hmac_plan() -> None:
    assert hmac({"secretKey": "topsecret"}) == {
        "x-signature": "7bdaec64f6dfdbb17541c902338623fc09ccd04360681899f174d4d5b883d0c6",
        "x-timestamp": str(TIMESTAMP),
    }


def test_a_plan_can_spell_standard_webhooks() -> None:
    plan = {
        "secretKey": SHOWN.removeprefix("whsec_"),
        "secretIsBase64": True,
        "signatureHeader": "webhook-signature",
        "timestampHeader": "webhook-timestamp",
        "messageIdHeader": "webhook-id",
        "signaturePrefix": "v1,",
        "signatureEncoding": "base64",
        "payloadFormat": "{svix-id}.{timestamp}.{body}",
    }
    assert hmac(plan) == {
        "webhook-signature": SIGNATURE,
        "webhook-timestamp": str(TIMESTAMP),
        "webhook-id": ID,
    }


def test_a_body_that_holds_a_placeholder_is_signed_as_it_is() -> None:
    assert hmac({"secretKey": "k", "payloadFormat": "{body}"}, b"{url}") != hmac(
        {"secretKey": "k", "payloadFormat": "{url}"}
    )


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        ({}, "secretKey"),
        ({"secretKey": "k", "algorithm": "md5"}, "algorithm"),
        ({"secretKey": "***", "secretIsBase64": True}, "secretKey"),
    ],
)
def test_a_plan_that_cannot_sign_names_its_field(plan: dict[str, Any], field: str) -> None:
    with pytest.raises(PlanUnusable, match=field):
        hmac(plan)


@given(st.text(), st.text(), st.text(), st.text())
def test_no_two_endpoints_share_an_id_or_a_key(org: str, other: str, origin: str, third: str) -> None:
    one, two = endpoint_id(org, origin), endpoint_id(other, third)
    same = f"{org}\0{origin}" == f"{other}\0{third}"
    assert (one == two) == same
    secret = b"installation"
    assert (endpoint_key(secret, one) == endpoint_key(secret, two)) == same
    assert message_id(one, "event.0") == message_id(one, "event.0") != message_id(one, "event.1")
    assert "." not in message_id(one, "event.0")


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Shop.example/hooks?key=1", "https://shop.example"),
        ("https://shop.example:443/", "https://shop.example"),
        ("http://shop.example:8080/a", "http://shop.example:8080"),
        ("http://[::1]:81/x", "http://[::1]:81"),
        ("http://[::1", "invalid:"),
    ],
)
def test_origins(url: str, origin: str) -> None:
    assert origin_of(url) == origin


def test_what_people_read_of_a_url_holds_no_query() -> None:
    assert without_query("https://shop.example/hooks?token=x#y") == "https://shop.example/hooks"


def test_the_documented_way_to_verify_accepts_the_standards_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[4] / "docs" / "webhooks.md").read_text()
    (shown,) = [part for part in page.split("```python\n")[1:] if "def is_ours" in part]
    names: dict[str, Any] = {}
    exec(shown.partition("```")[0], names)
    monkeypatch.setattr("time.time", lambda: TIMESTAMP + 100)
    headers = {"webhook-id": ID, "webhook-timestamp": str(TIMESTAMP), "webhook-signature": f"v1,AAAA {SIGNATURE}"}
    assert names["is_ours"](SHOWN, headers, BODY)
    assert not names["is_ours"](SHOWN, headers, BODY + b" ")
    monkeypatch.setattr("time.time", lambda: TIMESTAMP + 300)
    assert not names["is_ours"](SHOWN, headers, BODY)
