"""What strangers' JSON may hold: everything that passes can be encoded, stored and read again."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.foreign_json import UnreadableJson, ends_in_half_a_character, joined_surrogates, read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec=None)), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_passes_survives_being_stored(value: object) -> None:
    try:
        read = read_json(json.dumps(value))
    except UnreadableJson:
        return
    assert msgspec.json.decode(msgspec.json.encode(read)) == read


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "nested"),
        ("[" * 65 + "]" * 65, "nested"),
        ('{"n": 123456789012345678901234567890}', "integer"),
        ('{"n": NaN}', "not JSON"),
        ('{"n": 1e999}', "not JSON"),
        (r'{"text": "\ud800"}', "not JSON"),
        (b'{"text": "\xff"}', "not JSON"),
        ("", "not JSON"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_words(text: bytes | str, problem: str) -> None:
    with pytest.raises(UnreadableJson, match=problem):
        read_json(text)


def test_halves_of_a_character_are_joined_and_lonely_ones_replaced() -> None:
    assert joined_surrogates("a\ud83d\ude00b") == "a😀b"
    assert joined_surrogates("a\ud83db\ude00").encode() == "a�b�".encode()
    assert ends_in_half_a_character("a\ud83d")
    assert not ends_in_half_a_character("a😀")
    assert not ends_in_half_a_character("")
