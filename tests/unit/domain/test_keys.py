from __future__ import annotations

import hashlib

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from domain.keys import RANDOM_BYTES, format_key, hash_key, key_random, key_tag
from domain.organization.events import KeyTag

tags = st.sampled_from(["private", "public"])
randoms = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES)


@for_all(tags, randoms)
def test_a_key_says_what_it_is_and_only_its_hash_is_kept(tag: KeyTag, random: bytes) -> None:
    key = format_key(tag, random)
    assert key_tag(key) == tag
    assert hash_key(key) == hashlib.sha256(key.encode()).hexdigest()
    assert key.isascii()


@for_all(tags, randoms, randoms)
def test_different_randomness_is_a_different_key(tag: KeyTag, first: bytes, second: bytes) -> None:
    assert (format_key(tag, first) == format_key(tag, second)) == (first == second)


@pytest.mark.parametrize("length", [0, 16, RANDOM_BYTES - 1, RANDOM_BYTES + 1])
def test_a_key_has_one_strength(length: int) -> None:
    with pytest.raises(ValueError, match=str(RANDOM_BYTES)):
        format_key("private", bytes(length))


@pytest.mark.parametrize("text", ["", "Bearer x", "callfold_admin_" + "a" * 32, format_key("public", bytes(20)) + "a"])
def test_other_texts_are_no_keys(text: str) -> None:
    assert key_tag(text) is None


def test_a_key_made_from_its_id_is_the_same_again_only_under_the_same_secret() -> None:
    secret, other = b"s" * 32, b"t" * 32
    made = key_random(secret, "private", "k1")
    assert len(made) == RANDOM_BYTES
    assert made == key_random(secret, "private", "k1")
    others = {
        key_random(other, "private", "k1"),
        key_random(secret, "public", "k1"),
        key_random(secret, "private", "k2"),
    }
    assert len(others | {made}) == 4


def test_a_short_secret_makes_no_keys() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        key_random(b"short", "private", "k1")
