"""Given parked events, then their order, their fate and their memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from domain.log.ports import LogUnavailable
from domain.log.position import Position
from domain.processing import DeadLetter
from streams.processing.dead_letters import DeadLetters, NoSuchLetter


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dead.db"


@pytest.fixture
def letters(path: Path) -> Iterator[DeadLetters]:
    opened = DeadLetters(path)
    yield opened
    opened.close()


def letter(ordinal: int, originator_id: str = "call-1", processor: str = "costs", reason: str = "broken") -> DeadLetter:
    return DeadLetter(
        processor=processor, originator_id=originator_id, position=Position(0, ordinal), reason=reason, attempt=1
    )


def test_letters_are_listed_in_the_order_of_the_log(letters: DeadLetters) -> None:
    letters.park([letter(9), letter(4, "call-2")])
    letters.park([letter(7, processor="turns")])
    assert [found.position.ordinal for found in letters.list()] == [4, 7, 9]
    assert letters.list("costs") == [letter(4, "call-2"), letter(9)]
    assert letters.list("costs", "call-1") == [letter(9)]


def test_an_originator_is_blocked_from_its_first_letter_on_and_nobody_else(letters: DeadLetters) -> None:
    letters.park([letter(9), letter(12)])
    assert not letters.blocks("costs", "call-1", Position(0, 8))
    assert letters.blocks("costs", "call-1", Position(0, 9))
    assert letters.blocks("costs", "call-1", Position(0, 40))
    assert not letters.blocks("costs", "call-2", Position(0, 40))
    assert not letters.blocks("turns", "call-1", Position(0, 40))


def test_a_replayed_range_does_not_change_what_is_parked(letters: DeadLetters) -> None:
    letters.park([letter(9)])
    tried = letters.fail_again(letter(9), "still broken")
    letters.park([letter(9, reason="waits")])
    assert letters.list() == [tried]
    assert (tried.reason, tried.attempt) == ("still broken", 2)


def test_what_cannot_be_recorded_is_worth_another_try(path: Path, letters: DeadLetters) -> None:
    with closing(sqlite3.connect(path)) as another:
        another.execute("ALTER TABLE dead_letters RENAME TO away")
        with pytest.raises(LogUnavailable, match="what is parked cannot be recorded"):
            letters.park([letter(9)])
        another.execute("ALTER TABLE away RENAME TO dead_letters")
    letters.park([letter(9)])
    assert letters.list() == [letter(9)]


def test_a_settled_letter_is_gone(letters: DeadLetters) -> None:
    letters.park([letter(9), letter(12)])
    letters.settle(letter(9))
    assert letters.list() == [letter(12)]
    assert not letters.blocks("costs", "call-1", Position(0, 9))


def test_a_dropped_letter_is_passed_over_for_ever_and_blocks_no_more(letters: DeadLetters, path: Path) -> None:
    letters.park([letter(9), letter(12)])
    letters.drop("costs", Position(0, 9))
    reopened = DeadLetters(path)
    try:
        for known in (letters, reopened):
            assert known.is_dropped("costs", Position(0, 9))
            assert not known.is_dropped("turns", Position(0, 9))
            assert known.list() == [letter(12)]
            assert known.blocks("costs", "call-1", Position(0, 12))
    finally:
        reopened.close()


def test_letters_outlive_the_process(letters: DeadLetters, path: Path) -> None:
    letters.park([letter(9)])
    reopened = DeadLetters(path)
    try:
        assert reopened.show("costs", Position(0, 9)) == letter(9)
        assert reopened.blocks("costs", "call-1", Position(0, 10))
    finally:
        reopened.close()


def test_an_unknown_letter_is_named(letters: DeadLetters) -> None:
    with pytest.raises(NoSuchLetter, match="costs has no parked event at 0:3"):
        letters.show("costs", Position(0, 3))
    with pytest.raises(NoSuchLetter):
        letters.drop("costs", Position(0, 3))
