"""Who answers a request, with what configuration, and what the conversation goes on from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from domain.aggregate import Refused
from domain.call.resolution import Resolved
from domain.call.squads import Squad, SquadInvalid, read_squad, stored_squad
from domain.call.variables import CallFacts
from domain.chat.context import History
from domain.chat.events import ChatCreated
from domain.chat.messages import Timed
from domain.chat.state import Failed, KeptChat, activation
from domain.chats import ChatOrder
from domain.configuration.lookup import Configurations, NotStored, PastConfigurations, StoredConfigurations
from domain.log.ports import Documents, EventLog
from domain.overrides import VARIABLE_VALUES, apply_overrides
from domain.session.state import ActiveSession, session_status
from media.call.casting import CastingFailed, Role, member_role, resolved_role

_INSTEAD = "Send assistantId, assistant, squadId or squad."


@dataclass(frozen=True, slots=True)
class Prepared:
    """A chat that can be answered. ``stored`` is where its assistants hand over to others that are stored, ``facts``
    what templates know of it."""

    created: ChatCreated
    role: Role
    resolved: Resolved
    before: tuple[Timed, ...]
    customer: Mapping[str, Any]
    stored: Configurations
    facts: CallFacts


class Preparing:
    """Reads from the documents and the log what a request refers to."""

    def __init__(self, documents: Documents, log: EventLog) -> None:
        self._documents = documents
        self._log = log

    def prepare(self, order: ChatOrder, now: datetime) -> Prepared:
        """Raises ``Refused`` that names the field at fault."""
        history = History(self._documents, self._log)
        session = self._session(order, now) if order.session_id is not None else None
        previous = self._previous(order, history) if order.previous_chat_id is not None else None
        stored: Configurations = StoredConfigurations(self._documents, self._log, order.org_id)
        values = {**(previous.identity.variable_values if previous else {}), **order.variable_values}
        if session is not None:
            role = _of_session(session, self._as_they_were(session), history)
        else:
            role = self._role(order, previous, stored, history)
            role = replace(role, layers=(*role.layers, {VARIABLE_VALUES: values}))
        customer = _object(session.config.get("customer")) if session else {}
        facts = CallFacts(
            call_id=order.chat_id,
            type="chat",
            assistant_id=role.assistant_id,
            customer=customer,
            transport={"conversationType": "chat"},
        )
        try:
            # What a session says was filled in when it was created; later values change nothing about it.
            resolved = resolved_role(role, facts, session.created_at if session else now, stored)
        except CastingFailed as missing:
            raise Refused(
                missing.message, field="assistant.model.toolIds", fix="Store the tool, or leave it out."
            ) from None
        before = history.session(session) if session else history.up_to(previous) if previous else []
        created = ChatCreated(
            org_id=order.org_id,
            request=order.request,
            started_at=now,
            assistant_id=role.assistant_id,
            assistant_version=role.version,
            squad_id=role.squad.id if role.squad else None,
            session_id=order.session_id,
            session_version=session.version if session else None,
            previous_chat_id=order.previous_chat_id,
            name=order.name,
            variable_values=values,
            actor=order.actor,
            public=order.public,
            **(_inherited(role, order, previous) if previous is not None else {}),
        )
        return Prepared(
            created=created,
            role=role,
            resolved=resolved,
            before=tuple(before),
            customer=customer,
            stored=self._as_they_were(session) if session else stored,
            facts=facts,
        )

    def _as_they_were(self, session: ActiveSession) -> Configurations:
        """Assistants and squads when the session was created: later changes of them are not the session's."""
        return PastConfigurations(self._log, session.org_id, session.created_at)

    def _session(self, order: ChatOrder, now: datetime) -> ActiveSession:
        document = self._documents.get("session", order.session_id or "", org_id=order.org_id)
        if document is None or not isinstance(document.state, ActiveSession):
            raise _missing("Session", "sessionId", order.session_id)
        if session_status(document.state, now) != "active":
            raise Refused(f"The session {document.id} is completed.", field="sessionId", fix="Create a new session.")
        return document.state

    def _previous(self, order: ChatOrder, history: History) -> KeptChat:
        chat = history.chat(order.previous_chat_id or "", order.org_id)
        if chat is None:
            raise _missing("Chat", "previousChatId", order.previous_chat_id)
        if isinstance(chat, Failed):
            raise Refused(
                f"The chat {chat.identity.id} was not answered ({chat.reason}).",
                field="previousChatId",
                fix="Go on from the chat before it.",
            )
        return chat

    def _role(self, order: ChatOrder, previous: KeptChat | None, stored: Configurations, history: History) -> Role:
        if order.assistant_id is not None:
            return _stored(order.assistant_id, stored, "assistantId")
        if order.assistant is not None:
            return Role(config=order.assistant)
        if (squad := _squad(order.squad_id, order.squad, stored, "squad")) is not None:
            return replace(member_role(squad, squad.members[0]), used=squad.used)
        for chat in (previous, *history.chain(previous)) if previous is not None else ():
            if (role := _of_chat(chat, stored, "previousChatId")) is not None:
                return role
            if chat.identity.session_id is not None:
                document = self._documents.get("session", chat.identity.session_id, org_id=order.org_id)
                if document is not None and isinstance(document.state, ActiveSession):
                    return _of_session(document.state, self._as_they_were(document.state), history)
        raise Refused("The chat has nobody to answer it.", field="previousChatId", fix=_INSTEAD)


