"""What a system prompt says: who speaks, what is known, and which lines are orders to a model rather than knowledge.

A guided conversation can only tell what stands in the prompt. Lines of the form ``Topic: sentences``, bullets and
plain statements become entries; orders ("Never ...", "If the caller ...") and descriptions of the role do not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from media.providers.local.dialogue.subjects import told_by
from media.providers.local.language.spoken import spoken_words

MAX_ENTRIES = 400

_HEADING = re.compile(r"^\s*#+\s*(.+?)\s*$|^\s*\*\*(.+?)\*\*:?\s*$|^\s*\[(.+?)\]\s*$")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+")
_TOPIC = re.compile(r"^\**([A-Za-z][A-Za-z0-9 '&/,-]{1,48}?)\**:\**\s+(\S.*)$")
_QUESTION = re.compile(r"^\**(?:q|question)\**\s*[:.]\s*(.+)$", re.IGNORECASE)
_ANSWER = re.compile(r"^\**(?:a|answer)\**\s*[:.]\s*(.+)$", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_ORDER_OPENINGS = (
    r"you(?:'re| are| must| should| will| have to| help| can use)\b",
    r"your (?:role|task|job|goal|name)\b",
    r"(?:act|always|never|do not|don't|avoid|be|keep|speak|talk|use|ask|answer|respond|reply|greet|say|tell|offer)\b",
    r"(?:confirm|collect|gather|verify|make sure|ensure|remember|wait|start|begin|end|only|politely|try|help|assist)\b",
    r"(?:book|call|note|once|then|first|after|before|for every|when you|today is|the current)\b",
    r"if (?:the (?:caller|user|customer|person)|they|you do|asked)\b",
    r"when (?:the (?:caller|user|customer)|they)\b",
)
_ORDER = re.compile("|".join(f"^(?:{opening})" for opening in _ORDER_OPENINGS), re.IGNORECASE)
_ORDER_SECTION = re.compile(
    r"\b(?:role|style|tone|rules?|guidelines?|instructions?|tasks?|what you do|behaviou?r|personality|voice|"
    r"conversation flow|steps|script|objective|goal|context|identity|tools?)\b",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(
    r"\bif you (?:do not|don't|cannot|can't) (?:know|answer|understand)[^.\n]{0,200}?\bsay[,:]?\s*"
    r"[\"\u201c](.{1,1000}?)[\"\u201d]",
    re.IGNORECASE,
)
_NAME = re.compile(r"\b[Yy]ou are (?:called |named )?([A-Z][a-z]+)\b(?!\s+[a-z]+ly\b)|\b[Yy]our name is ([A-Z][a-z]+)")
_ORGANISATION = re.compile(
    r"\b[Yy]ou are (?:an?|the) [a-z][a-z -]*?\b(?:of|for|at) (?:the )?"
    r"([A-Z][\w'&-]*(?: (?:(?:and|of|the) )?[A-Z&][\w'&-]*)*)"
)
_NOT_NAMES = frozenset({"The", "An", "Our", "My"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing the assistant knows. ``topic`` may be empty; ``text`` is spoken as it stands."""

    topic: str
    text: str

    def sentences(self) -> tuple[str, ...]:
        """The text, sentence by sentence."""
        return tuple(_SENTENCE_END.split(self.text))


@dataclass(frozen=True, slots=True)
class Prompt:
    """``name`` is what the assistant calls itself, ``organisation`` for whom it speaks, and ``unknown_answer`` what it
    shall say when it does not know; empty where the prompt does not tell."""

    name: str
    entries: tuple[Entry, ...]
    unknown_answer: str = ""
    organisation: str = ""

    @property
    def topics(self) -> tuple[str, ...]:
        """Topics in the order of the prompt, each once; what statements without a topic are about comes last."""
        named = [entry.topic for entry in self.entries if entry.topic]
        told = [subject.name for entry in self.entries if not entry.topic for subject in told_by(entry.text)]
        return tuple(dict.fromkeys([*named, *told]))


def parse_prompt(text: str) -> Prompt:
    """Read a system prompt. Never fails: a prompt without statements has no entries."""
    entries: list[Entry] = []
    question = ""
    skipping = False
    for raw in text.splitlines():
        line = raw.strip()
        if not line:
            continue
        if heading := _HEADING.match(line):
            skipping = bool(_ORDER_SECTION.search(next(group for group in heading.groups() if group)))
            continue
        line = _BULLET.sub("", line)
        if asked := _QUESTION.match(line):
            question = asked[1]
        elif (answered := _ANSWER.match(line)) and question:
            entries.append(Entry(question, answered[1]))
            question = ""
        elif topic := _TOPIC.match(line):
            if not _ORDER_SECTION.fullmatch(topic[1].strip()):
                entries.append(Entry(topic[1].strip(), _plain(topic[2])))
        elif not skipping:
            statements = [sentence for sentence in _SENTENCE_END.split(line) if _is_statement(sentence)]
            entries.extend(Entry("", _plain(statement)) for statement in statements)
    name = _NAME.search(text)
    found = next((group for group in name.groups() if group), "") if name else ""
    unknown = _UNKNOWN.search(text)
    organisation = _ORGANISATION.search(text)
    return Prompt(
        "" if found in _NOT_NAMES else found,
        tuple(entries[:MAX_ENTRIES]),
        unknown[1].strip() if unknown else "",
        organisation[1] if organisation else "",
    )


def _is_statement(sentence: str) -> bool:
    return not _ORDER.match(sentence) and not sentence.endswith("?") and len(spoken_words(sentence).split()) > 2


def _plain(text: str) -> str:
    return text.replace("*", "").replace("`", "").strip()
