"""``/chat``: conversations in writing, from a request to its answer, and what is left of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.authentication import Principal
from api.bodies import check
from api.chat_listing import matching_chats
from api.chat_rules import chat_order, check_page
from api.chat_stream import chat_frames, event_stream, failure, written
from api.configuration.listing import page_metadata
from api.context import ApiContext
from api.documentation import describe
from api.errors import Issue, Problem, invalid, not_found
from api.event_stream import event_body
from api.idempotency import CreationIds, creation_ids, refuse_other_body
from api.models.chat import ChatBody, ChatFilters, ResponsesBody
from api.models.filters import PastQuery, Query, parse_query
from api.piecewise import Pauses
from api.preconditions import expected_version, only_version
from api.response_stream import response_frames, response_object
from api.responses import json_bytes, json_response, list_response
from api.sections import Section
from api.time_travel import present_or_past
from domain.aggregate import Conflicting
from domain.chat.aggregate import CHAT
from domain.chat.commands import DeleteChat
from domain.chat.context import History
from domain.chat.shown import ShownHistory
from domain.chat.state import Chat, Deleted, KeptChat
from domain.chat.wire import chat_body
from domain.chats import ChatOver, ChatText, ChatUnsupported, HeldChat, TooManyChats
from domain.log.receipt import CommitIdReused
from domain.organization.events import KeyTag

_JSON: Final = "application/json"
_STREAM: Final = "text/event-stream"
_MESSAGES: Final = {"type": "array", "items": {"type": "object"}}

CHAT_SHOWS: Final[Mapping[str, Any]] = {
    "status": {"enum": ["completed", "failed"]},
    "messages": _MESSAGES,
    "output": _MESSAGES,
    "cost": {"type": "number"},
    "costs": {"type": "array", "items": {"type": "object"}},
    "error": {"type": "object"},
}
"""The schemas of what a chat shows beyond its request."""


def answered(described: dict[str, Any], schema: dict[str, Any] | None = None) -> dict[str, Any]:
    """A description of a route with the two forms of its answer: JSON (of ``schema``, where that is not described
    otherwise), and a stream of events."""
    responses = described["responses"]
    answer = responses.setdefault(200, {"description": "The answer.", "content": {_JSON: {"schema": schema}}})
    answer["content"][_STREAM] = {"schema": {"type": "string"}}
    return described


RESPONSE: Final = {
    "type": "object",
    "required": ["id", "object", "created_at", "status", "output"],
    "properties": {
        "id": {"type": "string"},
        "object": {"enum": ["response"]},
        "created_at": {"type": "integer"},
        "status": {"enum": ["completed"]},
        "output": _MESSAGES,
    },
}
"""A response of OpenAI's Responses API, as far as clients have to rely on it."""


