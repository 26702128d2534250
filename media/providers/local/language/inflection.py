"""Other forms of a word: who reads ``Parking`` in a prompt is asked where one can park."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass

_VOWELS = "aeiou"
_SHORTEST = 3

BASE_FRAMES = (
    "can i {0}",
    "can i {0} it",
    "can i {0} my",
    "can i {0} there",
    "where can i {0}",
    "where can i {0} my",
    "where do i {0}",
    "do i have to {0}",
    "do i need to {0}",
    "do you {0}",
    "can you {0}",
    "can you {0} it",
    "can you {0} my",
    "could you {0}",
    "how do i {0}",
    "how can i {0}",
    "when can i {0}",
    "i want to {0}",
    "i would like to {0}",
    "i need to {0}",
    "is it possible to {0}",
    "will you {0}",
)
PAST_FRAMES = ("is it {0}", "can it be {0}", "i have {0}", "it is {0}", "was it {0}", "i want it {0}")
CONTINUOUS_FRAMES = (
    "is {0} possible",
    "is {0} free",
    "is {0} allowed",
    "how much is {0}",
    "what about {0}",
    "do you do {0}",
)
THIRD_PERSON_FRAMES = ("it {0}", "who {0}", "what {0}", "how many {0}", "do you have {0}")


@dataclass(frozen=True, slots=True)
class Forms:
    """The forms of one verb."""

    base: str
    third_person: str
    past: str
    continuous: str

    def sentences(self) -> Iterator[str]:
        """What callers say with each of them."""
        for form, frames in (
            (self.base, BASE_FRAMES),
            (self.past, PAST_FRAMES),
            (self.continuous, CONTINUOUS_FRAMES),
            (self.third_person, THIRD_PERSON_FRAMES),
        ):
            yield from (frame.format(form) for frame in frames)


def forms(word: str, vocabulary: Container[str]) -> Forms | None:
    """The forms of the regular verb that ``word`` may be one of; ``None`` when ``vocabulary`` does not know them all.

    Most short nouns are verbs, too; the few that are not add sentences that nobody says, and do no harm."""
    for base in _bases(word):
        found = _forms_of(base)
        if len(base) >= _SHORTEST and all(
            form in vocabulary for form in (found.base, found.third_person, found.past, found.continuous)
        ):
            return found
    return None


def _bases(word: str) -> Iterator[str]:
    yield word
    if word.endswith("ing"):
        yield from _stems(word.removesuffix("ing"))
    elif word.endswith("ied"):
        yield word.removesuffix("ied") + "y"
    elif word.endswith("ed"):
        yield from _stems(word.removesuffix("ed"))
    elif word.endswith("ies"):
        yield word.removesuffix("ies") + "y"
    elif word.endswith("s"):
        yield word.removesuffix("s")
        yield word.removesuffix("es")


def _stems(stem: str) -> Iterator[str]:
    """A stem without its ending as the verbs it may come from: ``stopp`` from stop, ``us`` from use."""
    if len(stem) > 2 and stem[-1] == stem[-2] and stem[-1] not in _VOWELS:
        yield stem[:-1]
    yield stem
    yield f"{stem}e"


def _forms_of(base: str) -> Forms:
    if base.endswith("e"):
        return Forms(base, f"{base}s", f"{base}d", f"{base[:-1]}ing")
    if base.endswith("y") and len(base) > 1 and base[-2] not in _VOWELS:
        return Forms(base, f"{base[:-1]}ies", f"{base[:-1]}ied", f"{base}ing")
    doubled = base + base[-1] if _doubles(base) else base
    plural = f"{base}es" if base.endswith(("s", "x", "z", "ch", "sh")) else f"{base}s"
    return Forms(base, plural, f"{doubled}ed", f"{doubled}ing")


def _doubles(base: str) -> bool:
    """One short syllable that ends vowel, consonant doubles the consonant: stop, stopped."""
    return (
        len(base) >= _SHORTEST
        and base[-1] not in f"{_VOWELS}wxy"
        and base[-2] in _VOWELS
        and base[-3] not in _VOWELS
        and sum(letter in _VOWELS for letter in base) == 1
    )
