"""Asking the tenant's own knowledge base before the model answers (``knowledge-base-request``).

``model.knowledgeBase`` of provider ``custom-knowledge-base``, https://docs.vapi.ai/knowledge-base: what it finds stands
before the caller's words, or it answers itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from domain.foreign_json import UnreadableJson, read_json
from domain.server_messages.server import Server, read_server
from media.machine.destinations import message_text
from media.tools.outcome import Failed
from media.tools.tenant_servers import TenantServers

KIND: Final = "knowledge-base-request"
PROVIDER: Final = "custom-knowledge-base"
SECONDS: Final = 10.0
LONGEST_CONTEXT: Final = 32_768
"""Characters of documents that the model is given."""

Message = Mapping[str, Any]


class Found(msgspec.Struct, frozen=True):
    """Texts that the model is to know; none where nothing was found."""

    texts: tuple[str, ...] = ()


class Spoken(msgspec.Struct, frozen=True):
    """The server answers in the model's place."""

    text: str


class KnowledgeQuestions:
    """Of one conversation. ``snapshot`` gives the fields of every message, ``warn`` takes what a person should know."""

    def __init__(
        self,
        servers: TenantServers,
        *,
        snapshot: Callable[[], Mapping[str, Any]],
        warn: Callable[[str, str], None],
    ) -> None:
        self._servers = servers
        self._snapshot = snapshot
        self._warn = warn
        self._asked = 0

    async def informed(self, assistant: Mapping[str, Any], messages: Sequence[Message]) -> Sequence[Message] | Spoken:
        """The conversation as the model is to see it: with what was found before the caller's last words.

        It is asked for what a caller has said last, not again for what a tool answered. Whatever goes wrong leaves the
        conversation as it is, and a warning says why.
        """
        server = knowledge_server(assistant)
        if server is None or not messages or messages[-1].get("role") != "user":
            return messages
        self._asked += 1
        reply = await self._servers.ask(
            server,
            {"type": KIND, "messages": messages, "messagesOpenAIFormatted": messages, **self._snapshot()},
            source=f"{KIND}.{self._asked}",
            whom="The knowledge base",
        )
        if isinstance(reply, Failed):
            return self._without(messages, reply.error)
        if not 200 <= reply.status < 300:
            return self._without(messages, f"HTTP status {reply.status}")
        match read_knowledge_answer(reply.body):
            case Spoken() as spoken:
                return spoken
            case Found(texts=texts):
                return [*messages[:-1], _context(texts), messages[-1]] if texts else messages
            case str(why):
                return self._without(messages, why)

    def _without(self, messages: Sequence[Message], why: str) -> Sequence[Message]:
        self._warn("knowledge-base-not-answered", why)
        return messages


def knowledge_server(assistant: Mapping[str, Any]) -> Server | None:
    """The server of the assistant's own knowledge base; it has ten seconds whatever it is configured with."""
    model = assistant.get("model")
    base = model.get("knowledgeBase") if isinstance(model, Mapping) else None
    if not isinstance(base, Mapping) or base.get("provider") != PROVIDER:
        return None
    server = read_server(base)
    return None if server is None else msgspec.structs.replace(server, timeout_seconds=SECONDS, backoff=None)


def read_knowledge_answer(body: bytes) -> Found | Spoken | str:
    """``{"documents": [{"content", "similarity", "uuid"?}]}`` or ``{"message"}``; or why it is neither."""
    try:
        answer = read_json(body)
    except UnreadableJson as error:
        return f"its answer is {str(error)[:200]}"
    if not isinstance(answer, Mapping):
        return "its answer is not a JSON object"
    if answer.get("message") is not None:
        text = message_text(answer["message"])
        return Spoken(text.strip()) if text and text.strip() else "message in its answer has no content to be said"
    documents = answer.get("documents")
    if not isinstance(documents, list):
        return "its answer has neither a list of documents nor a message"
    texts = [document.get("content") for document in documents if isinstance(document, Mapping)]
    if len(texts) < len(documents) or not all(isinstance(text, str) for text in texts):
        return "a document in its answer has no content"
    return Found(tuple(str(text) for text in texts if str(text).strip()))


def _context(texts: Sequence[str]) -> Message:
    known, left = [], LONGEST_CONTEXT
    for text in texts:
        known.append(text[:left])
        left -= len(text)
        if left <= 0:
            break
    listed = "\n\n".join(f"Document {number}:\n{text}" for number, text in enumerate(known, start=1))
    return {"role": "system", "content": f"These documents may help with what the user said last.\n\n{listed}"}
