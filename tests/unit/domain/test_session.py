"""Sessions as histories: configurations that conversations join."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from domain.aggregate import NotFound, Refused
from domain.configuration.commands import DeleteConfiguration, UpdateConfiguration
from domain.configuration.state import ActiveConfiguration, DeletedConfiguration
from domain.session.aggregate import CONVERSATIONS, SESSION, JoinConversation
from domain.session.events import CONFIGURATION_EVENTS, ConversationJoined
from domain.session.state import ActiveSession, session_status
from tests.unit.domain.specification import START, fold, given

CREATED = CONFIGURATION_EVENTS.created(org_id="org", config={"assistantId": "a", "expirationSeconds": 60})
JOINED = ConversationJoined(kind="chat", conversation_id="c1")


def join(conversation_id: str = "c1", org_id: str = "org", after: float = 1) -> JoinConversation:
    began = START + timedelta(seconds=after)
    return JoinConversation(org_id=org_id, kind="chat", conversation_id=conversation_id, began_at=began)


def test_a_conversation_joins_once() -> None:
    given(CONVERSATIONS, CREATED).when(join()).then(JOINED)
    given(CONVERSATIONS, CREATED, JOINED).when(join()).then()


def test_a_session_that_is_over_takes_no_more() -> None:
    given(CONVERSATIONS, CREATED).when(join(after=59.9)).then(JOINED)
    given(CONVERSATIONS, CREATED).when(join(after=60)).refused(Refused, because="completed", field="sessionId")
    completed = CONFIGURATION_EVENTS.updated(changes={"status": "completed"})
    given(CONVERSATIONS, CREATED, completed).when(join()).refused(Refused, because="completed")


@pytest.mark.parametrize("history", [(), (CREATED, CONFIGURATION_EVENTS.deleted())])
def test_a_session_that_is_not_there_takes_none(history: tuple[Any, ...]) -> None:
    given(CONVERSATIONS, *history).when(join()).refused(NotFound, because="does not exist", field="sessionId")


def test_another_organizations_session_does_not_exist() -> None:
    given(CONVERSATIONS, CREATED).when(join(org_id="other")).refused(NotFound, because="does not exist")


def test_it_is_a_configuration_as_any_other() -> None:
    update = UpdateConfiguration(org_id="org", changes={"name": "visit"})
    given(SESSION, CREATED, JOINED).when(update).then(CONFIGURATION_EVENTS.updated(changes={"name": "visit"}))
    given(SESSION, CREATED, JOINED).when(DeleteConfiguration(org_id="org")).then(CONFIGURATION_EVENTS.deleted())
    state = fold(SESSION, [CREATED, JOINED, CONFIGURATION_EVENTS.updated(changes={"name": "visit"})])
    assert isinstance(state, ActiveConfiguration)
    assert (state.revision, state.version, state.config["name"]) == (2, 3, "visit")
    assert SESSION.keys(state).reference == "a"
    assert isinstance(fold(SESSION, [CREATED, JOINED, CONFIGURATION_EVENTS.deleted()]), DeletedConfiguration)


def test_messages_that_a_client_puts_there_begin_a_new_history() -> None:
    messages = CONFIGURATION_EVENTS.updated(changes={"messages": [{"role": "user", "content": "Hi"}]})
    state = fold(SESSION, [CREATED, JOINED, messages])
    assert isinstance(state, ActiveSession)
    assert state.conversations == ()


def test_it_is_over_when_its_time_is_or_somebody_says_so() -> None:
    state = fold(SESSION, [CREATED])
    assert isinstance(state, ActiveSession)
    assert session_status(state, START + timedelta(seconds=59)) == "active"
    assert session_status(state, START + timedelta(seconds=60)) == "completed"
    unlimited = fold(SESSION, [CONFIGURATION_EVENTS.created(org_id="org", config={})])
    assert isinstance(unlimited, ActiveSession)
    assert session_status(unlimited, START + timedelta(hours=23)) == "active"
    assert session_status(unlimited, START + timedelta(hours=24)) == "completed"


names = st.sampled_from("abcdef")
changes = st.one_of(
    st.builds(lambda name: ConversationJoined(kind="chat", conversation_id=name), names),
    st.builds(lambda name: CONFIGURATION_EVENTS.updated(changes={"name": name}), names),
    st.just(CONFIGURATION_EVENTS.updated(changes={"messages": []})),
)


@for_all(st.lists(changes, max_size=12))
def test_the_history_is_what_joined_since_messages_were_put_there(events: list[Any]) -> None:
    state = fold(SESSION, [CREATED, *events])
    expected: list[str] = []
    for event in events:
        if isinstance(event, ConversationJoined):
            expected.append(event.conversation_id)
        elif "messages" in event.changes:
            expected = []
    assert isinstance(state, ActiveSession)
    assert [joined.id for joined in state.conversations] == expected
