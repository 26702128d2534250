"""What a chat goes on from: the chats before it, or the session that it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from domain.call.artifact import openai_messages
from domain.call.clock import ended_at, started_at
from domain.call.state import Deleted as DeletedCall
from domain.call.usage import add_reading
from domain.chat.events import UsageMetered
from domain.chat.messages import Timed, chat_messages, input_messages
from domain.chat.state import Deleted, KeptChat
from domain.configuration.state import Configuration
from domain.log.ports import Documents, EventLog
from domain.session.aggregate import SESSION
from domain.session.state import ActiveSession, Conversation

LONGEST_CHAIN = 1_000
"""Chats that one conversation may go back over; what is further back is not sent to the model any more."""


class Part(NamedTuple):
    """What was said in one place of a session: by whoever made it, in a chat, or in a call. The same ``key`` always
    means the same messages within one look at the log."""

    key: str
    messages: Sequence[Timed]


class History:
    """Reads what conversations go on from. What was deleted is no part of any of them.

    What was read once is not read again: make one for each look at the log.
    """

    def __init__(self, documents: Documents, log: EventLog) -> None:
        self._documents = documents
        self._log = log
        self._chats: dict[tuple[str, str], KeptChat | None] = {}
        self._sessions: dict[str, list[Configuration]] = {}
        self._said: dict[str, Sequence[Timed]] = {}

    def chat(self, chat_id: str, org_id: str) -> KeptChat | None:
        """The chat, unless it is deleted or another organisation's."""
        if (chat_id, org_id) not in self._chats:
            document = self._documents.get("chat", chat_id, org_id=org_id)
            gone = document is None or isinstance(document.state, Deleted)
            self._chats[chat_id, org_id] = None if gone or document is None else document.state
        return self._chats[chat_id, org_id]

    def before(self, chat: KeptChat) -> list[Timed]:
        """What the chat had before it when it was held: in its session as far as it had seen that, or in the chats
        that it follows."""
        chain = self.chain(chat)
        first = chain[-1] if chain else chat
        said = (timed for part in self.session_parts(first) for timed in part.messages)
        return [*said, *_all(chain[::-1])]

    def up_to(self, chat: KeptChat) -> list[Timed]:
        """The whole conversation, this chat included."""
        return [*self.before(chat), *chat_messages(chat)]

    def chain(self, chat: KeptChat) -> list[KeptChat]:
        """The chats before this one, newest first."""
        return [*self._back(chat)]

    def reading(self, chat: KeptChat) -> Iterator[None]:
        """Read what ``before`` needs, a chat or a call at each step: for who must not be kept waiting by it."""
        first = chat
        for earlier in self._back(chat):
            first = earlier
            yield
        state = self._found_in_session(first)
        for joined in state.conversations if state else ():
            self._said_in(joined, first.identity.org_id)
            yield

    def _back(self, chat: KeptChat) -> Iterator[KeptChat]:
        current: KeptChat | None = chat
        for _ in range(LONGEST_CHAIN):
            if current is None or current.identity.previous_chat_id is None:
                return
            current = self.chat(current.identity.previous_chat_id, chat.identity.org_id)
            if current is not None:
                yield current

    def session(self, session: ActiveSession) -> list[Timed]:
        """Everything that was said in a session: what a client put there, then its chats and calls in order."""
        return [timed for part in self._parts(session) for timed in part.messages]

    def held(self, session: ActiveSession) -> list[Timed]:
        """What was said in the chats and calls of a session."""
        return [timed for joined in session.conversations for timed in self._said_in(joined, session.org_id)]

    def session_parts(self, chat: KeptChat) -> list[Part]:
        """What a chat found in its session when it was held, apart by where it was said."""
        state = self._found_in_session(chat)
        return self._parts(state) if state else []

    def session_usage(self, session: ActiveSession) -> tuple[UsageMetered, ...]:
        """What the chats of a session used, summed."""
        usage: tuple[UsageMetered, ...] = ()
        for joined in session.conversations:
            chat = self.chat(joined.id, session.org_id) if joined.kind == "chat" else None
            for reading in chat.usage if chat else ():
                usage = add_reading(usage, reading)
        return usage

    def _found_in_session(self, chat: KeptChat) -> ActiveSession | None:
        """The session as the chat saw it."""
        identity = chat.identity
        if identity.session_id is None or identity.session_version is None:
            return None
        states = self._states(identity.session_id)[: identity.session_version]
        return states[-1] if states and isinstance(states[-1], ActiveSession) else None

    def _parts(self, session: ActiveSession) -> list[Part]:
        put = [Timed(message, session.created_at) for message in input_messages(session.config.get("messages"))]
        said = (Part(joined.id, self._said_in(joined, session.org_id)) for joined in session.conversations)
        return [Part(f"{session.id}.{session.revision}", put), *said]

    def _states(self, session_id: str) -> list[Configuration]:
        """The session after each of its events."""
        if session_id not in self._sessions:
            states: list[Configuration] = []
            for positioned in self._log.history(session_id):
                states.append(SESSION.evolve(states[-1] if states else None, positioned.recorded))
            self._sessions[session_id] = states
        return self._sessions[session_id]

    def _said_in(self, joined: Conversation, org_id: str) -> Sequence[Timed]:
        if joined.id not in self._said:
            self._said[joined.id] = self._read(joined, org_id)
        return self._said[joined.id]

    def _read(self, joined: Conversation, org_id: str) -> Sequence[Timed]:
        if joined.kind == "chat":
            chat = self.chat(joined.id, org_id)
            return chat_messages(chat) if chat else ()
        document = self._documents.get("call", joined.id, org_id=org_id)
        if document is None or isinstance(document.state, DeletedCall):
            return ()
        call = document.state
        time: datetime = ended_at(call) or started_at(call) or call.identity.created_at
        return [Timed(message, time) for message in openai_messages(call) if message.get("role") != "system"]


def _all(chats: Iterable[KeptChat]) -> list[Timed]:
    return [timed for chat in chats for timed in chat_messages(chat)]
