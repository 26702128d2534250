"""Where a conversation stands, and what to answer: one pure step per message.

The state is never stored. It is folded anew from the messages of each request, which makes the model stateless and
its answers a function of the request alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from media.providers.local.dialogue import wording
from media.providers.local.dialogue.embedding import shares_meaning
from media.providers.local.dialogue.prompt import Prompt
from media.providers.local.dialogue.retrieval import Index, spoken_answer
from media.providers.local.dialogue.smalltalk import SmallTalk, small_talk, without_politeness
from media.providers.local.dialogue.subjects import asked_about
from media.providers.local.dialogue.tools import Tool
from media.providers.local.dialogue.values import is_no, is_yes
from media.providers.local.language.spoken import spoken_words

_SHORT_REFUSAL = 4
_SHORT_REQUEST = 9
"""Words up to which a sentence with a day or a time in it is taken for a request although nothing else says so."""

_NO_WORDS = re.compile(r"^\s*\[[^\]]*\]\s*$")
_CANCEL = re.compile(r"\b(?:cancel|stop)\b")


@dataclass(frozen=True, slots=True)
class Task:
    """A tool the caller wants used. ``asked`` is the parameter just asked for, ``confirming`` that all are known and
    the caller was asked to agree."""

    tool: Tool
    known: Mapping[str, Any] = field(default_factory=dict)
    asked: str | None = None
    confirming: bool = False


@dataclass(frozen=True, slots=True)
class Conversation:
    """``finished`` is the last task whose tool was called: a correction can still reopen it. ``offered`` is set while
    the caller was asked whether there is anything else."""

    task: Task | None = None
    finished: Task | None = None
    misunderstood: int = 0
    turns: int = 0
    said: str = ""
    offered: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """Words to say, or a tool to call (never both: words beside a tool call are not spoken)."""

    text: str = ""
    call: Tool | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subject:
    """What one assistant can talk about."""

    prompt: Prompt
    tools: tuple[Tool, ...]
    index: Index

    def tool_for(self, role: str) -> Tool | None:
        return next((tool for tool in self.tools if tool.role == role), None)

    def hand_over_about(self, text: str) -> Tool | None:
        """The hand-off or transfer to somebody who is said to know about that."""
        leading = (tool for tool in self.tools if tool.role == "transfer")
        return next((tool for tool in leading if any(shares_meaning(text, about) for about in tool.examples)), None)

    @property
    def search(self) -> Tool | None:
        """The tool that takes any question."""
        return next((tool for tool in self.tools if tool.searched is not None), None)


def hear(conversation: Conversation, said: str, subject: Subject) -> tuple[Conversation, Reply]:
    """The caller said ``said``; a remark in brackets instead of words means that nothing was understood."""
    text = "" if _NO_WORDS.match(said) else spoken_words(said)
    conversation = replace(conversation, turns=conversation.turns + 1)
    understood, reply = _understand(conversation, text, subject)
    return replace(understood, offered=wording.offers_more(reply.text), said=reply.text or understood.said), reply


def hear_result(conversation: Conversation, content: str) -> tuple[Conversation, Reply]:
    """A tool answered ``content``."""
    text = wording.tool_result(content, conversation.turns, _searched_for(conversation.finished))
    return replace(conversation, said=text, offered=wording.offers_more(text)), Reply(text)


def _searched_for(finished: Task | None) -> str:
    searched = finished.tool.searched if finished is not None else None
    return str(finished.known.get(searched.name, "")) if finished is not None and searched is not None else ""


def hear_self(conversation: Conversation, spoken: str) -> Conversation:
    """The assistant's words ``spoken`` stand in the history. Where the caller cut them off, what was meant is kept."""
    if conversation.said.startswith(spoken.rstrip(" .…-")):
        return conversation
    return replace(conversation, said=spoken, offered=wording.offers_more(spoken))


def open_conversation(conversation: Conversation, subject: Subject) -> tuple[Conversation, Reply]:
    """Nobody has said anything yet."""
    text = wording.greeting(subject.prompt)
    return replace(conversation, said=text), Reply(text)


