"""Words as an index compares them: without case, accents and endings, as 64-bit numbers."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from hashlib import blake2b
from typing import Final

import snowballstemmer

_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_UNSPACED: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")
"""Scripts that put no blanks between words: those are compared by pairs of characters."""
_STEMMER: Final = snowballstemmer.stemmer("english")
_LONGEST_WORD: Final = 64

_COMMON_TEXT: Final = """
a about after all also am an and any are as at be because been before being between but by can could did do does doing
down during each few for from further get give had has have having he her here hers him his how i if in into is it its
itself just know let like me more most my need no nor not of off on once only or other our out over please same say
she should so some such tell than that the their them then there these they this those through to too under until up us
very want was we were what when where which while who whom why will with would you your yours
"""
COMMON: Final = frozenset(_COMMON_TEXT.split())
"""Words that say nothing about what a text is about."""


def words(text: str) -> list[str]:
    """The words of a text in order: compatibility forms and case folded, accents and possessive endings dropped."""
    folded = text.casefold()
    if folded.isascii():
        return [_shortened(word) for word in _WORD.findall(folded)]
    split = unicodedata.normalize("NFKD", folded)
    plain = "".join(character for character in split if not unicodedata.combining(character))
    found: list[str] = []
    for word in _WORD.findall(plain):
        if _UNSPACED.search(word):
            found += [word[at : at + 2] for at in range(max(len(word) - 1, 1))]
        else:
            found.append(_shortened(word.replace("’", "'")))
    return found


def _shortened(word: str) -> str:
    return word.removesuffix("'s")[:_LONGEST_WORD]


def content_words(text: str) -> list[str]:
    """The words that say what it is about; every word where there are no others."""
    every = words(text)
    return [word for word in every if word not in COMMON] or every


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """The word without its ending (the Porter2 stemmer for English; other languages lose little by it)."""
    return str(_STEMMER.stemWord(word))


@lru_cache(maxsize=65_536)
def number(stemmed: str) -> int:
    """What an index keeps instead of a word: the same on every machine, different for practically all words."""
    return int.from_bytes(blake2b(stemmed.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def trigrams(word: str) -> frozenset[str]:
    """The runs of three letters of a word with its edges: what misspelt words still share."""
    padded = f"^{word}$"
    return frozenset(padded[at : at + 3] for at in range(len(padded) - 2))
