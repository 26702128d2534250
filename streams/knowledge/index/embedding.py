"""Texts as vectors without a trained model: hashed letter trigrams of words, and the things words stand for.

They forgive what exact words do not: spelling, endings, compounds, what a recogniser heard nearly right, and the
commonest different words for one thing. Vectors have unit length, so a dot product is the similarity.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.knowledge.index.terms import stem

DIMENSIONS: Final = 384

_TRIGRAM: Final = 0.25
_STEM: Final = 1.0
_THING: Final = 1.0

_THINGS_TEXT: Final = """
hours open close time schedule when
place address locate street where direction situate map
price cost charge fee expensive cheap rate amount much
pay payment card cash credit invoice bill
park garage car vehicle
child kid children son daughter baby minor
cancel cancellation abort withdraw terminate
insurance insure cover coverage policy
deliver delivery ship shipping arrive dispatch courier
book reserve reservation appointment booking slot
order purchase buy bought
refund return reimburse money-back repay
contact email mail phone telephone call reach
staff employee worker team personnel
bring document paper carry
job work employment vacancy career position
holiday vacation leave festive
pet dog cat animal
illness sick ill disease unwell
doctor physician dentist clinician
damage broken defect faulty break repair fix
warranty guarantee
discount reduction offer coupon cheaper saving
password login account sign
""".strip()
_THINGS: Final[dict[str, list[int]]] = {}
for _index, _line in enumerate(_THINGS_TEXT.splitlines()):
    for _word in _line.split():
        _THINGS.setdefault(stem(_word), []).append(_index)

Vectors = NDArray[np.float32]


def embed(texts: Iterable[Sequence[str]]) -> Vectors:
    """One row of unit length per text, given by its content words; a zero row where there is none."""
    rows = [_row(words) for words in texts]
    return np.stack(rows) if rows else np.zeros((0, DIMENSIONS), dtype=np.float32)


def _row(words: Sequence[str]) -> Vectors:
    if not words:
        return np.zeros(DIMENSIONS, dtype=np.float32)
    places, weights = [], []
    for word, count in Counter(words).items():
        own_places, own_weights = _features(word)
        places.append(own_places)
        # A word that is repeated says more, but not as often as it is repeated.
        weights.append(own_weights * (1 + log(count)))
    summed = np.bincount(np.concatenate(places), np.concatenate(weights), DIMENSIONS)
    length = float(np.linalg.norm(summed))
    row: Vectors = (summed / length if length else summed).astype(np.float32)
    return row


@lru_cache(maxsize=65_536)
def _features(word: str) -> tuple[NDArray[np.intp], Vectors]:
    padded, stemmed = f"^{word}$", stem(word)
    weighted = [(f"s:{stemmed}", _STEM)]
    weighted += [(f"t:{padded[at : at + 3]}", _TRIGRAM) for at in range(len(padded) - 2)]
    weighted += [(f"c:{thing}", _THING) for thing in _THINGS.get(stemmed, ())]
    digests = [zlib.crc32(feature.encode("utf-8", "surrogatepass")) for feature, _ in weighted]
    places = np.array([digest % DIMENSIONS for digest in digests], dtype=np.intp)
    signs = [1.0 if digest & 0x80000000 else -1.0 for digest in digests]
    return places, np.array(
        [sign * weight for sign, (_, weight) in zip(signs, weighted, strict=True)], dtype=np.float32
    )
