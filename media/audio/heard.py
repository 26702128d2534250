"""What part of a text a listener has heard when its audio stops: exact with word times, estimated without.

Two texts are in play: the one history shows and the one the voice was given after formatting ("$3" and "three
dollars"). Word times refer to the second; history is cut in the first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

_WORD = re.compile(r"\S+")
_SPOKEN_MS_PER_CHARACTER = 65.0
"""Ordinary speech is about 15 characters a second; used only while the length of a chunk is not known yet."""


def heard_characters(
    *,
    shown: str,
    spoken: str,
    heard_ms: float,
    audio_ms: float,
    complete: bool,
    word_starts: Sequence[tuple[int, float]],
) -> int:
    """How many characters of ``shown`` had been heard after ``heard_ms`` of the chunk's audio.

    ``audio_ms`` is how much of its audio exists, ``complete`` whether that is all. ``word_starts`` are pairs of the
    word's end in ``spoken`` and the instant it begins to sound. The result stands at the end of a word. A word
    counts once half of it was heard.
    """
    if heard_ms <= 0:
        return 0
    if complete and heard_ms >= audio_ms:
        return len(shown)
    if word_starts:
        spoken_end = _spoken_end(word_starts, heard_ms, audio_ms)
        return _shown_end(shown, spoken, spoken_end)
    length_ms = audio_ms if complete else max(audio_ms, len(spoken) * _SPOKEN_MS_PER_CHARACTER)
    return _nearest_word_end(shown, len(shown) * heard_ms / length_ms) if length_ms > 0 else 0


def _spoken_end(word_starts: Sequence[tuple[int, float]], heard_ms: float, audio_ms: float) -> int:
    end = 0
    for index, (end_char, start_ms) in enumerate(word_starts):
        next_ms = word_starts[index + 1][1] if index + 1 < len(word_starts) else max(audio_ms, start_ms)
        if heard_ms < start_ms + (next_ms - start_ms) / 2 or heard_ms <= start_ms:
            break
        end = end_char
    return end


def _shown_end(shown: str, spoken: str, spoken_end: int) -> int:
    """Carry a word boundary of the spoken text over to the shown one, word by word."""
    if shown == spoken:
        return spoken_end
    shown_words = list(_WORD.finditer(shown))
    spoken_words = list(_WORD.finditer(spoken))
    heard_words = sum(1 for word in spoken_words if word.end() <= spoken_end)
    if heard_words == 0 or not shown_words:
        return 0
    matcher = SequenceMatcher(
        None, [word.group().lower() for word in spoken_words], [word.group().lower() for word in shown_words], False
    )
    shown_count = 0
    for tag, spoken_from, spoken_to, shown_from, shown_to in matcher.get_opcodes():
        if heard_words <= spoken_from:
            break
        if tag == "equal":
            shown_count = shown_from + min(heard_words, spoken_to) - spoken_from
        else:
            share = (min(heard_words, spoken_to) - spoken_from) / max(1, spoken_to - spoken_from)
            shown_count = shown_from + round((shown_to - shown_from) * share)
    return shown_words[shown_count - 1].end() if shown_count else 0


def _nearest_word_end(text: str, characters: float) -> int:
    ends = [0, *(word.end() for word in _WORD.finditer(text))]
    return min(ends, key=lambda end: abs(end - characters))
