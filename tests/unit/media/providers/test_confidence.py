"""How sure the recogniser is of what it heard, and what that rests on."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("pocketsphinx", reason="needs the extra callfold[embedded]")

from media.providers.local.decoder import UNDERSTOOD_CONFIDENCE, Hypothesis, Segment, confidence


def hypothesis(score: float = -0.35, order: float = 2.8, posterior: float = 0.9) -> Hypothesis:
    words = tuple(Segment(word, at * 300.0, at * 300.0 + 300, posterior) for at, word in enumerate(("yes", "please")))
    return Hypothesis("yes please", score, order, words)


def test_words_that_fit_the_sound_and_the_language_are_understood() -> None:
    assert confidence(hypothesis()) > 0.95


@pytest.mark.parametrize(
    "worse",
    [
        hypothesis(score=-0.75),
        hypothesis(order=1.5, posterior=0.6),
        hypothesis(score=-0.5, order=2.2, posterior=0.4),
        hypothesis(score=-math.inf),
        Hypothesis("", -0.3, 2.8, ()),
    ],
)
def test_words_that_do_not_are_not(worse: Hypothesis) -> None:
    assert 0.0 <= confidence(worse) < UNDERSTOOD_CONFIDENCE


def test_each_sign_counts() -> None:
    sure = confidence(hypothesis(-0.45, 2.4, 0.7))
    assert confidence(hypothesis(-0.50, 2.4, 0.7)) < sure
    assert confidence(hypothesis(-0.45, 2.2, 0.7)) < sure
    assert confidence(hypothesis(-0.45, 2.4, 0.5)) < sure
