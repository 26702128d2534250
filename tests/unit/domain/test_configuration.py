from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from domain.aggregate import Conflicting, NotFound
from domain.assistant.aggregate import ASSISTANT
from domain.assistant.events import AssistantCreated, AssistantDeleted, AssistantReplaced, AssistantUpdated
from domain.assistant.state import Assistant, DeletedAssistant, version_label
from domain.assistant.wire import assistant_fields
from domain.configuration.commands import (
    ConfigurationCommand,
    CreateConfiguration,
    DeleteConfiguration,
    ReplaceConfiguration,
    RestoreConfiguration,
    UpdateConfiguration,
)
from domain.configuration.kinds import CONFIGURATIONS, EVENTS
from domain.configuration.wire import configuration_body
from domain.event import Event
from domain.registry import EVENT_TYPES
from domain.session.events import CONFIGURATION_EVENTS as SESSION_EVENTS
from domain.write_only import shown_event, without_secrets
from tests.unit.domain.specification import ORIGINATOR, fold, given, recorded

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def assistant_body(state: Assistant) -> dict[str, Any]:
    return {**configuration_body("assistant", state), **assistant_fields(state)}


CREATED = AssistantCreated(org_id="org", config={"name": "Mary", "model": {"provider": "vapi", "temperature": 0.2}})

configs = st.dictionaries(
    st.sampled_from("abcdef"), st.none() | st.integers() | st.dictionaries(st.just("x"), st.integers())
)


def test_an_assistant_is_created_from_the_body_as_sent() -> None:
    given(ASSISTANT).when(CreateConfiguration(org_id="org", config=CREATED.config)).then(CREATED)


def test_read_only_fields_that_a_client_sends_back_are_not_configuration() -> None:
    sent_back = {"id": "x", "orgId": "y", "createdAt": "z", "updatedAt": "z", "latestVersion": "v1", "name": "Mary"}
    command = UpdateConfiguration(org_id="org", changes=sent_back)
    given(ASSISTANT, CREATED).when(command).then(AssistantUpdated(changes={"name": "Mary"}))


def test_an_assistant_is_created_once() -> None:
    given(ASSISTANT, CREATED).when(CreateConfiguration(org_id="org", config={})).refused(Conflicting, because="exists")


@pytest.mark.parametrize(
    "command", [UpdateConfiguration(org_id="other", changes={}), DeleteConfiguration(org_id="other")]
)
def test_another_organizations_assistant_does_not_exist(command: ConfigurationCommand) -> None:
    given(ASSISTANT, CREATED).when(command).refused(NotFound, because="does not exist")


@pytest.mark.parametrize("command", [UpdateConfiguration(org_id="org", changes={}), DeleteConfiguration(org_id="org")])
def test_a_deleted_assistant_does_not_exist(command: ConfigurationCommand) -> None:
    given(ASSISTANT, CREATED, AssistantDeleted()).when(command).refused(NotFound, because="does not exist")


def test_an_update_replaces_whole_fields_and_keeps_the_others() -> None:
    state = fold(ASSISTANT, [CREATED, AssistantUpdated(changes={"model": {"provider": "openai"}})])
    assert state.config == {"name": "Mary", "model": {"provider": "openai"}}


def test_an_explicit_null_clears_a_field_and_is_shown() -> None:
    state = fold(ASSISTANT, [CREATED, AssistantUpdated(changes={"name": None})])
    assert assistant_body(state)["name"] is None


@for_all(st.lists(configs, max_size=6))
def test_every_update_is_a_version_and_every_past_version_is_a_replay(changes: list[dict[str, Any]]) -> None:
    events = [CREATED, *(AssistantUpdated(changes=change) for change in changes)]
    expected: dict[str, Any] = {}
    for version in range(1, len(events) + 1):
        state = fold(ASSISTANT, events[:version])
        expected |= CREATED.config if version == 1 else changes[version - 2]
        assert state.config == expected
        assert version_label(state) == f"v{version}"


def test_a_deleted_assistant_keeps_its_last_configuration_and_is_not_listed() -> None:
    state = fold(ASSISTANT, [CREATED, AssistantDeleted(), AssistantUpdated(changes={"name": "Late"})])
    assert isinstance(state, DeletedAssistant)
    assert state.config == CREATED.config
    assert ASSISTANT.keys(state).deleted


def test_the_body_is_the_configuration_between_what_the_system_knows() -> None:
    body = assistant_body(fold(ASSISTANT, [CREATED, AssistantUpdated(changes={"name": "Eve"})]))
    assert body == {
        "id": ORIGINATOR,
        "orgId": "org",
        "name": "Eve",
        "model": {"provider": "vapi", "temperature": 0.2},
        "createdAt": "2026-11-21T09:00:00.000Z",
        "updatedAt": "2026-11-21T09:00:01.000Z",
        "latestVersion": "v2",
        "isServerUrlSecretSet": False,
    }


def test_secrets_are_written_and_never_read_back() -> None:
    config = {
        "server": {"url": "https://example.com", "secret": "s1"},
        "serverUrlSecret": "s2",
        "credentials": [{"provider": "openai", "apiKey": "s3"}],
        "model": {"tools": [{"type": "function", "server": {"url": "https://example.com", "secret": "s4"}}]},
    }
    body = assistant_body(fold(ASSISTANT, [AssistantCreated(org_id="org", config=config)]))
    assert body["isServerUrlSecretSet"] is True
    assert body["server"] == {"url": "https://example.com"}
    assert body["credentials"] == [{"provider": "openai"}]
    assert body["model"] == {"tools": [{"type": "function", "server": {"url": "https://example.com"}}]}
    assert "serverUrlSecret" not in body