def _of_chat(chat: KeptChat, stored: Configurations, field: str) -> Role | None:
    """Who had the word at the end of a chat; ``None`` where another chat or its session tells."""
    identity = chat.identity
    inline = identity.squad if identity.squad is not None else identity.request.get("squad")
    squad = _squad(identity.squad_id, inline, stored, field)
    if (last := activation(chat)) is not None:
        return Role(config=last.assistant, assistant_id=last.assistant_id, version=last.assistant_version, squad=squad)
    if identity.assistant is not None:
        return Role(
            config=identity.assistant,
            assistant_id=identity.assistant_id,
            version=identity.assistant_version,
            squad=squad,
        )
    if squad is not None:
        return replace(member_role(squad, squad.members[0]), used=squad.used)
    return _stored(identity.assistant_id, stored, field) if identity.assistant_id is not None else None


def _of_session(session: ActiveSession, stored: Configurations, history: History) -> Role:
    """Who has the word in a session: whom its chats handed it to, else whom it was created with."""
    config = session.config
    overrides = _object(config.get("assistantOverrides"))
    if config.get("assistantId") is not None:
        return replace(_stored(str(config["assistantId"]), stored, "sessionId"), layers=(overrides,))
    if isinstance(inline := config.get("assistant"), Mapping):
        return Role(config=inline, layers=(overrides,))
    squad = _squad(config.get("squadId"), config.get("squad"), stored, "sessionId")
    if squad is None:
        raise Refused(
            f"The session {session.id} has no assistant.", field="sessionId", fix="Create one with assistantId."
        )
    values = {VARIABLE_VALUES: overrides.get(VARIABLE_VALUES) or {}}
    for joined in reversed(session.conversations):
        chat = history.chat(joined.id, session.org_id) if joined.kind == "chat" else None
        if chat is not None and (last := activation(chat)) is not None:
            return Role(
                config=last.assistant,
                layers=(values,),
                assistant_id=last.assistant_id,
                version=last.assistant_version,
                squad=squad,
            )
    first = member_role(squad, squad.members[0])
    return replace(first, layers=(*first.layers, values), used=squad.used)


def _inherited(role: Role, order: ChatOrder, previous: KeptChat) -> dict[str, Any]:
    """What a chat keeps of who answers where that stands in the chat before it, which may be deleted."""
    if order.assistant_id or order.assistant or order.squad_id or order.squad:
        return {}
    kept: dict[str, Any] = {}
    handed = activation(previous) is not None or (role.squad is not None and previous.identity.assistant is not None)
    if role.assistant_id is None or handed:
        kept["assistant"] = apply_overrides(role.config, role.layers)
    if role.squad is not None and role.squad.id is None:
        identity = previous.identity
        kept["squad"] = identity.squad if identity.squad is not None else identity.request.get("squad")
    return kept


def _squad(squad_id: str | None, inline: Any, stored: Configurations, field: str) -> Squad | None:
    """Raises ``Refused`` for one that cannot hold a conversation."""
    try:
        if squad_id is not None:
            return stored_squad(squad_id, stored)
        return read_squad(inline, stored) if isinstance(inline, Mapping) else None
    except (NotStored, SquadInvalid) as wrong:
        raise Refused(str(wrong), field=field, fix="Name a squad whose members can all be found.") from None


def _stored(assistant_id: str, stored: Configurations, field: str) -> Role:
    try:
        found = stored.find("assistant", assistant_id)
    except NotStored:
        raise _missing("Assistant", field, assistant_id) from None
    return Role(config=found.config, assistant_id=found.id, version=found.version)


def _missing(noun: str, field: str, wanted: object) -> Refused:
    return Refused(f"Couldn't Get {noun}. `{field}` {wanted} Does Not Exist.", field=field)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
