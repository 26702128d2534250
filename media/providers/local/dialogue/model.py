"""The local language model: a guided conversation behind the language-model protocol.

It is not a generative model and does not pretend to be one. It recognises intents, collects a tool's parameters, calls
the tool, reads its result out, and answers questions with sentences of the system prompt. What is neither in the
prompt nor in a tool it does not know, and says so. The same request always gets the same answer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from media.providers.language_model import ModelFact, ModelRequest, TextDelta, ToolCallRequest, Usage
from media.providers.local.dialogue.conversation import (
    Conversation,
    Reply,
    Subject,
    hear,
    hear_result,
    hear_self,
    open_conversation,
)
from media.providers.local.dialogue.prompt import parse_prompt
from media.providers.local.dialogue.retrieval import Index
from media.providers.local.dialogue.tools import parse_tools

PROVIDER = "vapi"
MODEL = "guided-conversation"

LONGEST_HEARD = 2_000
"""Characters of one message of the caller that are listened to: its last ones, where people ask what they want. Minutes
of speech are shorter; matching a whole pasted document would hold up every call of this process."""

LONGEST_PROMPT = 100_000
"""Characters of the system prompt that are read: its first ones. 400 entries, the most that are kept, are fewer."""

_CHARACTERS_PER_TOKEN = 4
_WORD = re.compile(r"\S+\s*")


class GuidedConversation:
    """Answers from the system prompt, the tools and the messages of a request, and from nothing else."""

    @property
    def provider(self) -> str:
        return PROVIDER

    @property
    def model(self) -> str:
        return MODEL

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelFact, None]:
        """Words one by one, or one tool call, then the usage (estimated from characters)."""
        reply = Reply()
        for so_far in _replies(request.messages, request.tools):
            reply = so_far
            await asyncio.sleep(0)  # a history may be long, and other calls go on between two of its messages
        written = len(reply.text)
        if reply.call is not None:
            arguments = dict(reply.arguments)
            written += len(reply.call.name) + len(msgspec.json.encode(arguments))
            yield ToolCallRequest(f"call_{len(request.messages)}", reply.call.name, arguments)
        for word in _WORD.findall(reply.text):
            yield TextDelta(word)
        read = sum(len(content) for _, content in _texts(request.messages))
        yield Usage(-(-read // _CHARACTERS_PER_TOKEN), -(-written // _CHARACTERS_PER_TOKEN), estimated=True)


def answer(messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> Reply:
    """What a guided conversation says next. ``messages`` and ``tools`` are OpenAI-shaped.

    The answer is to the last thing that the caller or a tool said: words of the assistant after it (a message while a
    tool runs, a beginning that another model wrote) do not change it."""
    return list(_replies(messages, tools))[-1]


def _replies(messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> Iterator[Reply]:
    """The answer as it stands after each message; the last one is the answer to the request. There is always one."""
    system = "\n".join(content for role, content in _texts(messages) if role in ("system", "developer"))
    subject = _subject(system[:LONGEST_PROMPT], msgspec.json.encode(list(tools)))
    conversation = Conversation()
    reply: Reply | None = None
    for role, content in _texts(messages):
        if role == "user":
            conversation, reply = hear(conversation, content[-LONGEST_HEARD:], subject)
        elif role == "tool":
            conversation, reply = hear_result(conversation, content)
        elif role == "assistant" and content:
            conversation = hear_self(conversation, content)
        if reply is not None:
            yield reply
    if reply is None:
        yield open_conversation(conversation, subject)[1]


@lru_cache(maxsize=256)
def _subject(system: str, tools: bytes) -> Subject:
    prompt = parse_prompt(system)
    parsed = parse_tools(msgspec.json.decode(tools))
    return Subject(prompt, parsed, Index(prompt, parsed))


def _texts(messages: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, str]]:
    """Role and text of each message; parts of a content list are joined."""
    for message in messages:
        content = message.get("content")
        if isinstance(content, list):
            content = " ".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
        yield str(message.get("role", "")), content if isinstance(content, str) else ""
