"""Cutting a stream of model text into pieces that a voice can start on before the answer is complete.

A piece ends at the first boundary character once at least ``min_characters`` are buffered. The pieces of one answer
concatenate to exactly the text that came in, minus ``<flush />`` marks, so that positions in them are positions in
the answer. Follows the public ``voice.chunkPlan`` of Vapi's assistant schema.
"""

from __future__ import annotations

import re

import msgspec

DEFAULT_BOUNDARIES = frozenset("。，.!?;)،۔।॥|,:")
"""Vapi leaves the default to the voice provider; these are all the characters its schema allows."""

MIN_CHARACTERS = 30
FIRST_MIN_CHARACTERS = 10
"""The first clause may be shorter: the caller waits for it, and every later piece hides behind the one before."""

_FLUSH = re.compile(r"<\s*/?\s*flush\s*/?\s*>", re.IGNORECASE)
_CLOSERS = "\"'”’»)]*_"
_LONGEST_TAG = 80
LONGEST_PIECE = 600
"""Characters. Text without any boundary is cut here, at a space where there is one: no voice takes a book at once."""


class ChunkPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How to cut. ``enabled=False`` passes every token on as it comes; ``<flush />`` is honoured only when enabled."""

    enabled: bool = True
    min_characters: int = MIN_CHARACTERS
    first_min_characters: int = FIRST_MIN_CHARACTERS
    boundaries: frozenset[str] = DEFAULT_BOUNDARIES


class ChunkBuffer(msgspec.Struct, frozen=True):
    """Text not yet cut off, and whether a piece has been given out before."""

    text: str = ""
    begun: bool = False


def feed(plan: ChunkPlan, buffer: ChunkBuffer, text: str) -> tuple[ChunkBuffer, tuple[str, ...]]:
    """Add a token; returns the new buffer and the pieces that became complete."""
    if not plan.enabled:
        return buffer, tuple(text[at : at + LONGEST_PIECE] for at in range(0, len(text), LONGEST_PIECE))
    pending = buffer.text + text
    begun = buffer.begun
    pieces: list[str] = []
    while pending:
        mark = _FLUSH.search(pending) if "<" in pending else None
        minimum = plan.min_characters if begun else plan.first_min_characters
        cut = _cut(plan, pending if mark is None else pending[: mark.start()], minimum, more=mark is None)
        if cut:
            piece, pending = pending[:cut], pending[cut:]
        elif mark is not None:
            piece, pending = pending[: mark.start()], pending[mark.end() :]
        else:
            break
        if piece.strip():
            begun = True
            pieces.append(piece)
        elif piece:
            if not pieces:
                return ChunkBuffer(piece + pending, begun), ()
            pieces[-1] += piece
    return ChunkBuffer(pending, begun), tuple(pieces)


def flush(plan: ChunkPlan, buffer: ChunkBuffer) -> str:
    """What is left when the answer is complete (possibly empty)."""
    return _FLUSH.sub("", buffer.text) if plan.enabled else buffer.text


def _cut(plan: ChunkPlan, text: str, minimum: int, *, more: bool) -> int:
    """Where the first piece ends (0: nowhere yet). ``more`` says that text may still follow directly."""
    cut = _boundary(plan, text[:LONGEST_PIECE], minimum, more=more or len(text) > LONGEST_PIECE)
    if cut or len(text) <= LONGEST_PIECE:
        return cut
    return text.rfind(" ", 0, LONGEST_PIECE) + 1 or LONGEST_PIECE


def _boundary(plan: ChunkPlan, text: str, minimum: int, *, more: bool) -> int:
    if len(text) < minimum:
        return 0
    boundaries = plan.boundaries
    for index in range(minimum - 1, len(text)):
        if text[index] in boundaries and not _inside_tag(text, index):
            end = index + 1
            while end < len(text) and (text[end] in _CLOSERS or text[end] in boundaries):
                end += 1
            if end < len(text):
                if text[end].isspace() or not text[end].isalnum() or ord(text[index]) > 0x2E7F:
                    while end < len(text) and text[end].isspace():
                        end += 1
                    return end
                continue
            if not more or not _may_go_on(text, index):
                return end
            return 0
    return 0


def _may_go_on(text: str, index: int) -> bool:
    """Whether a boundary that ends the buffer may turn out to stand inside a number, an address or a mark."""
    if index and text[index - 1].isdigit():
        return True
    word = text[text.rfind(" ", 0, index) + 1 : index]
    return "@" in word or "." in word or "/" in word


def _inside_tag(text: str, index: int) -> bool:
    opened = text.rfind("<", max(0, index - _LONGEST_TAG), index)
    return opened >= 0 and text.find(">", opened, index) < 0 and text[opened + 1 : opened + 2].strip() != ""
