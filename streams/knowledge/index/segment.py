"""The index of one text as arrays: pieces, postings of their words, vectors. A file that can be made again any time."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.knowledge.index.chunking import chunks
from streams.knowledge.index.embedding import Vectors, embed
from streams.knowledge.index.terms import content_words, number, stem, trigrams

FORMAT: Final = 1
"""Of the arrays and of everything that decides what stands in them; raised, every index is made anew."""

_HEADING_COUNT: Final = 2
"""How often a word of the heading above a piece counts as if it stood in it."""


class SegmentUnreadable(Exception):
    """The file is no segment of this format, or is damaged. Make it again from the text."""


@dataclass(frozen=True, eq=False)
class Segment:
    """``postings`` of term ``i`` are ``pieces[offsets[i]:offsets[i + 1]]`` with as many ``counts``; ``terms`` ascend.

    Trigram ``j`` of ``grams`` (ascending too) stands in the words ``gram_terms[gram_offsets[j]:gram_offsets[j + 1]]``,
    which index ``terms``; ``term_sizes`` counts the trigrams of each word.

    ``starts`` and ``ends`` are bytes of ``text`` (UTF-8), ``lengths`` words, ``pages`` count from 1 and are 0 where the
    text has no pages.
    """

    text: bytes
    starts: NDArray[np.uint32]
    ends: NDArray[np.uint32]
    pages: NDArray[np.uint32]
    heading_of: NDArray[np.uint32]
    headings: tuple[str, ...]
    lengths: NDArray[np.float32]
    terms: NDArray[np.uint64]
    offsets: NDArray[np.uint32]
    pieces: NDArray[np.uint32]
    counts: NDArray[np.float32]
    grams: NDArray[np.uint64]
    gram_offsets: NDArray[np.uint32]
    gram_terms: NDArray[np.uint32]
    term_sizes: NDArray[np.uint32]
    vectors: Vectors

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def size_bytes(self) -> int:
        """About what it takes in memory."""
        return len(self.text) + self.vectors.nbytes + self.pieces.nbytes + self.counts.nbytes + self.terms.nbytes

    def piece(self, index: int) -> str:
        """The text of a piece."""
        start, end = int(self.starts[index]), int(self.ends[index])
        return self.text[start:end].decode()

    def heading(self, index: int) -> str:
        """The path of headings above a piece."""
        return self.headings[int(self.heading_of[index])]

    def page(self, index: int) -> int | None:
        """The page that a piece begins on, where there are pages."""
        return int(self.pages[index]) or None


def build(text: str) -> Segment:
    """Index a text. The same text gives the same arrays."""
    cut = chunks(text)
    paged = "\f" in text
    headings = tuple(dict.fromkeys(["", *(chunk.heading for chunk in cut)]))
    heading_numbers = {heading: index for index, heading in enumerate(headings)}
    edges = _byte_offsets(text, sorted({edge for chunk in cut for edge in (chunk.start, chunk.end)}))
    above = {heading: content_words(heading) for heading in headings}
    inside = [content_words(text[chunk.start : chunk.end]) for chunk in cut]
    counted = [_counted(words, above[chunk.heading]) for words, chunk in zip(inside, cut, strict=True)]
    stems = {number(stem(word)): stem(word) for words in (*inside, *above.values()) for word in words}
    postings: dict[int, list[tuple[int, int]]] = {}
    for index, counts in enumerate(counted):
        for term, count in counts.items():
            postings.setdefault(term, []).append((index, count))
    terms = sorted(postings)
    flat = [posting for term in terms for posting in postings[term]]
    shared: dict[int, list[int]] = {}
    for index, term in enumerate(terms):
        for gram in sorted(trigrams(stems[term])):
            shared.setdefault(number(gram), []).append(index)
    grams = sorted(shared)
    return Segment(
        text=text.encode(),
        starts=np.array([edges[chunk.start] for chunk in cut], dtype=np.uint32),
        ends=np.array([edges[chunk.end] for chunk in cut], dtype=np.uint32),
        pages=np.array([chunk.page if paged else 0 for chunk in cut], dtype=np.uint32),
        heading_of=np.array([heading_numbers[chunk.heading] for chunk in cut], dtype=np.uint32),
        headings=headings,
        lengths=np.array([counts.total() for counts in counted], dtype=np.float32),
        terms=np.array(terms, dtype=np.uint64),
        offsets=np.cumsum([0, *(len(postings[term]) for term in terms)], dtype=np.uint32),
        pieces=np.array([piece for piece, _ in flat], dtype=np.uint32),
        counts=np.array([count for _, count in flat], dtype=np.float32),
        grams=np.array(grams, dtype=np.uint64),
        gram_offsets=np.cumsum([0, *(len(shared[gram]) for gram in grams)], dtype=np.uint32),
        gram_terms=np.array([index for gram in grams for index in shared[gram]], dtype=np.uint32),
        term_sizes=np.array([len(trigrams(stems[term])) for term in terms], dtype=np.uint32),
        vectors=embed([*above[chunk.heading], *words] for words, chunk in zip(inside, cut, strict=True)),
    )


def save(segment: Segment, path: Path) -> None:
    """Write it under ``path``, byte for byte the same for the same segment."""
    with path.open("wb") as file:
        np.savez(
            file,
            format=np.array([FORMAT]),
            text=np.frombuffer(segment.text, dtype=np.uint8),
            headings=np.frombuffer(json.dumps(segment.headings).encode(), dtype=np.uint8),
            vectors=segment.vectors.astype(np.float16),
            **{name: getattr(segment, name) for name in _PLAIN},
        )


_PLAIN: Final = (
    *("starts", "ends", "pages", "heading_of", "lengths", "terms", "offsets", "pieces", "counts"),
    *("grams", "gram_offsets", "gram_terms", "term_sizes"),
)


def load(path: Path) -> Segment:
    """Read what ``save`` wrote. Raises ``FileNotFoundError`` and ``SegmentUnreadable``."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if int(arrays["format"][0]) != FORMAT:
                raise SegmentUnreadable(f"{path.name} has another format than {FORMAT}")
            plain: dict[str, Any] = {name: arrays[name] for name in _PLAIN}
            return Segment(
                text=arrays["text"].tobytes(),
                headings=tuple(json.loads(arrays["headings"].tobytes())),
                vectors=arrays["vectors"].astype(np.float32),
                **plain,
            )
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, EOFError, IndexError) as fault:
        raise SegmentUnreadable(f"{path.name}: {fault}") from None
    except Exception as fault:
        # numpy reads a zip archive, whose errors have a class of their own without a common base.
        raise SegmentUnreadable(f"{path.name}: {type(fault).__name__}: {fault}") from None


def _counted(words: list[str], heading: list[str]) -> Counter[int]:
    counts = Counter(number(stem(word)) for word in words)
    for word in heading:
        counts[number(stem(word))] += _HEADING_COUNT
    return counts


def _byte_offsets(text: str, characters: list[int]) -> dict[int, int]:
    """The offset in UTF-8 of each of these ascending offsets in characters."""
    offsets: dict[int, int] = {}
    before, byte = 0, 0
    for character in characters:
        byte += len(text[before:character].encode())
        before = character
        offsets[character] = byte
    return offsets
