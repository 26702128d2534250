"""Finding what the caller asks for among the assistant's knowledge and tools."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from media.providers.local.dialogue.embedding import Vector, content_words, embed, embed_all, shares_meaning
from media.providers.local.dialogue.prompt import Entry, Prompt
from media.providers.local.dialogue.subjects import asked_about, told_by
from media.providers.local.dialogue.tools import Tool
from media.providers.local.language.spoken import spoken_words

KNOWLEDGE_THRESHOLD = 0.26
TOOL_THRESHOLD = 0.30

_QUESTION_BONUS = 0.10
_REQUEST_BONUS = 0.08
_VALUE_BONUS = 0.07
_REQUESTED_KNOWLEDGE = 0.55
"""Who asks for something to be done does not ask what is known about it."""

_MAX_SPOKEN_SENTENCES = 3
_BARE_QUESTIONS = (("when", "hours"), ("who", "staff"))
_INDIRECT = re.compile(
    r"^(?:(?:can|could|would|will) you (?:please )?(?:tell|explain to) me|do you know|(?:please )?tell me|"
    r"i (?:would like|want|need|wanted) to (?:know|ask)|i'd like to (?:know|ask)|i was wondering|may i ask|can i ask)"
    r"(?: please)? (?=(?:what|where|whereabouts|when|which|who|how|if|whether)\b)"
)

_QUESTION = re.compile(
    r"^(?:what|where|when|which|who|why|how|is|are|do|does|did|can you tell|could you tell|tell me|am i|will|"
    r"i have a question|what about|how about)\b"
)
_REQUEST = re.compile(
    r"\b(?:i would like|i'd like|i want|i need|can i (?:get|have|book|make|come|order)|could i|may i|please|let me|"
    r"give me|i am calling to)\b|^(?:book|schedule|order|reserve)\b"
)


@dataclass(frozen=True, slots=True)
class Found:
    """The best match of each kind with its score; None below the threshold."""

    tool: Tool | None
    tool_score: float
    entry: Entry | None
    entry_score: float


class Index:
    """Vectors of everything that can be asked of one assistant."""

    def __init__(self, prompt: Prompt, tools: tuple[Tool, ...]) -> None:
        self._entries: list[Entry] = []
        entry_texts: list[str] = []
        for entry in prompt.entries:
            topic = spoken_words(entry.topic)
            spoken = [_with_subjects(topic, sentence) for sentence in entry.sentences()]
            for text in filter(None, [topic, *spoken]):
                self._entries.append(entry)
                entry_texts.append(text)
        self._entry_texts = entry_texts
        self._entry_vectors = embed_all(entry_texts)
        self._tools = [tool for tool in tools if tool.role == "task" for _ in tool.examples]
        self._tool_texts = [example for tool in tools if tool.role == "task" for example in tool.examples]
        self._tool_vectors = embed_all(self._tool_texts)

    def find(self, text: str) -> Found:
        """``text`` is spoken words without politeness."""
        text = _spelled_out(_INDIRECT.sub("", text))
        vector = embed(text)
        question = bool(_QUESTION.match(text))
        tool, tool_score = self._best_tool(text, vector)
        if tool is not None and (_REQUEST.search(text) or tool.lookup):
            tool_score += _REQUEST_BONUS
        entry, entry_score = self._best_entry(text, vector)
        if entry is not None and question:
            entry_score += _QUESTION_BONUS
        elif tool_score >= TOOL_THRESHOLD and _REQUEST.search(text):
            entry_score *= _REQUESTED_KNOWLEDGE
        return Found(
            tool if tool_score >= TOOL_THRESHOLD else None,
            tool_score,
            entry if entry_score >= KNOWLEDGE_THRESHOLD else None,
            entry_score,
        )

    def _best_tool(self, text: str, vector: Vector) -> tuple[Tool | None, float]:
        if not len(self._tool_vectors):
            return None, 0.0
        scores = self._tool_vectors @ vector
        for at, tool in enumerate(self._tools):
            if shares_meaning(text, self._tool_texts[at]):
                scores[at] += _VALUE_BONUS * len(tool.find_values(text, None))
            else:
                scores[at] = _VALUE_BONUS * len(tool.find_values(text, None))
        best = int(np.argmax(scores))
        return self._tools[best], float(scores[best])

    def _best_entry(self, text: str, vector: Vector) -> tuple[Entry | None, float]:
        if not len(self._entry_vectors):
            return None, 0.0
        scores = self._entry_vectors @ vector
        for at in np.argsort(-scores)[:8]:
            if shares_meaning(text, self._entry_texts[at]):
                return self._entries[at], float(scores[at])
        return None, 0.0

    def tool_for_values(self, text: str) -> tuple[Tool, Mapping[str, Any]] | None:
        """The tool that ``text`` fits by its values alone (``tuesday morning please``): the one that takes most of
        them, tools that do something before tools that look something up."""
        best: tuple[Tool, Mapping[str, Any]] | None = None
        for tool in sorted(dict.fromkeys(self._tools), key=lambda tool: tool.lookup):
            found = tool.find_values(text, None)
            if found and (best is None or len(found) > len(best[1])):
                best = (tool, found)
        return best


def _with_subjects(topic: str, sentence: str) -> str:
    """A sentence of an entry as it is compared: with its topic, or the words for what it is about."""
    meant = topic or " ".join(subject.words for subject in told_by(sentence))
    return f"{meant} {spoken_words(sentence)}".strip()


def _spelled_out(text: str) -> str:
    """A question with the words for what it asks for, where it does not name that itself."""
    subject = asked_about(text)
    if subject is not None and not shares_meaning(text, subject.words):
        return f"{text} {subject.words}"
    if content_words(text):
        return text
    return next((f"{text} {meant}" for words, meant in _BARE_QUESTIONS if text.startswith(words)), text)


def spoken_answer(entry: Entry) -> str:
    """The entry as it is told: its first sentences."""
    return " ".join(entry.sentences()[:_MAX_SPOKEN_SENTENCES])
