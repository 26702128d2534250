"""How well questions find their answers, and that it makes no difference how the text is spread over files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streams.knowledge.index.ranking import rank
from streams.knowledge.index.segment import SegmentUnreadable, build, load, save
from tests.unit.streams.knowledge.handbook import QUESTIONS, SECTIONS, UNANSWERED, Wording, handbook


def recall(wording: Wording, within: int) -> float:
    """The share of questions whose section is among the first ``within`` pieces."""
    segment = build(handbook())
    asked = [(question, section) for kind, question, section in QUESTIONS if kind == wording]
    found = [
        any(segment.heading(hit.piece).endswith(section) for hit in rank([segment], question, within))
        for question, section in asked
    ]
    return sum(found) / len(found)


@pytest.mark.parametrize(
    ("wording", "first", "among_five"), [("same", 1.0, 1.0), ("other", 0.45, 0.6), ("wrong", 0.8, 0.85)]
)
def test_questions_find_their_answers(wording: Wording, first: float, among_five: float) -> None:
    assert recall(wording, 1) >= first
    assert recall(wording, 5) >= among_five


@pytest.mark.parametrize("question", UNANSWERED)
def test_what_nothing_is_said_about_is_not_found(question: str) -> None:
    assert rank([build(handbook())], question, 5) == []


@pytest.mark.parametrize("question", ["", "?!", "   "])
def test_a_question_without_words_finds_nothing(question: str) -> None:
    assert rank([build(handbook())], question, 5) == []


def test_it_makes_no_difference_how_text_is_spread_over_files() -> None:
    parts = [f"# {name}\n\n{text}" for name, text in SECTIONS.items()]
    together, apart = build("\n\n".join(parts)), [build(part) for part in parts]
    for _, question, _ in QUESTIONS:
        one = [(together.heading(hit.piece), round(hit.score, 4)) for hit in rank([together], question, 5)]
        many = [(apart[hit.segment].heading(hit.piece), round(hit.score, 4)) for hit in rank(apart, question, 5)]
        assert one == many


def test_a_segment_is_the_same_after_it_was_kept(tmp_path: Path) -> None:
    text = "# Größe\n\nDie Größe beträgt 5 €.\f日本語のテキスト。 Ends here."
    made = build(text)
    save(made, tmp_path / "a.npz")
    save(build(text), tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    kept = load(tmp_path / "a.npz")
    assert [kept.piece(index) for index in range(len(kept))] == [made.piece(index) for index in range(len(made))]
    assert kept.piece(0) == "# Größe\n\nDie Größe beträgt 5 €."
    assert [kept.page(index) for index in range(len(kept))] == [1, 2]
    assert np.allclose(kept.vectors, made.vectors, atol=1e-3)
    assert [hit.piece for hit in rank([kept], "日本語", 1)] == [1]


def test_a_damaged_segment_is_told_apart_from_a_missing_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.npz")
    for content in (b"", b"PK\x03\x04 nothing", b"text"):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(SegmentUnreadable):
            load(tmp_path / "bad.npz")
