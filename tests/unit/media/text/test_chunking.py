"""How the model's text is cut for the voice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.text.chunking import LONGEST_PIECE, ChunkBuffer, ChunkPlan, feed, flush


def cut(plan: ChunkPlan, *tokens: str) -> list[str]:
    buffer, pieces = ChunkBuffer(), []
    for token in tokens:
        buffer, made = feed(plan, buffer, token)
        pieces += made
    rest = flush(plan, buffer)
    return [*pieces, rest] if rest else pieces


EVEN = ChunkPlan(min_characters=10, first_min_characters=10)


@pytest.mark.parametrize(
    ("tokens", "pieces"),
    [
        (["Good morning, ", "how are you?"], ["Good morning, ", "how are you?"]),
        (["Hi, ", "how are you today? ", "Fine."], ["Hi, how are you today? ", "Fine."]),
        (["No boundary at all here"], ["No boundary at all here"]),
        (["It costs exactly 3", ".", "20 dollars today. ", "Ok?"], ["It costs exactly 3.20 dollars today. ", "Ok?"]),
        (["It is exactly 3", ".", " Next one."], ["It is exactly 3. ", "Next one."]),
        (["He said “certainly.” ", "Then left."], ["He said “certainly.” ", "Then left."]),
        (["明日は晴れるでしょう。それから雨です。"], ["明日は晴れるでしょう。", "それから雨です。"]),
        (["Short. <flush />Then ", "more."], ["Short. ", "Then more."]),
        (["Short. < FL", "USH /", ">Then more."], ["Short. ", "Then more."]),
        (["Short.</flush>", "Then"], ["Short.", "Then"]),
        (['Wait a bit <break time="1.5s"/> then go. ', "Yes."], ['Wait a bit <break time="1.5s"/> then go. ', "Yes."]),
        (["Write to john@mail", ".", "example now. Ok"], ["Write to john@mail.example now. ", "Ok"]),
    ],
)
def test_pieces(tokens: list[str], pieces: list[str]) -> None:
    assert cut(EVEN, *tokens) == pieces


def test_the_first_clause_may_be_short() -> None:
    plan = ChunkPlan()
    assert cut(plan, "Good morning! ", "How are you? I am well, ", "thank you very much.")[0] == "Good morning! "


def test_the_minimum_holds_for_every_piece_where_it_was_chosen() -> None:
    plan = ChunkPlan(min_characters=40, first_min_characters=40)
    pieces = cut(plan, "Good morning! How are you? I am well, thank you very much. And how is your family?")
    assert all(len(piece) >= 40 for piece in pieces[:-1])


def test_own_boundaries() -> None:
    plan = ChunkPlan(min_characters=1, first_min_characters=1, boundaries=frozenset("|"))
    assert cut(plan, "one. two| three") == ["one. two| ", "three"]


def test_switched_off_passes_tokens_on() -> None:
    assert cut(ChunkPlan(enabled=False), "a", "b <flush />", "") == ["a", "b <flush />"]


@given(
    st.lists(st.text(alphabet="ab1 .,!?<>/@\n", max_size=12), max_size=20),
    st.integers(1, 80),
    st.integers(1, 80),
)
def test_pieces_concatenate_to_the_text(tokens: list[str], minimum: int, first: int) -> None:
    plan = ChunkPlan(min_characters=minimum, first_min_characters=first)
    assert "".join(cut(plan, *tokens)) == "".join(tokens)


@given(st.lists(st.sampled_from(["One. ", "two, ", "<flush />", "three! ", " "]), max_size=12))
def test_flush_marks_vanish_and_nothing_else(tokens: list[str]) -> None:
    pieces = cut(ChunkPlan(), *tokens)
    assert "".join(pieces) == "".join(tokens).replace("<flush />", "")


@pytest.mark.parametrize("plan", [ChunkPlan(), ChunkPlan(enabled=False)])
@pytest.mark.parametrize("text", ["a" * 5_000, "word " * 1_000, "3." * 3_000, "<" * 2_000])
def test_text_without_boundaries_is_cut_all_the_same(plan: ChunkPlan, text: str) -> None:
    pieces = cut(plan, text)
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= LONGEST_PIECE


def test_the_cut_is_at_a_space_where_there_is_one() -> None:
    assert all(piece.endswith("word ") for piece in cut(ChunkPlan(), "word " * 1_000))
