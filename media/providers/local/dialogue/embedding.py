"""Sentences as vectors without a trained model: hashed words, their stems and concepts, and letter trigrams.

Words carry the meaning, a small thesaurus joins words that callers use for the same thing, and trigrams forgive what a
recogniser gets nearly right. Vectors have unit length, so a dot product is the similarity.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 2048

_WORD_WEIGHT = 1.0
_CONCEPT_WEIGHT = 1.2
_TRIGRAM_WEIGHT = 0.18
_COMMON_WORD_WEIGHT = 0.12

_COMMON_TEXT = """
a about am an and any are as at be been but by can could did do does for from get go had has have he her here him his
how i i'd i'm if in is it it's its just let like may me might more my no not of off on one or our out please she should
so some something tell than that that's the their them there they this to up us was we well were what what's when where
which who will with would yes you your okay hello hi want need know say there's
"""
_COMMON = frozenset(_COMMON_TEXT.split())

_CONCEPTS_TEXT = """
hours: hours open opens opening close closes closing closed
place: address located location street where directions situated
price: price prices cost costs much charge charges fee fees expensive cheap dollars euros rate rates pricing
payment: pay paying payment payments card cash credit invoice
parking: park parking car garage
child: child children kid kids son daughter baby
pain: pain hurt hurts hurting ache aches aching toothache sore emergency emergencies urgent urgently
cancel: cancel cancels cancelling cancellation cancelled
insurance: insurance insured insurer
delivery: deliver delivers delivery delivered shipping ship shipped arrive arrives arrival
transit: bus buses train tram subway metro station transport
free: free available availability vacant opening openings slot slots
book: book booking bookings reserve reservation reservations appointment appointments schedule meeting
order: order orders purchase package parcel
refund: refund refunds return returns money-back
contact: email mail phone telephone contact reach
staff: who doctor doctors dentist dentists team staff
bring: bring bringing documents papers
new: new newcomer first-time
person: person human agent someone somebody representative operator
"""
_CONCEPTS: dict[str, list[str]] = {}
for _line in _CONCEPTS_TEXT.strip().splitlines():
    _concept, _, _words = _line.partition(":")
    for _word in _words.split():
        _CONCEPTS.setdefault(_word, []).append(_concept)

_SUFFIXES = ("'s", "ings", "ing", "ies", "es", "ed", "s")
_MIN_STEM = 3

Vector = NDArray[np.float32]


def stem(word: str) -> str:
    """``word`` without its commonest endings; crude, but the same for both sides of a comparison."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _MIN_STEM and not word.endswith("ss"):
            return word[: -len(suffix)] + ("y" if suffix == "ies" else "")
    return word


def content_words(text: str) -> list[str]:
    """Words of ``text`` that carry meaning (``text`` is lower-case spoken words)."""
    return [word for word in text.split() if word not in _COMMON]


def shares_meaning(text: str, other: str) -> bool:
    """Whether the two have a content word or a concept in common."""
    return bool(_meanings(text) & _meanings(other))


@lru_cache(maxsize=4096)
def embed(text: str) -> Vector:
    """The unit vector of lower-case spoken words; the zero vector when there are none. Do not change it in place."""
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    for word in text.split():
        common = word in _COMMON
        _add(vector, f"w:{stem(word)}", _COMMON_WORD_WEIGHT if common else _WORD_WEIGHT)
        for concept in _CONCEPTS.get(word, ()):
            _add(vector, f"c:{concept}", _CONCEPT_WEIGHT)
        if not common:
            padded = f"^{word}$"
            for at in range(len(padded) - 2):
                _add(vector, f"t:{padded[at : at + 3]}", _TRIGRAM_WEIGHT)
    length = float(np.linalg.norm(vector))
    return vector / np.float32(length) if length else vector


def embed_all(texts: Sequence[str]) -> NDArray[np.float32]:
    """One row per text."""
    if not texts:
        return np.zeros((0, DIMENSIONS), dtype=np.float32)
    return np.stack([embed(text) for text in texts])


def _meanings(text: str) -> set[str]:
    words = content_words(text)
    return {stem(word) for word in words} | set(_concepts(words))


def _concepts(words: Iterable[str]) -> Iterable[str]:
    for word in words:
        for concept in _CONCEPTS.get(word, ()):
            yield f"c:{concept}"


def _add(vector: Vector, feature: str, weight: float) -> None:
    digest = zlib.crc32(feature.encode())
    sign = 1.0 if digest & 0x80000000 else -1.0
    vector[digest % DIMENSIONS] += np.float32(sign * weight)
