"""The rules of ``POST /chat`` that concern several fields at once, and the order that follows from a valid body."""

from __future__ import annotations

from typing import Any, Final

from api.authentication import Principal
from api.configuration.references import Reference, check_references, under
from api.errors import Issue, Problem, bad_request, invalid
from api.idempotency import CreationIds
from api.resources.assistants import ASSISTANT_REFERENCES
from api.resources.squads import SQUAD_REFERENCES, check_inline_squad
from api.restrictions import check_target
from domain.chat.messages import input_messages
from domain.chats import ChatOrder
from domain.log.ports import Documents

_TARGETS: Final = ("assistantId", "assistant", "squadId", "squad")
_REFERENCES: Final = (
    Reference("assistantId", "assistant"),
    Reference("squadId", "squad"),
    Reference("sessionId", "session"),
    Reference("previousChatId", "chat"),
    *under("assistant", ASSISTANT_REFERENCES),
    *under("squad", SQUAD_REFERENCES),
)


def chat_order(
    body: dict[str, Any], sent: dict[str, Any], ids: CreationIds, principal: Principal, documents: Documents
) -> ChatOrder:
    """What a valid body asks for; ``sent`` is what to keep of it. Raises ``Problem``: 400 for a contradiction, 501 for
    what is not built yet."""
    given = {name for name, value in body.items() if value is not None}
    _check_combination(given)
    check_references(_REFERENCES, body, documents, principal.org_id)
    check_inline_squad(body, documents, principal.org_id)
    if "transport" in given:
        raise Problem(
            501,
            "Chats that are delivered as text messages (transport twilio.sms) are not built yet.",
            detail="Leave out transport and deliver the output yourself.",
        )
    values = (body.get("assistantOverrides") or {}).get("variableValues")
    return ChatOrder(
        chat_id=ids.object_id,
        org_id=principal.org_id,
        request=sent,
        input=tuple(input_messages(body["input"])),
        assistant_id=body.get("assistantId"),
        assistant=body.get("assistant"),
        squad_id=body.get("squadId"),
        squad=body.get("squad"),
        session_id=body.get("sessionId"),
        previous_chat_id=body.get("previousChatId"),
        variable_values=values or {},
        name=body.get("name"),
        actor=principal.key_id,
        commit_id=ids.commit_id,
        public=principal.tag == "public",
    )


def check_page(principal: Principal, body: dict[str, Any], documents: Documents) -> None:
    """Raise ``Problem`` 403 for what a web page may not do with its public key: talk to an assistant that the key is
    not for, or go on from a chat that was not held on a page."""
    previous = documents.get("chat", body.get("previousChatId") or "", org_id=principal.org_id)
    if previous is not None and not previous.state.identity.public:
        raise Problem(
            403,
            "The key may not be used to go on from this chat, which was not held with a public key.",
            detail="Begin a chat of your own, or use a session.",
            code="KEY_RESTRICTED",
        )
    named = {field: body[field] for field in _TARGETS if body.get(field) is not None}
    if not named and previous is not None:
        identity = previous.state.identity
        squad = identity.squad if identity.squad is not None else identity.request.get("squad")
        alone = {"assistantId": identity.assistant_id, "assistant": identity.assistant}
        # Whoever has the word in a squad may hand it on to the others.
        named = {"squadId": identity.squad_id, "squad": squad} if squad or identity.squad_id else alone
    session = documents.get("session", body.get("sessionId") or "", org_id=principal.org_id)
    if not named and session is not None:
        named = {field: session.state.config.get(field) for field in _TARGETS}
    check_target(principal, named)


def _check_combination(given: set[str]) -> None:
    targets = [field for field in _TARGETS if field in given]
    if {"sessionId", "previousChatId"} <= given:
        text = "previousChatId should not exist beside sessionId: a chat goes on from one of them"
        raise invalid([Issue("INVALID_VALUE", text, "/body/previousChatId")])
    if "sessionId" in given and targets:
        rule = "should not exist beside sessionId: the session says who answers"
        raise invalid([Issue("INVALID_VALUE", f"{field} {rule}", f"/body/{field}") for field in targets])
    if len(targets) > 1:
        raise bad_request(
            f"Need Exactly One Of {', '.join(f'`{field}`' for field in targets)}.", detail="Send only one of them."
        )
    if not targets and not given & {"sessionId", "previousChatId"}:
        raise bad_request(
            "Couldn't Get Assistant. Need One Of `assistantId`, `assistant`, `sessionId` Or `previousChatId`.",
            detail="Say who answers, or what the chat goes on from.",
        )
