"""Pieces of a text: nothing is lost, none is too long, and each knows its headings and its page."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.knowledge.index.chunking import MOST_CHARACTERS, OVERLAP_CHARACTERS, chunks

SENTENCE = "The cleaning takes an hour and costs ninety dollars at our place. "

texts = st.lists(
    st.one_of(
        st.text(max_size=40),
        st.sampled_from(
            ["# Prices\n", "## Cleaning\n", "\n\n", "\f", ". ", "?! ", "\n", SENTENCE, "。", "#not\n", " \t "]
        ),
        st.integers(100, 4000).map(lambda length: "x" * length),
        st.integers(5, 60).map(lambda count: SENTENCE * count),
    ),
    max_size=25,
).map("".join)


@settings(max_examples=150, deadline=None)
@given(texts)
def test_every_character_stands_in_a_piece_and_no_piece_is_too_long(text: str) -> None:
    made = chunks(text)
    covered = bytearray(len(text))
    for chunk in made:
        assert 0 < chunk.end - chunk.start <= MOST_CHARACTERS
        covered[chunk.start : chunk.end] = b"\x01" * (chunk.end - chunk.start)
    assert all(seen or character.isspace() for seen, character in zip(covered, text, strict=True))
    for before, after in pairwise(made):
        assert before.start < after.start
        assert before.end < after.end
        assert before.end - after.start <= OVERLAP_CHARACTERS


@settings(max_examples=50, deadline=None)
@given(texts)
def test_a_text_is_always_cut_the_same_way(text: str) -> None:
    assert chunks(text) == chunks(text)


def test_pieces_end_with_sentences_and_the_next_one_repeats_the_last() -> None:
    text = SENTENCE * 60
    made = chunks(text)
    assert len(made) > 3
    for chunk in made:
        assert text[chunk.start : chunk.end].startswith("The cleaning")
        assert text[chunk.start : chunk.end].endswith("place.")
    for before, after in pairwise(made):
        assert text[after.start : before.end] == " ".join([SENTENCE.strip()] * 2)


def test_a_piece_stands_under_its_headings() -> None:
    text = "# Clinic\n\nWelcome.\n\n## Prices\n\nCleaning: 90.\n\n### Children\n\nFree.\n\n## Hours\n\nNine to five."
    found = [(chunk.heading, text[chunk.start : chunk.end]) for chunk in chunks(text)]
    assert found == [
        ("Clinic", "# Clinic\n\nWelcome."),
        ("Clinic > Prices", "## Prices\n\nCleaning: 90."),
        ("Clinic > Prices > Children", "### Children\n\nFree."),
        ("Clinic > Hours", "## Hours\n\nNine to five."),
    ]


def test_headings_that_follow_each_other_stay_together() -> None:
    text = "# Clinic\n\n## Prices\n\nCleaning: 90."
    assert [(chunk.heading, chunk.start, chunk.end) for chunk in chunks(text)] == [("Clinic > Prices", 0, len(text))]


def test_a_piece_is_on_the_page_that_it_is_cited_with() -> None:
    pages = ["First page.", "Second page, which goes on", "and ends on the third. Third page."]
    text = "\f".join(pages)
    found = [(chunk.page, text[chunk.start : chunk.end]) for chunk in chunks(text)]
    assert found == [(1, pages[0]), (2, pages[1]), (3, pages[2])]
