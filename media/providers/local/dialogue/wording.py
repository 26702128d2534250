"""The sentences a guided conversation says that do not come from the prompt or a tool."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from media.providers.local.dialogue.passages import spoken_passages
from media.providers.local.dialogue.prompt import Prompt
from media.providers.local.dialogue.tools import Slot, Tool
from media.providers.local.language.conversation import DAY_PARTS
from media.providers.local.language.spoken import identifier_words

_ANYTHING_ELSE = (
    "Is there anything else I can do for you?",
    "Can I help you with anything else?",
    "What else can I do for you?",
)
_OFFER = re.compile(r"\b(?:any|some)thing else\b[^.?!]*\?\s*$|\bwhat else\b[^.?!]*\?\s*$", re.IGNORECASE)
_NO_PREPOSITION = ("today", "tomorrow", "next", "this", "the day after")
_FAILED = re.compile(r"^(?:error\b|.*\b(?:error|exception|timed? ?out|failed|no result returned)\b)", re.IGNORECASE)
_SPOKEN_KEYS = ("message", "text", "summary", "answer", "result", "confirmation", "status")
_LISTED_ACTIONS = 3
_LISTED_TOPICS = 3
_LISTED_ITEMS = 5
_MAX_RESULT_CHARACTERS = 400


def greeting(prompt: Prompt) -> str:
    """How to begin when the configuration has no first message."""
    name = f" This is {prompt.name or prompt.organisation}." if prompt.name or prompt.organisation else ""
    return f"Hello!{name} How can I help you today?"


def introduction(prompt: Prompt, tools: Sequence[Tool]) -> str:
    """Who speaks: never claims to be a person."""
    name = f"I am {prompt.name}, an" if prompt.name else "I am an"
    employer = f" of {prompt.organisation}" if prompt.organisation and not prompt.name else ""
    return f"{name} automatic assistant{employer}. {abilities(prompt, tools)}"


def abilities(prompt: Prompt, tools: Sequence[Tool]) -> str:
    """One sentence on what can be asked for."""
    actions = [tool.brief for tool in tools if tool.role != "end-call"][:_LISTED_ACTIONS]
    topics = [topic.lower() for topic in prompt.topics if not topic.endswith("?")][:_LISTED_TOPICS]
    parts = []
    if actions:
        parts.append(joined(actions, "or"))
    if topics:
        parts.append(f"answer questions about {joined(topics, 'and')}")
    if not parts:
        return "You can ask me a question." if prompt.entries else "I am afraid there is not much I can tell you."
    return f"I can {', and I can '.join(parts)}."


def not_understood(count: int, prompt: Prompt, tools: Sequence[Tool]) -> str:
    """``count`` is how many times in a row (from 0) nothing was understood."""
    known = abilities(prompt, tools)
    if count == 0:
        return f"{prompt.unknown_answer or 'I am sorry, I did not understand that.'} {known}"
    if count == 1:
        return f"Sorry, I still did not get it. Please try other words. {known}"
    return "I am afraid I cannot help with that. Please ask me something else, or say goodbye to end the call."


def no_information(about: str, prompt: Prompt, tools: Sequence[Tool]) -> str:
    """For a question that was understood, but that neither the prompt nor a tool answers."""
    return f"{prompt.unknown_answer or f'I am sorry, I have no information about {about}.'} {abilities(prompt, tools)}"


def slot_question(slot: Slot) -> str:
    """How to ask for one parameter."""
    described = slot.description
    if described.endswith("?"):
        return described
    subject = described[0].lower() + described[1:] if described else f"the {identifier_words(slot.name)}"
    match slot.kind:
        case "choice":
            return f"Which would you like: {joined(slot.choices, 'or')}?"
        case "day":
            return "For which day?"
        case "time":
            return "At what time?"
        case "name":
            return "May I have your name, please?" if "name" in subject else f"What is {subject}?"
        case "boolean":
            return f"{described or identifier_words(slot.name).capitalize()}, yes or no?"
        case "text" | "number" | "digits" | "email":
            return f"What is {subject}?"


def confirmation(tool: Tool, known: Mapping[str, Any]) -> str:
    """The question before something is done."""
    given = [slot for slot in tool.slots if slot.name in known]
    moments = [_moment(slot, str(known[slot.name])) for slot in given if slot.kind in ("day", "time")]
    others = [_particular(slot, known[slot.name]) for slot in given if slot.kind not in ("day", "time")]
    return ", ".join([" ".join([f"Shall I {tool.action}", *moments]), *others]) + "?"


def _moment(slot: Slot, said: str) -> str:
    if slot.kind == "time":
        return f"in the {said}" if said in DAY_PARTS else f"at {said}"
    return said if said.startswith(_NO_PREPOSITION) else f"on {said}"


def _particular(slot: Slot, value: Any) -> str:
    match slot.kind:
        case "choice" | "name" | "text":
            return f"for {value}"
        case "boolean":
            return f"{'with' if value else 'without'} {identifier_words(slot.name)}"
        case "digits":
            return f"{identifier_words(slot.name)} {' '.join(str(value))}"
        case _:
            return f"{identifier_words(slot.name)} {value}"


def tool_result(content: str, count: int, question: str = "") -> str:
    """What a tool answered to ``question``, as sentences, and an offer to go on."""
    passages = spoken_passages(content, question)
    if passages is None and _FAILED.match(content):
        return f"I am sorry, that did not work. {anything_else(count)}"
    said = passages or spoken_result(content) or "That is done."
    return said if said.endswith("?") else f"{said} {anything_else(count)}"


def spoken_result(content: str) -> str:
    """A tool's answer as text: sentences stay, JSON is read out as far as it can be."""
    text = content.strip()
    if text[:1] in ("{", "[", '"'):
        try:
            text = _read_out(json.loads(text))
        except json.JSONDecodeError:
            return _sentence(text)
    return _sentence(text)


def anything_else(count: int) -> str:
    """An offer to go on, worded by ``count``."""
    return _ANYTHING_ELSE[count % len(_ANYTHING_ELSE)]


def offers_more(text: str) -> bool:
    """Whether ``text`` ends by asking if there is anything else: a plain no to that is a goodbye."""
    return bool(_OFFER.search(text))


def joined(items: Sequence[str], conjunction: str) -> str:
    """``a, b or c``."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {conjunction} {items[-1]}"


def _read_out(value: Any) -> str:
    match value:
        case dict():
            for key in _SPOKEN_KEYS:
                if isinstance(value.get(key), str):
                    return str(value[key])
            return ". ".join(
                f"{identifier_words(str(key)).capitalize()}: {_read_out(item)}" for key, item in value.items()
            )
        case list():
            return joined([_read_out(item) for item in value[:_LISTED_ITEMS]], "and")
        case bool():
            return "yes" if value else "no"
        case None:
            return "nothing"
        case _:
            return str(value)


def _sentence(text: str) -> str:
    text = " ".join(text.split())[:_MAX_RESULT_CHARACTERS].strip()
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")
