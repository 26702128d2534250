"""How words sound: CMU dictionary entries, and letter-to-sound rules for words it does not have.

The rules are a short list of our own in the spirit of the classic context rules for English (Elovitz and others, NRL
report 7948, 1976): longest letter group first, then single letters. A name that is said roughly as written is heard;
one that is not should be put into the configuration as it sounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

_GROUPS: tuple[tuple[str, str], ...] = (
    ("tion", "SH AH N"),
    ("sion", "ZH AH N"),
    ("ough", "AO"),
    ("augh", "AO"),
    ("eigh", "EY"),
    ("igh", "AY"),
    ("tch", "CH"),
    ("dge", "JH"),
    ("sch", "SH"),
    ("ing", "IH NG"),
    ("air", "EH R"),
    ("ear", "IH R"),
    ("oor", "AO R"),
    ("our", "AW R"),
    ("ch", "CH"),
    ("sh", "SH"),
    ("th", "TH"),
    ("ph", "F"),
    ("wh", "W"),
    ("ck", "K"),
    ("ng", "NG"),
    ("qu", "K W"),
    ("wr", "R"),
    ("kn", "N"),
    ("ee", "IY"),
    ("ea", "IY"),
    ("oo", "UW"),
    ("ou", "AW"),
    ("ow", "OW"),
    ("oi", "OY"),
    ("oy", "OY"),
    ("ai", "EY"),
    ("ay", "EY"),
    ("au", "AO"),
    ("aw", "AO"),
    ("ie", "IY"),
    ("ei", "AY"),
    ("ey", "IY"),
    ("oa", "OW"),
    ("ue", "UW"),
    ("ew", "Y UW"),
    ("ar", "AA R"),
    ("er", "ER"),
    ("ir", "ER"),
    ("ur", "ER"),
    ("or", "AO R"),
    ("ce", "S"),
    ("ci", "S IH"),
    ("cy", "S IY"),
    ("ge", "JH"),
)
_LETTERS: Mapping[str, str] = {
    "a": "AE",
    "b": "B",
    "c": "K",
    "d": "D",
    "e": "EH",
    "f": "F",
    "g": "G",
    "h": "HH",
    "i": "IH",
    "j": "JH",
    "k": "K",
    "l": "L",
    "m": "M",
    "n": "N",
    "o": "AA",
    "p": "P",
    "q": "K",
    "r": "R",
    "s": "S",
    "t": "T",
    "u": "AH",
    "v": "V",
    "w": "W",
    "x": "K S",
    "y": "Y",
    "z": "Z",
}
_LONG_VOWELS: Mapping[str, str] = {"a": "EY", "e": "IY", "i": "AY", "o": "OW", "u": "UW"}
_VOWELS = "aeiou"
_MIN_COMPOUND_PART = 4

Pronunciations = Mapping[str, tuple[str, ...]]


def load_dictionary(path: Path) -> dict[str, tuple[str, ...]]:
    """Pronunciations by word of a CMU dictionary file (``word(2) PH ON`` are further ones of ``word``)."""
    found: dict[str, tuple[str, ...]] = {}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            word, _, phones = line.rstrip().partition(" ")
            word = word.partition("(")[0]
            found[word] = (*found.get(word, ()), phones)
    return found


def pronunciations(word: str, dictionary: Pronunciations) -> tuple[str, ...]:
    """Ways to say ``word`` in ARPAbet without stress; empty when it has no letters to go by.

    Words missing from the dictionary are tried as plural, as possessive and as two known words, then by rule."""
    if known := dictionary.get(word):
        return known
    if word.endswith("'s") and (stem := dictionary.get(word[:-2])):
        return tuple(f"{phones} Z" for phones in stem)
    if word.endswith("s") and (stem := dictionary.get(word[:-1])):
        return tuple(f"{phones} Z" for phones in stem)
    for cut in range(_MIN_COMPOUND_PART, len(word) - _MIN_COMPOUND_PART + 1):
        first, second = dictionary.get(word[:cut]), dictionary.get(word[cut:])
        if first and second:
            return (f"{first[0]} {second[0]}",)
    sounded = _by_rule(word.replace("'", ""))
    return (sounded,) if sounded else ()


def dictionary_lines(words: Iterable[str], dictionary: Pronunciations) -> list[str]:
    """Lines of a dictionary file for exactly these words; words that cannot be said are left out."""
    lines: list[str] = []
    for word in sorted(set(words)):
        for index, phones in enumerate(pronunciations(word, dictionary), start=1):
            lines.append(f"{word} {phones}" if index == 1 else f"{word}({index}) {phones}")
    return lines


def _by_rule(word: str) -> str:
    phones: list[str] = []
    at = 0
    while at < len(word):
        letter = word[at]
        if at and letter == word[at - 1] and letter not in _VOWELS:
            at += 1
            continue
        group = next((pair for pair in _GROUPS if word.startswith(pair[0], at)), None)
        if group is not None:
            phones.append(group[1])
            at += len(group[0])
            continue
        if letter == "e" and at == len(word) - 1 and phones:
            break
        if letter in _VOWELS and _has_silent_e(word, at):
            phones.append(_LONG_VOWELS[letter])
        elif letter == "y" and at == len(word) - 1:
            phones.append("IY")
        elif sound := _LETTERS.get(letter):
            phones.append(sound)
        at += 1
    return " ".join(phones)


def _has_silent_e(word: str, at: int) -> bool:
    return len(word) == at + 3 and word[at + 1] not in _VOWELS and word[at + 2] == "e"