def chat_routes(context: ApiContext) -> APIRouter:
    """Hold, list, read and delete chats."""
    router = Section(tags=["Chats"])
    desk = ChatDesk(context)
    commands, documents, log = context.dependencies.commands, context.dependencies.documents, context.dependencies.log

    @router.post(
        "/chat", summary="Send a message and get the answer", **answered(describe(body=ChatBody, returns=ChatBody))
    )
    async def create(request: Request) -> Response:
        return await desk.chat(request, "private")

    @router.post(
        "/chat/web",
        summary="Send a message from a web page, with the public key",
        **answered(describe(body=ChatBody, returns=ChatBody)),
    )
    async def create_from_page(request: Request) -> Response:
        return await desk.chat(request, "public")

    @router.post(
        "/chat/responses",
        summary="Send a message as OpenAI's clients do; the answer is a response",
        **answered(describe(body=ResponsesBody), RESPONSE),
    )
    async def respond(request: Request) -> Response:
        return await desk.response(request, "private")

    @router.post(
        "/chat/web/responses",
        summary="Send a message from a web page as OpenAI's clients do, with the public key",
        **answered(describe(body=ResponsesBody), RESPONSE),
    )
    async def respond_to_page(request: Request) -> Response:
        return await desk.response(request, "public")

    @router.get(
        "/chat", summary="List chats, newest first", **describe(query=ChatFilters, returns=ChatBody, listed="page")
    )
    async def listing(request: Request) -> Response:
        principal = await context.caller(request)
        filters = parse_query(request, ChatFilters)
        found, total = await matching_chats(context, principal, filters)
        history, pauses, shown = ShownHistory(History(documents, log)), Pauses(), list[bytes]()
        for chat in found:
            await pauses.between(history.writing(chat))
            shown.append(json_bytes(chat_body(chat, history.before(chat))))
            await pauses.rest()
        return list_response(shown, page_metadata(total, filters), position=context.seen(principal))

    @router.get("/chat/{id}", summary="Get a chat, now or as it was", **describe(query=PastQuery, returns=ChatBody))
    async def read(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        state = _kept(present_or_past(context, request, CHAT, id, principal, "Chat"), id)
        history = History(documents, log)
        await Pauses().between(history.reading(state))
        body = chat_body(state, history.before(state))
        return json_response(body, position=context.seen(principal), version=state.version)

    @router.delete("/chat/{id}", summary="Delete a chat", **describe(returns=ChatBody))
    async def delete(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        aggregate = only_version(CHAT, expected_version(request))
        document = documents.get("chat", id, org_id=principal.org_id)
        if document is None:
            raise not_found("Chat", id)
        state = _kept(document.state, id)
        history = History(documents, log)
        await Pauses().between(history.reading(state))
        body = chat_body(state, history.before(state))
        command = DeleteChat(org_id=principal.org_id, actor=principal.key_id)
        _, appended = await commands.execute(aggregate, id, command)
        return json_response(body, position=appended.position)

    @router.get("/chat/{id}/events", summary="The history of a chat", **describe())
    async def events(request: Request, id: str) -> Response:
        principal = await context.caller(request)
        parse_query(request, Query)
        if documents.get("chat", id, org_id=principal.org_id) is None:
            raise not_found("Chat", id)
        return json_response(
            [event_body(positioned) for positioned in log.history(id)], position=context.seen(principal)
        )

    return router


class ChatDesk:
    """Takes requests for answers, in both forms and with both kinds of key."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._documents = context.dependencies.documents
        self._log = context.dependencies.log

    async def chat(self, request: Request, tag: KeyTag) -> Response:
        """The answer as a chat, whole or as it is written."""
        principal = await self._context.caller(request, tag)
        body = await self._context.body(request)
        check(ChatBody, body)
        ids, held = await self._held(request, principal, tag, body, body)
        if body.get("stream"):
            return event_stream(chat_frames(ids.object_id, body.get("sessionId"), held))
        over = await self._over(held)
        return json_response(chat_body(over.chat, over.before), position=over.position, version=over.chat.version)

    async def response(self, request: Request, tag: KeyTag) -> Response:
        """The answer as a response, as it is written unless the client asks for JSON."""
        principal = await self._context.caller(request, tag)
        sent = await self._context.body(request)
        check(ResponsesBody, sent)
        ids, held = await self._held(request, principal, tag, _as_chat(sent), sent)
        if _streamed(request, sent):
            return event_stream(response_frames(ids.object_id, sent, held))
        over = await self._over(held)
        return json_response(response_object(over.chat), position=over.position)

    async def _held(
        self, request: Request, principal: Principal, tag: KeyTag, body: dict[str, Any], sent: dict[str, Any]
    ) -> tuple[CreationIds, HeldChat]:
        dependencies = self._context.dependencies
        ids = creation_ids(request, principal.org_id, dependencies.new_id)
        body, sent = self._context.sealed(principal, body), self._context.sealed(principal, sent)
        if (earlier := self._earlier(ids, principal, sent)) is not None:
            return ids, earlier
        if dependencies.chats is None:
            raise Problem(501, "This node holds no chats.", detail="Ask a node with the role api or up.")
        if tag == "public":
            check_page(principal, body, self._documents)
        order = chat_order(body, sent, ids, principal, self._documents)
        try:
            held = await dependencies.chats.hold(order)
        except ChatUnsupported as unsupported:
            raise Problem(501, str(unsupported), detail=unsupported.fix) from None
        except TooManyChats as many:
            raise Problem(
                503,
                f"No new chats are taken: {many}.",
                detail="Try again in a moment.",
                code="NOT_READY",
                headers={"retry-after": "1"},
            ) from None
        return ids, Repeatable(held, lambda: self._earlier(ids, principal, sent))

    def _earlier(self, ids: CreationIds, principal: Principal, sent: object) -> HeldChat | None:
        """The chat that a request with the same ``Idempotency-Key`` made."""
        if not ids.repeatable:
            return None
        document = self._documents.get("chat", ids.object_id, org_id=principal.org_id)
        if document is None:
            return None
        refuse_other_body(self._log, ids.object_id, "request", sent)
        before = tuple(History(self._documents, self._log).before(document.state))
        return RecordedChat(ChatOver(document.state, before, self._context.seen(principal)))

    async def _over(self, held: HeldChat) -> ChatOver:
        over = await held.over()
        if (problem := failure(over.chat)) is not None:
            raise problem
        return over


class RecordedChat:
    """Implements ``HeldChat`` for a chat that was answered before."""

    def __init__(self, over: ChatOver) -> None:
        self._over = over
        self.began_at = over.chat.identity.created_at

    async def texts(self) -> AsyncIterator[ChatText]:
        """Each message of the answer in one piece."""
        for text in written(self._over.chat):
            yield text

    async def over(self) -> ChatOver:
        """The chat as it was recorded."""
        return self._over


class Repeatable:
    """Implements ``HeldChat`` for one that another request with the same key may have had answered before us: between
    our look and our commit."""

    def __init__(self, held: HeldChat, earlier: Callable[[], HeldChat | None]) -> None:
        self._held = held
        self._earlier = earlier
        self.began_at = held.began_at

    def texts(self) -> AsyncIterator[ChatText]:
        """As ours."""
        return self._held.texts()

    async def over(self) -> ChatOver:
        """Ours, or the one that was first."""
        try:
            return await self._held.over()
        except (Conflicting, CommitIdReused):
            earlier = self._earlier()
            if earlier is None:
                raise
            return await earlier.over()


def _as_chat(sent: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a response's request as that of a chat. Raises ``Problem`` 400 where it names two earlier chats."""
    body = dict(sent)
    previous = body.pop("previous_response_id", None)
    if previous is not None and body.get("previousChatId") is not None:
        text = "previous_response_id should not exist beside previousChatId"
        raise invalid([Issue("INVALID_VALUE", text, "/body/previous_response_id")])
    return body if previous is None else {**body, "previousChatId": previous}


def _streamed(request: Request, sent: Mapping[str, Any]) -> bool:
    """As asked for; where nothing is said, unless the client says that it takes JSON and no stream of events."""
    wanted = sent.get("stream")
    if isinstance(wanted, bool):
        return wanted
    accepted = request.headers.get("accept", "*/*")
    return _JSON not in accepted or _STREAM in accepted


def _kept(state: Chat, chat_id: str) -> KeptChat:
    if isinstance(state, Deleted):
        raise not_found("Chat", chat_id)
    return state
