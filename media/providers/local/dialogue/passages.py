"""Reading out what stands in documents: of the passages that a search found, the sentences that answer the question."""

from __future__ import annotations

import re
from collections.abc import Iterator

from media.providers.local.dialogue.embedding import embed, shares_meaning
from media.providers.local.language.spoken import spoken_words

_PASSAGE = re.compile(r"\[[^\]\n]+\]\n(?P<text>.+?)(?=\n\n\[|\Z)", re.DOTALL)
_PARAGRAPH = re.compile(r"\n\s*\n|\n(?=[-*\u2022#])|\f")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_BULLET = re.compile(r"^[-*\u2022]\s*")
_MOST_SENTENCES = 3


def spoken_passages(content: str, question: str) -> str | None:
    """What a tool answered with passages of documents (each under where it stands, in brackets), as it is told.

    The sentence that has most in common with ``question`` (spoken words) and what follows it in its paragraph, three
    sentences at most; the beginning of the first passage where nothing has. ``None`` where ``content`` is none such.
    """
    found = [match["text"] for match in _PASSAGE.finditer(content.strip())] if content.startswith("[") else []
    paragraphs = [sentences for text in found for sentences in _paragraphs(text)]
    if not paragraphs:
        return None
    asked = embed(question)
    best, paragraph, first = 0.0, [sentence for sentences in paragraphs for sentence in sentences], 0
    for sentences in paragraphs:
        for number, sentence in enumerate(sentences):
            words = spoken_words(sentence)
            likeness = float(asked @ embed(words)) if shares_meaning(question, words) else 0.0
            if likeness > best:
                best, paragraph, first = likeness, sentences, number
    told = " ".join(paragraph[first : first + _MOST_SENTENCES])
    return told if told.endswith((".", "!", "?")) else f"{told}."


def _paragraphs(text: str) -> Iterator[list[str]]:
    """Sentences by paragraph, without headings."""
    for paragraph in _PARAGRAPH.split(text):
        lines = [line.strip() for line in paragraph.splitlines() if not line.lstrip().startswith("#")]
        sentences = _SENTENCE.split(_BULLET.sub("", " ".join(filter(None, lines))))
        if any(sentences):
            yield [sentence for sentence in sentences if sentence]
