"""Where a conversation stands, and what to answer: one pure step per message.

The state is never stored. It is folded anew from the messages of each request, which makes the model stateless and
its answers a function of the request alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from media.providers.local.dialogue import wording
from media.providers.local.dialogue.prompt import Prompt
from media.providers.local.dialogue.retrieval import Index, spoken_answer
from media.providers.local.dialogue.smalltalk import SmallTalk, small_talk, without_politeness
from media.providers.local.dialogue.tools import Tool
from media.providers.local.dialogue.values import is_no, is_yes
from media.providers.local.language.spoken import spoken_words

_SUBJECT_BEATS_ANSWER = 0.15
"""How much better than its threshold a question must match before it counts as one in the middle of a task."""


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


def hear(conversation: Conversation, said: str, subject: Subject) -> tuple[Conversation, Reply]:
    """The caller said ``said``."""
    text = spoken_words(said)
    conversation = replace(conversation, turns=conversation.turns + 1)
    understood, reply = _understand(conversation, text, subject)
    return replace(understood, offered=reply.text.endswith(_offers()), said=reply.text or understood.said), reply


def hear_result(conversation: Conversation, content: str) -> tuple[Conversation, Reply]:
    """A tool answered ``content``."""
    text = wording.tool_result(content, conversation.turns)
    return replace(conversation, said=text, offered=text.endswith(_offers())), Reply(text)


def open_conversation(conversation: Conversation, subject: Subject) -> tuple[Conversation, Reply]:
    """Nobody has said anything yet."""
    text = wording.greeting(subject.prompt)
    return replace(conversation, said=text), Reply(text)


def _understand(conversation: Conversation, text: str, subject: Subject) -> tuple[Conversation, Reply]:
    remark = small_talk(text)
    if remark in ("goodbye", "repeat", "person"):
        return _remark(conversation, remark, subject)
    if conversation.task is not None:
        return _go_on(conversation, conversation.task, text, remark, subject)
    if conversation.finished is not None and (changed := _correction(conversation.finished, text)):
        return _proceed(conversation, changed, "")
    if remark is not None:
        return _remark(conversation, remark, subject)
    if conversation.offered and is_no(text):
        return _remark(conversation, "goodbye", subject)
    core = without_politeness(text)
    found = subject.index.find(core)
    if found.tool is not None and found.tool_score >= found.entry_score:
        task = Task(found.tool, found.tool.find_values(core, None))
        return _proceed(conversation, task, "")
    if found.entry is not None:
        return replace(conversation, misunderstood=0), Reply(spoken_answer(found.entry))
    if is_yes(text):
        return replace(conversation, misunderstood=0), Reply("Of course. What can I do for you?")
    return _not_understood(conversation, subject)


def _go_on(
    conversation: Conversation, task: Task, text: str, remark: SmallTalk | None, subject: Subject
) -> tuple[Conversation, Reply]:
    """The caller is in the middle of a task."""
    if remark == "abandon" or (remark == "finished" and is_no(text)):
        dropped = replace(conversation, task=None, misunderstood=0)
        return dropped, Reply(f"All right, I will not do that. {wording.anything_else(conversation.turns)}")
    core = without_politeness(text)
    new = task.tool.find_values(core, task.asked)
    if task.confirming and not new:
        if is_yes(text):
            return _call(conversation, task)
        if is_no(text):
            open_again = replace(task, confirming=False, asked=None)
            question = "All right. What should I change?"
            return replace(conversation, task=replace(open_again, confirming=True), misunderstood=0), Reply(question)
    if not new or task.confirming:
        found = subject.index.find(core)
        other = found.tool if found.tool is not None and found.tool.name != task.tool.name else None
        if found.entry is not None and not new and found.entry_score > found.tool_score:
            answer = f"{spoken_answer(found.entry)} {_pending_question(task)}"
            return replace(conversation, misunderstood=0), Reply(answer)
        if other is not None and not new:
            return _proceed(conversation, Task(other, other.find_values(core, None)), "")
    if new:
        return _proceed(conversation, replace(task, known={**task.known, **new}), "")
    again = replace(conversation, misunderstood=conversation.misunderstood + 1)
    return again, Reply(f"I am sorry, I did not get that. {_pending_question(task)}")


def _proceed(conversation: Conversation, task: Task, before: str) -> tuple[Conversation, Reply]:
    """Ask for what is missing, then for agreement; look-ups need none."""
    missing = task.tool.missing(task.known)
    if missing is not None:
        asked = replace(task, asked=missing.name, confirming=False)
        return replace(conversation, task=asked, misunderstood=0), Reply(before + wording.slot_question(missing))
    if task.tool.lookup:
        return _call(conversation, task)
    confirming = replace(task, asked=None, confirming=True)
    question = wording.confirmation(task.tool, task.known)
    return replace(conversation, task=confirming, misunderstood=0), Reply(before + question)


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


def _offers() -> tuple[str, ...]:
    return tuple(wording.anything_else(count) for count in range(3))
