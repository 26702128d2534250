"""How much of a text was heard: exact with word times, estimated without, always at the end of a word."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.audio.heard import heard_characters

TEXT = "We are open from nine to five."


def word_starts(text: str, ms_per_word: float = 300.0) -> list[tuple[int, float]]:
    return [(word.end(), index * ms_per_word) for index, word in enumerate(re.finditer(r"\S+", text))]


def heard(shown: str, heard_ms: float, spoken: str | None = None, ms_per_word: float = 300.0) -> str:
    said = shown if spoken is None else spoken
    starts = word_starts(said, ms_per_word)
    count = heard_characters(
        shown=shown,
        spoken=said,
        heard_ms=heard_ms,
        audio_ms=len(starts) * ms_per_word,
        complete=True,
        word_starts=starts,
    )
    return shown[:count]


@pytest.mark.parametrize(
    ("heard_ms", "text"),
    [
        (0, ""),
        (100, ""),
        (299, "We"),
        (310, "We"),
        (600, "We are"),
        (1_000, "We are open"),
        (2_099, "We are open from nine to five."),
        (2_100, TEXT),
        (9_000, TEXT),
    ],
)
def test_with_word_times_the_cut_stands_after_the_last_word_heard(heard_ms: float, text: str) -> None:
    assert heard(TEXT, heard_ms) == text


@given(st.integers(0, 7), st.floats(0.51, 0.99))
def test_no_word_is_off_with_word_times(words: int, share_of_next: float) -> None:
    split = TEXT.split()
    expected = " ".join(split[:words])
    # Less than half of the next word was heard.
    assert heard(TEXT, words * 300 + 300 * (1 - share_of_next) * 0.99) == expected


def test_what_the_formatter_changed_is_carried_back_to_the_shown_text() -> None:
    shown = "That is $3.20 in total, thank you."
    spoken = "That is three dollars and twenty cents in total, thank you."
    assert heard(shown, 600, spoken) == "That is"
    assert heard(shown, 2_100, spoken) == "That is $3.20"
    assert heard(shown, 2_400, spoken) == "That is $3.20 in"


@given(st.text(alphabet="abc ,.", max_size=80), st.floats(0, 5_000), st.booleans())
def test_an_estimate_never_leaves_the_text_and_never_splits_a_word(text: str, heard_ms: float, complete: bool) -> None:
    count = heard_characters(
        shown=text, spoken=text, heard_ms=heard_ms, audio_ms=2_000, complete=complete, word_starts=()
    )
    assert 0 <= count <= len(text)
    assert count == 0 or count == len(text) or not text[count - 1 : count + 1].strip().isalnum() or text[count] == " "


@given(st.floats(1, 1_999), st.floats(1, 1_999))
def test_more_sound_is_never_less_text(one: float, other: float) -> None:
    low, high = sorted((one, other))

    def estimate(heard_ms: float) -> int:
        return heard_characters(
            shown=TEXT, spoken=TEXT, heard_ms=heard_ms, audio_ms=2_000, complete=True, word_starts=()
        )

    assert estimate(low) <= estimate(high)


@given(st.integers(1, 6))
def test_the_estimate_is_at_most_one_word_off_for_even_speech(words: int) -> None:
    end = [match.end() for match in re.finditer(r"\S+", TEXT)][words - 1]
    heard_ms = end * 60.0
    count = heard_characters(
        shown=TEXT, spoken=TEXT, heard_ms=heard_ms, audio_ms=len(TEXT) * 60.0, complete=True, word_starts=()
    )
    assert abs(len(TEXT[:count].split()) - words) <= 1


def test_while_the_length_of_the_audio_is_unknown_an_ordinary_pace_is_assumed() -> None:
    count = heard_characters(shown=TEXT, spoken=TEXT, heard_ms=200, audio_ms=200, complete=False, word_starts=())
    assert len(TEXT[:count].split()) <= 1
