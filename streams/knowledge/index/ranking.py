"""Which pieces of several segments answer a question best: by the words they share (BM25), and by their vectors.

BM25 is Robertson and Zaragoza's "The Probabilistic Relevance Framework" (2009), with the document frequencies of all
segments together, so that it makes no difference how the text is spread over files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.knowledge.index.embedding import Vectors, embed
from streams.knowledge.index.segment import Segment
from streams.knowledge.index.terms import content_words, number, stem, trigrams

_K1: Final = 1.2
_B: Final = 0.6
_VECTOR_SHARE: Final = 0.35
"""Of the score; the rest is for the words."""
_SHORTEST_MISSPELT: Final = 5
"""Letters; shorter words are like too many others."""
_LEAST_LIKENESS: Final = 0.4
_LIKENESS_MARGIN: Final = 0.1
LEAST_SCORE: Final = 0.05
"""Below it a piece has nothing to do with the question."""

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Hit:
    """Piece ``piece`` of segment ``segment`` (both counted from 0); ``score`` is 0 to 1."""

    segment: int
    piece: int
    score: float


def rank(segments: Sequence[Segment], query: str, limit: int) -> list[Hit]:
    """The best pieces, best first; of equals the one that comes first in the files."""
    said = content_words(query)
    asked = Counter(stem(word) for word in said)
    if not asked or not segments:
        return []
    words = _spelled_as_in(segments, asked)
    terms = np.array(sorted(words), dtype=np.uint64)
    weights = np.array([words[int(term)] for term in terms], dtype=np.float32)
    places = [_places(segment.terms, segment.offsets, terms) for segment in segments]
    pieces = sum(len(segment) for segment in segments)
    frequency = np.sum([ends - starts for starts, ends in places], axis=0)
    rarity = np.log1p((pieces - frequency + 0.5) / (frequency + 0.5)).astype(np.float32) * weights
    mean_length = sum(float(segment.lengths.sum()) for segment in segments) / max(pieces, 1)
    most = float(rarity.sum()) * (_K1 + 1)
    vector = embed([said])[0]
    found: list[Hit] = []
    for index, segment in enumerate(segments):
        words_score = _bm25(segment, places[index], rarity, mean_length) / np.float32(most)
        scores = (1 - _VECTOR_SHARE) * words_score + _VECTOR_SHARE * _similarities(segment, vector)
        found += [Hit(index, int(piece), float(scores[piece])) for piece in _best(scores, limit)]
    found.sort(key=lambda hit: (-hit.score, hit.segment, hit.piece))
    return [hit for hit in found[:limit] if hit.score >= LEAST_SCORE]


def _spelled_as_in(segments: Sequence[Segment], asked: Mapping[str, int]) -> dict[int, float]:
    """The terms to look for with their weights: words that stand nowhere are looked for as those most like them."""
    wanted: dict[int, float] = {}
    for word, count in asked.items():
        term = number(word)
        known = len(word) < _SHORTEST_MISSPELT or any(_has(segment, term) for segment in segments)
        alike = {} if known else _alike(segments, word)
        for found, likeness in (alike or {term: 1.0}).items():
            wanted[found] = max(wanted.get(found, 0.0), count * likeness)
    return wanted


def _has(segment: Segment, term: int) -> bool:
    at = int(np.searchsorted(segment.terms, np.uint64(term)))
    return at < len(segment.terms) and int(segment.terms[at]) == term


def _alike(segments: Sequence[Segment], word: str) -> dict[int, float]:
    """The words of the segments that share most trigrams with this one, by Dice's coefficient."""
    own = trigrams(word)
    grams = np.array(sorted(number(gram) for gram in own), dtype=np.uint64)
    likeness: dict[int, float] = {}
    for segment in segments:
        starts, ends = _places(segment.grams, segment.gram_offsets, grams)
        sharing = [segment.gram_terms[start:end] for start, end in zip(starts, ends, strict=True)]
        shared = np.bincount(np.concatenate(sharing), minlength=len(segment.terms))
        dice = 2 * shared / (segment.term_sizes + len(own))
        for index in np.flatnonzero(dice >= _LEAST_LIKENESS):
            likeness[int(segment.terms[index])] = float(dice[index])
    best = max(likeness.values(), default=0.0)
    return {term: dice for term, dice in likeness.items() if dice >= best - _LIKENESS_MARGIN}


def _places(
    keys: NDArray[np.uint64], offsets: NDArray[np.uint32], wanted: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the entries of each wanted key begin and end; empty for keys that are not there."""
    if not len(keys):
        nowhere = np.zeros(len(wanted), dtype=np.int64)
        return nowhere, nowhere
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    known = keys[at] == wanted
    starts = offsets[at].astype(np.int64)
    return starts, np.where(known, offsets[at + 1], offsets[at]).astype(np.int64)


def _bm25(
    segment: Segment, places: tuple[NDArray[np.int64], NDArray[np.int64]], rarity: Scores, mean_length: float
) -> Scores:
    scores = np.zeros(len(segment), dtype=np.float32)
    damping = np.float32(_K1) * (1 - _B + _B * segment.lengths / np.float32(max(mean_length, 1.0)))
    for start, end, weight in zip(*places, rarity, strict=True):
        pieces, counts = segment.pieces[start:end], segment.counts[start:end]
        scores[pieces] += weight * counts * (_K1 + 1) / (counts + damping[pieces])
    return scores


def _similarities(segment: Segment, vector: Vectors) -> Scores:
    similarities: Scores = segment.vectors @ vector
    return np.maximum(similarities, 0)


def _best(scores: Scores, limit: int) -> NDArray[np.intp]:
    if len(scores) <= limit:
        return np.arange(len(scores))
    # Of equal scores argpartition picks any; a stable sort of those at and above the last place picks the first.
    threshold = np.partition(scores, -limit)[-limit]
    candidates = np.flatnonzero(scores >= threshold)
    return candidates[np.argsort(-scores[candidates], kind="stable")][:limit]