def test_a_tool_parameter_named_like_a_secret_is_no_secret() -> None:
    parameters = {"type": "object", "properties": {"apiKey": {"type": "string"}}}
    config = {"model": {"tools": [{"type": "function", "function": {"name": "f", "parameters": parameters}}]}}
    assert assistant_body(fold(ASSISTANT, [AssistantCreated(org_id="org", config=config)]))["model"] == config["model"]


def test_a_history_begins_with_the_creation() -> None:
    with pytest.raises(NotFound, match=r"assistant\.deleted cannot follow"):
        ASSISTANT.evolve(None, recorded([AssistantDeleted()])[0])


def test_a_restored_configuration_is_exactly_what_it_was_and_a_version_of_its_own() -> None:
    events = [CREATED, AssistantUpdated(changes={"voice": {"provider": "vapi"}, "name": None})]
    command = RestoreConfiguration(org_id="org", revision=1, config=CREATED.config, actor="key")
    restored = AssistantReplaced(config=CREATED.config, restored=1, actor="key")
    given(ASSISTANT, *events).when(command).then(restored)
    state = fold(ASSISTANT, [*events, restored])
    assert (state.config, version_label(state)) == (CREATED.config, "v3")


def test_a_replacement_leaves_nothing_of_what_was_there() -> None:
    command = ReplaceConfiguration(org_id="org", config={"id": "x", "firstMessage": "Hi"})
    replaced = AssistantReplaced(config={"firstMessage": "Hi"})
    given(ASSISTANT, CREATED).when(command).then(replaced)
    assert fold(ASSISTANT, [CREATED, replaced]).config == {"firstMessage": "Hi"}


@pytest.mark.parametrize("kind", CONFIGURATIONS)
def test_every_kind_lives_the_same_life_under_its_own_names(kind: str) -> None:
    aggregate, events = CONFIGURATIONS[kind], EVENTS[kind]
    created = events.created(org_id="org", config={"name": "one"}, actor="key")
    given(aggregate).when(CreateConfiguration(org_id="org", config={"name": "one"}, actor="key")).then(created)
    update = UpdateConfiguration(org_id="org", changes={"name": "two"})
    given(aggregate, created).when(update).then(events.updated(changes={"name": "two"}))
    given(aggregate, created).when(DeleteConfiguration(org_id="org")).then(events.deleted())
    given(aggregate, created, events.deleted()).when(update).refused(NotFound, because=kind.replace("_", " "))
    assert [event.TYPE for event in events] == [f"{kind}.{w}" for w in ("created", "updated", "replaced", "deleted")]
    assert configuration_body(kind, fold(aggregate, [created]))["name"] == "one"


@pytest.mark.parametrize(
    ("kind", "config", "shown"),
    [
        ("credential", {"provider": "openai", "apiKey": "s", "name": "n"}, {"provider": "openai", "name": "n"}),
        (
            "credential",
            {"authenticationPlan": {"type": "oauth2", "url": "u", "clientSecret": "s", "later": "s"}},
            {"authenticationPlan": {"type": "oauth2", "url": "u"}},
        ),
        (
            "credential",
            {"bucketPlan": {"name": "b", "secretAccessKey": "s", "deep": [{"hmacSecret": "s"}]}},
            {"bucketPlan": {"name": "b", "deep": [{}]}},
        ),
        (
            "phone_number",
            {"number": "+1", "twilioAuthToken": "s", "authentication": {"username": "u", "password": "s"}},
            {"number": "+1", "authentication": {"username": "u"}},
        ),
        ("session", {"phoneNumber": {"twilioApiSecret": "s", "name": "n"}}, {"phoneNumber": {"name": "n"}}),
        (
            "tool",
            {"server": {"url": "u", "secret": "s"}, "apiKey": "no secret"},
            {"server": {"url": "u"}, "apiKey": "no secret"},
        ),
    ],
)
def test_what_is_secret_depends_on_where_it_stands(kind: str, config: dict[str, Any], shown: dict[str, Any]) -> None:
    assert without_secrets(config, kind) == shown
    events = {**EVENTS, "session": SESSION_EVENTS}[kind]
    assert shown_event(events.created(org_id="org", config=config))["config"] == shown
    assert shown_event(events.updated(changes=config))["changes"] == shown


def test_no_event_shows_a_secret_of_what_somebody_configured() -> None:
    """What tools were called with, variables and quantities are no configurations; credentials have secrets of their
    own names."""
    told = {"arguments", "values", "variable_values", "quantities"}
    secrets = {"server": {"url": "u", "secret": "s"}, "members": [{"assistant": {"serverUrlSecret": "s"}}]}
    shown = {"server": {"url": "u"}, "members": [{"assistant": {}}]}
    looked_into = set()
    for name, kind in EVENT_TYPES.items():
        hints = get_type_hints(kind.event_class)
        objects = {field for field, hint in hints.items() if hint in (dict[str, Any], dict[str, Any] | None)}
        for field in objects - told if kind.kind != "credential" else ():
            event = msgspec.structs.replace(an_event(kind.event_class), **{field: secrets})
            assert shown_event(event)[field] == shown, (name, field)
            looked_into.add((name, field))
    assert {("chat.created", "squad"), ("call.started", "assistant"), ("call.created", "transport")} <= looked_into


def an_event(kind: type[Event]) -> Event:
    """With nothing in it that need not be."""
    blanks: dict[Any, Any] = {str: "x", int: 1, float: 1.0, bool: True, dict: {}, tuple: (), datetime: NOW}
    values = {}
    for field in msgspec.structs.fields(kind):
        if field.required:
            hint = get_type_hints(kind)[field.name]
            choices = get_args(hint) if get_origin(hint) is Literal else ()
            values[field.name] = choices[0] if choices else blanks.get(get_origin(hint) or hint)
    return kind(**values)
