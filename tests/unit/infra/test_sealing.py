"""Secrets at rest: what is sealed opens for its organisation with its key, and for nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from domain.sealing import PREFIX, NoSeal, SealBroken, opened, sealed
from domain.write_only import without_secrets
from infra.sealing import KeyedSeal, seal_of

OLD, NEW = "o" * 32, "n" * 40
SEAL = KeyedSeal([OLD])

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(secret=JSON, rest=JSON)
def test_a_credential_opens_into_what_was_sent(secret: Any, rest: Any) -> None:
    config = {"provider": "gcp", "gcpKey": secret, "authenticationPlan": {"type": "x", "token": secret}, "name": rest}
    kept = sealed(config, "org", SEAL, "credential")
    assert opened(kept, "org", SEAL) == config
    assert without_secrets(kept, "credential") == without_secrets(config, "credential")


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("credential", {"provider": "openai", "apiKey": "sk-secret"}),
        ("credential", {"provider": "webhook", "authenticationPlan": {"type": "hmac", "secretKey": "sk-secret"}}),
        ("phone_number", {"twilioAuthToken": "sk-secret", "authentication": {"password": "sk-secret"}}),
        ("assistant", {"server": {"url": "https://a", "secret": "sk-secret"}, "serverUrlSecret": "sk-secret"}),
        ("assistant", {"model": {"tools": [{"server": {"url": "https://a", "secret": "sk-secret"}}]}}),
        ("assistant", {"credentials": [{"provider": "openai", "apiKey": "sk-secret"}]}),
    ],
)
def test_no_secret_stays_readable(kind: str, config: dict[str, Any]) -> None:
    kept = sealed(config, "org", SEAL, kind)
    assert "sk-secret" not in str(kept)
    assert PREFIX in str(kept)
    assert opened(kept, "org", SEAL) == config
    assert sealed(kept, "org", SEAL, kind) == kept


def test_the_same_secret_is_the_same_text_in_one_organization_only() -> None:
    assert SEAL.seal("a", "secret") == SEAL.seal("a", "secret")
    assert SEAL.seal("a", "secret") != SEAL.seal("b", "secret")
    with pytest.raises(SealBroken, match="another organization"):
        SEAL.open("b", SEAL.seal("a", "secret"))


def test_an_altered_text_does_not_open() -> None:
    text = SEAL.seal("a", "a long enough secret")
    for place in (len(PREFIX) + 20, len(text) - 6):
        other = "A" if text[place] != "A" else "B"
        with pytest.raises(SealBroken):
            SEAL.open("a", text[:place] + other + text[place + 1 :])


def test_a_key_is_replaced_without_losing_what_the_old_one_sealed() -> None:
    before = SEAL.seal("a", "secret")
    both = seal_of(SecretStr(f"{NEW}, {OLD}"))
    assert both.open("a", before) == "secret"
    after = both.seal("a", "secret")
    assert after != before
    assert KeyedSeal([NEW]).open("a", after) == "secret"
    with pytest.raises(SealBroken, match="CALLFOLD_SECRET_KEY does not hold"):
        KeyedSeal([NEW]).open("a", before)


def test_without_a_key_secrets_are_kept_as_sent_and_nothing_sealed_opens() -> None:
    seal = seal_of(None)
    assert isinstance(seal, NoSeal)
    config = {"apiKey": "sk"}
    assert sealed(config, "org", seal, "credential") is config
    with pytest.raises(SealBroken, match="set CALLFOLD_SECRET_KEY"):
        opened({"apiKey": SEAL.seal("org", '"sk"')}, "org", seal)
