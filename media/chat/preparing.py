"""Who answers a request, with what configuration, and what the conversation goes on from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from domain.aggregate import Refused
from domain.assistant.aggregate import ASSISTANT
from domain.assistant.state import ActiveAssistant, version_label
from domain.call.resolution import Resolved, resolve_assistant
from domain.call.variables import CallFacts
from domain.chat.context import History
from domain.chat.events import ChatCreated
from domain.chat.messages import Timed
from domain.chat.state import Failed, KeptChat
from domain.chats import ChatOrder, ChatUnsupported
from domain.configuration.lookup import NotStored, StoredConfigurations
from domain.log.ports import Documents, EventLog
from domain.overrides import apply_overrides
from domain.session.state import ActiveSession, session_status

_NO_SQUADS = "Chats with squads are not built yet."
_INSTEAD = "Send assistantId or assistant."


class Target(NamedTuple):
    """The configuration that answers, before its templates are filled in; ``overrides`` are those of a session."""

    config: Mapping[str, Any]
    assistant_id: str | None
    version: str | None
    overrides: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A chat that can be answered."""

    created: ChatCreated
    resolved: Resolved
    before: tuple[Timed, ...]
    customer: Mapping[str, Any]


class Preparing:
    """Reads from the documents and the log what a request refers to."""

    def __init__(self, documents: Documents, log: EventLog) -> None:
        self._documents = documents
        self._log = log

    def prepare(self, order: ChatOrder, now: datetime) -> Prepared:
        """Raises ``Refused`` that names the field at fault, and ``ChatUnsupported``."""
        history = History(self._documents, self._log)
        session = self._session(order, now) if order.session_id is not None else None
        previous = self._previous(order, history) if order.previous_chat_id is not None else None
        target = self._target(order, session, previous, history)
        values = {**(previous.identity.variable_values if previous else {}), **order.variable_values}
        customer = _object(session.config.get("customer")) if session else {}
        moment = session.created_at if session else now
        facts = CallFacts(
            call_id=order.chat_id,
            type="chat",
            assistant_id=target.assistant_id,
            customer=customer,
            transport={"conversationType": "chat"},
        )
        # What a session says was filled in when it was created; later values change nothing about it.
        layers = [target.overrides] if session else [target.overrides, {"variableValues": values}]
        stored = StoredConfigurations(self._documents, self._log, order.org_id)
        try:
            resolved = resolve_assistant(target.config, layers, facts, moment, stored=stored)
        except NotStored as missing:
            raise Refused(
                str(missing), field="assistant.model.toolIds", fix="Store the tool, or leave it out."
            ) from None
        before = history.session(session) if session else history.up_to(previous) if previous else []
        # The chat that it comes from may be deleted.
        inherited = previous is not None and target.assistant_id is None and order.assistant is None
        created = ChatCreated(
            org_id=order.org_id,
            request=order.request,
            started_at=now,
            assistant_id=target.assistant_id,
            assistant_version=target.version,
            session_id=order.session_id,
            session_version=session.version if session else None,
            previous_chat_id=order.previous_chat_id,
            name=order.name,
            variable_values=values,
            actor=order.actor,
            public=order.public,
            assistant=apply_overrides(target.config, [target.overrides]) if inherited else None,
        )
        return Prepared(created, resolved, tuple(before), customer)

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

    def _target(
        self, order: ChatOrder, session: ActiveSession | None, previous: KeptChat | None, history: History
    ) -> Target:
        if session is not None:
            return self._of_session(session)
        if order.assistant_id is not None:
            return self._stored(order.assistant_id, order.org_id, "assistantId")
        if order.assistant is not None:
            return Target(order.assistant, None, None)
        for chat in (previous, *history.chain(previous)) if previous is not None else ():
            if chat.identity.assistant_id is not None:
                return self._stored(chat.identity.assistant_id, order.org_id, "previousChatId")
            if chat.identity.assistant is not None:
                return Target(chat.identity.assistant, None, None)
            if chat.identity.session_id is not None:
                document = self._documents.get("session", chat.identity.session_id, org_id=order.org_id)
                if document is not None and isinstance(document.state, ActiveSession):
                    return self._of_session(document.state)
        raise Refused("The chat has nobody to answer it.", field="previousChatId", fix=_INSTEAD)

    def _of_session(self, session: ActiveSession) -> Target:
        """The assistant as it was when the session was created: later changes of it are not the session's."""
        config = session.config
        overrides = _object(config.get("assistantOverrides"))
        if config.get("assistantId") is not None:
            return self._as_it_was(str(config["assistantId"]), session)._replace(overrides=overrides)
        if isinstance(inline := config.get("assistant"), Mapping):
            return Target(inline, None, None, overrides)
        if config.get("squadId") is not None or config.get("squad") is not None:
            raise ChatUnsupported(_NO_SQUADS, "Create a session with assistantId or assistant.")
        raise Refused(
            f"The session {session.id} has no assistant.", field="sessionId", fix="Create one with assistantId."
        )

    def _as_it_was(self, assistant_id: str, session: ActiveSession) -> Target:
        state = None
        for positioned in self._log.history(assistant_id):
            if state is not None and positioned.recorded.time > session.created_at:
                break
            state = ASSISTANT.evolve(state, positioned.recorded)
        if state is None or state.org_id != session.org_id:
            raise _missing("Assistant", "sessionId", assistant_id)
        return Target(state.config, assistant_id, version_label(state))

    def _stored(self, assistant_id: str, org_id: str, field: str) -> Target:
        document = self._documents.get("assistant", assistant_id, org_id=org_id)
        if document is None or not isinstance(document.state, ActiveAssistant):
            raise _missing("Assistant", field, assistant_id)
        return Target(document.state.config, assistant_id, version_label(document.state))


def _missing(noun: str, field: str, wanted: object) -> Refused:
    return Refused(f"Couldn't Get {noun}. `{field}` {wanted} Does Not Exist.", field=field)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