def _understand(conversation: Conversation, text: str, subject: Subject) -> tuple[Conversation, Reply]:
    remark = small_talk(text)
    if remark in ("goodbye", "repeat", "person", "wait", "presence"):
        return _remark(conversation, remark, subject)
    if conversation.task is not None:
        return _go_on(conversation, conversation.task, text, remark, subject)
    if conversation.finished is not None and (changed := _correction(conversation.finished, text)):
        return _proceed(conversation, changed)
    if conversation.offered and is_no(text) and len(text.split()) <= _SHORT_REFUSAL:
        return _remark(conversation, "goodbye", subject)
    if remark is not None and remark != "call-back":
        return _remark(conversation, remark, subject)
    core = without_politeness(text)
    found = subject.index.find(core)
    if found.tool is not None and found.tool_score >= found.entry_score:
        return _begin(conversation, found.tool, found.tool.begun_with(core))
    if found.entry is not None:
        return replace(conversation, misunderstood=0), Reply(spoken_answer(found.entry))
    if len(core.split()) <= _SHORT_REQUEST and (fitting := subject.index.tool_for_values(core)) is not None:
        return _begin(conversation, *fitting)
    if remark is not None:
        return _remark(conversation, remark, subject)
    if (search := subject.search) is not None and core and not is_yes(text) and not is_no(text):
        # What the prompt does not say may stand in the documents.
        return _begin(conversation, search, search.begun_with(core))
    if (asked := asked_about(core)) is not None:
        answer = wording.no_information(asked.name, subject.prompt, subject.tools)
        return replace(conversation, misunderstood=0), Reply(answer)
    if is_yes(text):
        return replace(conversation, misunderstood=0), Reply("Of course. What can I do for you?")
    if is_no(text) and len(text.split()) <= _SHORT_REFUSAL:
        return replace(conversation, misunderstood=0), Reply(f"All right. {wording.anything_else(conversation.turns)}")
    if (other := subject.hand_over_about(core)) is not None:
        return replace(conversation, misunderstood=0), Reply(call=other, arguments=other.find_values(core, None))
    return _not_understood(conversation, subject)


def _begin(conversation: Conversation, tool: Tool, known: Mapping[str, Any]) -> tuple[Conversation, Reply]:
    """Take up a task. What was just looked up (the free times of a day) is what it is about, unless said otherwise."""
    before = conversation.finished
    carried: Mapping[str, Any] = {}
    if before is not None and before.tool.lookup and before.tool.name != tool.name:
        carried = {name: value for name, value in before.known.items() if tool.slot(name) is not None}
    return _proceed(conversation, Task(tool, {**carried, **known}))


def _go_on(
    conversation: Conversation, task: Task, text: str, remark: SmallTalk | None, subject: Subject
) -> tuple[Conversation, Reply]:
    """The caller is in the middle of a task: an answer, a correction, a question in between, or a change of mind."""
    core = without_politeness(text)
    new = task.tool.find_values(core, task.asked)
    found = subject.index.find(core)
    in_between = found.entry is not None and found.entry_score > found.tool_score
    if not new and (remark == "abandon" or (remark == "finished" and is_no(text))):
        return _drop(conversation)
    if task.confirming and not new:
        if is_yes(text):
            return _call(conversation, task)
        if is_no(text) and not in_between:
            return replace(conversation, misunderstood=0), Reply("All right. What should I change?")
    if found.entry is not None and in_between and (not new or task.tool.slot_kinds(new) <= {"text", "name"}):
        answer = f"{spoken_answer(found.entry)} {_pending_question(task)}"
        return replace(conversation, misunderstood=0), Reply(answer)
    if new:
        return _proceed(conversation, replace(task, known={**task.known, **new}))
    if found.tool is not None and found.tool.name != task.tool.name:
        return _begin(conversation, found.tool, found.tool.begun_with(core))
    if _CANCEL.search(text):
        return _drop(conversation)
    again = replace(conversation, misunderstood=conversation.misunderstood + 1)
    return again, Reply(f"I am sorry, I did not get that. {_pending_question(task)}")


