"""The checker itself: it passes what a correct log did, and names every kind of broken word."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.history import Claimed, Ended, Held, HistoryFile, Invoked, Step, check, read_history, silences


def sent(commit_id: str, *claims: Claimed) -> Invoked:
    return Invoked(commit_id, claims)


def held(commit_id: str, *claims: Claimed) -> list[Held]:
    return [Held(commit_id, claim.originator_id, claim.version, claim.content) for claim in claims]


FIRST, SECOND = Claimed("a", 1, "x"), Claimed("a", 2, "y")
GOOD_HISTORY: list[Step] = [
    sent("c1", FIRST),
    Ended("c1", "ok", (FIRST,)),
    sent("c2", SECOND),
    Ended("c2", "ok", (SECOND,)),
    sent("zombie", Claimed("a", 2, "z")),
    Ended("zombie", "fail", detail="version 2 is taken"),
    sent("lost", Claimed("a", 3, "w")),
    Ended("lost", "unknown"),
]
GOOD_LOG = [*held("c1", FIRST), *held("c2", SECOND)]


def test_a_log_that_kept_its_word_has_no_violations() -> None:
    judgement = check(GOOD_HISTORY, GOOD_LOG)
    assert judgement.violations == ()
    assert (judgement.tally.acknowledged, judgement.tally.refused, judgement.tally.unknown) == (2, 1, 1)


def test_an_unknown_outcome_may_turn_out_either_way() -> None:
    judgement = check(GOOD_HISTORY, [*GOOD_LOG, *held("lost", Claimed("a", 3, "w"))])
    assert judgement.violations == ()
    assert judgement.tally.settled == 1


def test_an_append_without_any_end_counts_as_unknown() -> None:
    judgement = check([sent("cut", FIRST)], [])
    assert (judgement.tally.unknown, judgement.violations) == (1, ())


@pytest.mark.parametrize(
    ("history", "log", "named"),
    [
        (GOOD_HISTORY, GOOD_LOG[:1], "c2 was acknowledged and is lost"),
        (GOOD_HISTORY, [GOOD_LOG[0], *held("c2", Claimed("a", 2, "q"))], "was to be"),
        (GOOD_HISTORY, [*GOOD_LOG, *held("zombie", Claimed("a", 3, "z"))], "zombie was refused"),
        (GOOD_HISTORY, [*GOOD_LOG, *held("c1", FIRST)], "version 1 was accepted twice"),
        (GOOD_HISTORY, [*GOOD_LOG, *held("ghost", Claimed("a", 3, "b"))], "ghost is on the log, but nobody sent it"),
        (GOOD_HISTORY, [*GOOD_LOG, *held("lost", Claimed("a", 4, "w"))], "lacks version 3"),
        ([*GOOD_HISTORY, Ended("c1", "fail", detail="late")], GOOD_LOG, "both acknowledged and refused"),
        ([*GOOD_HISTORY, Ended("c1", "ok", (SECOND,))], GOOD_LOG, "acknowledged twice and differently"),
        (
            [sent("pair", FIRST, SECOND), Ended("pair", "ok", (FIRST, SECOND))],
            held("pair", FIRST),
            "the log holds a@1='x'",
        ),
    ],
)
def test_every_broken_word_is_named(history: list[Step], log: list[Held], named: str) -> None:
    assert any(named in violation for violation in check(history, log).violations)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=30), st.data())
def test_whatever_single_event_is_taken_from_the_log_is_missed(originators: list[str], data: st.DataObject) -> None:
    heads: dict[str, int] = {}
    history: list[Step] = []
    log: list[Held] = []
    for number, originator in enumerate(originators):
        heads[originator] = heads.get(originator, 0) + 1
        claim = Claimed(originator, heads[originator], str(number))
        history += [sent(f"c{number}", claim), Ended(f"c{number}", "ok", (claim,))]
        log += held(f"c{number}", claim)
    assert check(history, log).violations == ()
    taken = data.draw(st.integers(0, len(log) - 1))
    assert check(history, log[:taken] + log[taken + 1 :]).violations != ()


def test_a_line_that_a_kill_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    history = HistoryFile(path)
    for step in GOOD_HISTORY:
        history.write(step)
    history.close()
    with path.open("ab") as file:
        file.write(b'{"type":"invoke","comm')
    assert list(read_history([path])) == GOOD_HISTORY


def test_after_each_fault_the_longest_silence_is_told() -> None:
    history: list[Step] = [Ended(f"c{at_s}", "ok", at_s=at_s) for at_s in (0.5, 1.5, 5.0, 11.0, 12.0)]
    history.append(Ended("refused", "fail", at_s=3.0))
    assert silences(history, [1.0, 10.0]) == (3.5, 1.0)
    assert silences(history, [1.0, 10.0, 20.0])[-1] == inf
