"""Cutting a text into pieces that can be found and read alone.

A piece is a span of the text, so nothing is rewritten and nothing can get lost; headings and pages are kept beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

USUAL_CHARACTERS: Final = 900
"""After which a piece ends at the next sentence: some 200 tokens, read aloud in a minute."""
MOST_CHARACTERS: Final = 1_400
OVERLAP_CHARACTERS: Final = 160
"""Of the last sentences of a piece that the next one repeats, so that what spans two is whole in one of them."""
_EARLY_END: Final = 0.6
"""Of the usual length: from there on a piece ends where a paragraph does."""

_HEADING: Final = re.compile(r"(#{1,6})[ \t]+(\S.*)")
_SENTENCE: Final = re.compile(r"[^\n\f]*?(?:[.!?…]+[\"'”’)\]]*(?=[ \t])|[。！？]+|(?=[\n\f])|$)")
_SENTENCE_ENDS: Final = frozenset(".!?…。！？")
_DEEPEST_SHOWN: Final = 3
_LONGEST_HEADING: Final = 120


@dataclass(frozen=True, slots=True)
class Chunk:
    """The piece ``text[start:end]``, the path of headings above it, and the page it begins on: form feeds end pages."""

    start: int
    end: int
    heading: str
    page: int


@dataclass(frozen=True, slots=True)
class _Unit:
    """A sentence, a line, or a part of a line that is too long. ``paragraph_end``: a blank line follows."""

    start: int
    end: int
    heading: str
    page: int
    opens_section: bool
    paragraph_end: bool


def chunks(text: str) -> list[Chunk]:
    """Every piece, in order. Every character that is not blank stands in at least one; none is longer than
    ``MOST_CHARACTERS``, and two in a row share at most ``OVERLAP_CHARACTERS``."""
    made: list[Chunk] = []
    held: list[_Unit] = []
    for unit in _units(text):
        if held and (unit.opens_section or unit.page != held[-1].page or _is_full(held, unit)):
            made.append(_chunk(held))
            whole = unit.page != held[-1].page and text[held[-1].end - 1] in _SENTENCE_ENDS
            held = [] if unit.opens_section or whole else _overlap(held, unit)
        held.append(unit)
    if held:
        made.append(_chunk(held))
    return made


def _is_full(held: list[_Unit], following: _Unit) -> bool:
    length = held[-1].end - held[0].start
    if following.end - held[0].start > MOST_CHARACTERS or length >= USUAL_CHARACTERS:
        return True
    return held[-1].paragraph_end and length >= _EARLY_END * USUAL_CHARACTERS


def _overlap(held: list[_Unit], following: _Unit) -> list[_Unit]:
    """The last sentences that still fit in front of the following one; never the whole piece."""
    kept: list[_Unit] = []
    for unit in reversed(held[1:]):
        too_far = held[-1].end - unit.start > OVERLAP_CHARACTERS
        if too_far or following.end - unit.start > MOST_CHARACTERS:
            break
        kept.insert(0, unit)
    return kept


def _chunk(held: list[_Unit]) -> Chunk:
    # What was repeated from the piece before may stand on another page, the rest is on one.
    return Chunk(held[0].start, held[-1].end, held[-1].heading, held[-1].page)


def _units(text: str) -> Iterator[_Unit]:
    path: list[tuple[int, str]] = []
    page, only_headings = 1, False
    for start, end in _lines(text):
        page += text.count("\f", start, end)
        line = text[start:end].strip()
        if not line:
            continue
        heading = _HEADING.fullmatch(line)
        if heading is not None:
            level = len(heading[1])
            path = [*((depth, name) for depth, name in path if depth < level), (level, heading[2][:_LONGEST_HEADING])]
        shown = " > ".join(name for _, name in path[-_DEEPEST_SHOWN:])
        ends_paragraph = heading is None and (text[end : end + 2] == "\n\n" or text[end : end + 1] in ("", "\f"))
        opens_section = heading is not None and not only_headings
        for left, right in _sentences(text, start, end):
            yield _Unit(left, right, shown, page, opens_section, ends_paragraph and right == end)
            opens_section = False
        only_headings = heading is not None


def _lines(text: str) -> Iterator[tuple[int, int]]:
    """Spans of lines; a form feed begins the one behind it."""
    start = 0
    for found in re.finditer(r"[\n\f]", text):
        yield start, found.start()
        start = found.start() if found[0] == "\f" else found.end()
    yield start, len(text)


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Spans within a line, without blanks around them, none longer than a piece may be."""
    for found in _SENTENCE.finditer(text, start, end):
        left, right = _trimmed(text, found.start(), found.end())
        while right - left > MOST_CHARACTERS:
            cut = text.rfind(" ", left + 1, left + MOST_CHARACTERS)
            cut = cut if cut > left else left + MOST_CHARACTERS
            yield _trimmed(text, left, cut)
            left, right = _trimmed(text, cut, right)
        if left < right:
            yield left, right


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