def _drop(conversation: Conversation) -> tuple[Conversation, Reply]:
    dropped = replace(conversation, task=None, misunderstood=0)
    return dropped, Reply(f"All right, I will not do that. {wording.anything_else(conversation.turns)}")


def _proceed(conversation: Conversation, task: Task) -> tuple[Conversation, Reply]:
    """Ask for what is missing, then for agreement; look-ups need none."""
    missing = task.tool.missing(task.known)
    if missing is not None:
        asked = replace(task, asked=missing.name, confirming=False)
        return replace(conversation, task=asked, misunderstood=0), Reply(wording.slot_question(missing))
    if task.tool.lookup:
        return _call(conversation, task)
    confirming = replace(task, asked=None, confirming=True)
    question = wording.confirmation(task.tool, task.known)
    return replace(conversation, task=confirming, misunderstood=0), Reply(question)


def _call(conversation: Conversation, task: Task) -> tuple[Conversation, Reply]:
    done = replace(conversation, task=None, finished=task, misunderstood=0)
    return done, Reply(call=task.tool, arguments=dict(task.known))


def _correction(finished: Task, text: str) -> Task | None:
    """The finished task with what the caller wants otherwise, if that is what ``text`` says."""
    if finished.tool.lookup or not (is_no(text) or text.endswith("instead") or text.startswith(("actually", "sorry"))):
        return None
    new = finished.tool.find_values(without_politeness(text), None)
    return replace(finished, known={**finished.known, **new}, confirming=False) if new else None


def _pending_question(task: Task) -> str:
    if task.asked is not None and (slot := task.tool.slot(task.asked)) is not None:
        return wording.slot_question(slot)
    return wording.confirmation(task.tool, task.known)


def _remark(conversation: Conversation, remark: SmallTalk, subject: Subject) -> tuple[Conversation, Reply]:
    conversation = replace(conversation, misunderstood=0)
    offer = wording.anything_else(conversation.turns)
    match remark:
        case "goodbye" | "finished":
            end = subject.tool_for("end-call")
            if end is not None:
                return conversation, Reply(call=end)
            return conversation, Reply("Thank you for calling. Goodbye!")
        case "wait":
            return conversation, Reply("Of course, take your time.")
        case "presence":
            pending = _pending_question(conversation.task) if conversation.task else "How can I help you?"
            return conversation, Reply(f"Yes, I am here and I can hear you. {pending}")
        case "question":
            return conversation, Reply("Of course. What would you like to know?")
        case "call-back":
            known = wording.abilities(subject.prompt, subject.tools)
            return conversation, Reply(f"I am sorry, I cannot call back or take a message. {known}")
        case "repeat":
            return conversation, Reply(conversation.said or wording.greeting(subject.prompt))
        case "person":
            transfer = subject.tool_for("transfer")
            if transfer is not None:
                return conversation, Reply(call=transfer, arguments=transfer.find_values("", None))
            known = wording.abilities(subject.prompt, subject.tools)
            return conversation, Reply(f"I am sorry, I cannot connect you to a person. {known}")
        case "who-are-you":
            return conversation, Reply(wording.introduction(subject.prompt, subject.tools))
        case "abilities":
            return conversation, Reply(f"{wording.abilities(subject.prompt, subject.tools)} What would you like?")
        case "how-are-you":
            return conversation, Reply("I am fine, thank you. How can I help you?")
        case "thanks":
            return conversation, Reply(f"You are welcome. {offer}")
        case "abandon":
            return conversation, Reply(f"All right. {offer}")
        case "greeting":
            again = "Hello again. What can I do for you?" if conversation.said else wording.greeting(subject.prompt)
            return conversation, Reply(again)


def _not_understood(conversation: Conversation, subject: Subject) -> tuple[Conversation, Reply]:
    text = wording.not_understood(conversation.misunderstood, subject.prompt, subject.tools)
    return replace(conversation, misunderstood=conversation.misunderstood + 1), Reply(text)
