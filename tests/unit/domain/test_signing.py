"""URL tokens: only what was signed passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.signing import call_token, check_download, download_signature, is_call_token

SECRET = b"0123456789abcdef0123456789abcdef"
TEXT = st.text(max_size=20)


@given(call_id=TEXT, other=TEXT)
def test_a_token_opens_one_call_for_one_purpose_under_one_secret(call_id: str, other: str) -> None:
    token = call_token(SECRET, call_id, "listen")
    assert is_call_token(SECRET, call_id, "listen", token)
    assert is_call_token(SECRET, other, "listen", token) == (other == call_id)
    assert not is_call_token(SECRET, call_id, "control", token)
    assert not is_call_token(SECRET[::-1], call_id, "listen", token)


@given(presented=st.text())
def test_guesses_fail_without_an_error(presented: str) -> None:
    assert not is_call_token(SECRET, "call", "transport", presented)


def test_a_token_fits_into_a_path() -> None:
    token = call_token(SECRET, "call", "transport")
    assert len(token) == 43
    assert token.replace("-", "").replace("_", "").isalnum()


@given(first=TEXT, second=TEXT)
def test_parts_do_not_run_into_each_other(first: str, second: str) -> None:
    joined = download_signature(SECRET, first + second, 5)
    assert (joined == download_signature(SECRET, first, 5)) == (second == "")


def test_a_download_link_is_valid_until_it_expires() -> None:
    signature = download_signature(SECRET, "/artifact/a/mono", 1000)
    assert check_download(SECRET, "/artifact/a/mono", 1000, signature, now=999) == "valid"
    assert check_download(SECRET, "/artifact/a/mono", 1000, signature, now=1000) == "expired"
    assert check_download(SECRET, "/artifact/a/mono", 2000, signature, now=1000) == "forged"
    assert check_download(SECRET, "/artifact/b/mono", 1000, signature, now=999) == "forged"


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="signing secret has 5 bytes"):
        call_token(b"short", "call", "listen")
