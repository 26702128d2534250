"""The closed registry, the stored samples of every version, and the checked-in schemas."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

import domain.schemas
from domain.assistant import events as assistant
from domain.call import events as call
from domain.chat import events as chat
from domain.configuration import kinds as configuration_kinds
from domain.event import Event
from domain.file.events import EVENTS as FILES
from domain.knowledge_base.events import EVENTS as KNOWLEDGE_BASES
from domain.log.codec import EventCodec
from domain.log.envelope import type_of
from domain.organization import events as organization
from domain.registry import EVENT_TYPES, EventType, register
from domain.schemas import file_name, incompatibilities, render, schema_of
from domain.session.events import EVENTS as SESSIONS
from domain.traffic.events import EVENTS as TRAFFIC
from domain.webhook.events import EVENTS as WEBHOOKS

FOLDER = Path(domain.schemas.__file__).parent
EVERY_TYPE = [pytest.param(event_type, id=name) for name, event_type in EVENT_TYPES.items()]
SAMPLES = sorted(FOLDER.glob("samples/*/v*.json"))


def test_every_event_class_of_the_domain_is_registered() -> None:
    classes = {
        value
        for module in (organization, assistant, call, chat)
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Event) and value is not Event
    }
    for events in configuration_kinds.EVENTS.values():
        classes |= set(events)
    classes |= {*FILES, *KNOWLEDGE_BASES, *SESSIONS, *TRAFFIC, *WEBHOOKS}
    assert {event_type.event_class for event_type in EVENT_TYPES.values()} == classes


class Opened(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "shop.opened"


class OpenedAgain(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "shop.opened"


class Priced(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "shop.priced"
    VERSION: ClassVar[int] = 2


class Nameless(Event, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "ShopOpened"


def unchanged(data: dict[str, Any]) -> dict[str, Any]:
    return data


@pytest.mark.parametrize(
    ("classes", "upcasters", "reason"),
    [
        ([Opened, OpenedAgain], {}, "shop.opened is claimed by Opened and OpenedAgain"),
        ([Priced], {}, "nothing lifts version 1"),
        ([Opened], {("shop.opened", 1): unchanged}, "do not exist"),
        ([Nameless], {}, "not of the form"),
    ],
)
def test_a_registry_that_could_not_read_its_log_is_not_built(
    classes: list[type[Event]], upcasters: dict[tuple[str, int], Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        register(classes, upcasters)


@pytest.mark.parametrize("event_type", EVERY_TYPE)
def test_every_version_of_every_type_has_a_stored_sample(event_type: EventType) -> None:
    for version in range(1, event_type.version + 1):
        assert (FOLDER / "samples" / event_type.name / f"v{version}.json").is_file()


@pytest.mark.parametrize("path", [pytest.param(path, id=f"{path.parent.name}-{path.stem}") for path in SAMPLES])
def test_every_stored_sample_loads(path: Path) -> None:
    body, codec = path.read_bytes(), EventCodec()
    assert type_of(body) == path.parent.name
    recorded = codec.decode(path.parent.name, body, "originator", 1)
    assert type(recorded.event) is EVENT_TYPES[path.parent.name].event_class
    again = codec.encode(recorded.event, id=recorded.id, time=recorded.time)
    assert codec.decode(path.parent.name, again, "originator", 1) == recorded


@pytest.mark.parametrize("event_type", EVERY_TYPE)
def test_the_checked_in_schema_is_that_of_the_class(event_type: EventType) -> None:
    path = FOLDER / file_name(event_type)
    assert path.is_file(), "run `python -m domain.schemas` and commit the file"
    schema, released = schema_of(event_type), path.read_bytes()
    assert incompatibilities(msgspec.json.decode(released), schema) == [], "raise VERSION and add an upcaster"
    assert released == render(schema), "run `python -m domain.schemas` and commit the file"


def test_no_schema_is_left_without_a_type() -> None:
    names = {path.name for path in FOLDER.glob("*.json")}
    released = {re.sub(r"\.v\d+\.json$", "", name) for name in names}
    assert released == set(EVENT_TYPES)
    assert {path.parent.name for path in SAMPLES} == set(EVENT_TYPES)


def test_personal_fields_are_marked() -> None:
    schema = schema_of(EVENT_TYPES["call.message_committed"])
    assert schema["properties"]["text"]["x-personal"] is True
    assert {"type": "string", "x-personal": True} in schema["properties"]["generated_text"]["anyOf"]


RELEASED = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "x-personal": True},
        "mode": {"enum": ["a", "b"], "default": "a"},
        "count": {"type": "integer"},
        "where": {"$ref": "#/$defs/Place"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name"],
    "$defs": {"Place": {"type": "object", "properties": {"room": {"type": "string"}}, "required": []}},
}


def edited(path: str, value: Any) -> dict[str, Any]:
    schema: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(RELEASED))
    target = schema
    *parents, last = path.split("/")
    for part in parents:
        target = target[part]
    if value is None:
        del target[last]
    else:
        target[last] = value
    return schema


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        (edited("properties/name", None), "data.name was removed"),
        (edited("required", ["name", "count"]), "data.count became required"),
        (edited("properties/mode/enum", ["a"]), "data.mode no longer takes the value 'b'"),
        (edited("properties/mode/default", "b"), "data.mode has another default"),
        (edited("properties/count", {"type": "string"}), "data.count no longer takes type integer"),
        (edited("properties/name", {"type": "string"}), "data.name is no longer marked personal"),
        (edited("$defs/Place/properties/room", None), "data.where.room was removed"),
        (edited("properties/tags/items", {"type": "integer"}), "data.tags.items no longer takes type string"),
    ],
)
def test_a_change_that_stored_events_would_not_survive_is_named(changed: dict[str, Any], problem: str) -> None:
    assert [found for found in incompatibilities(RELEASED, changed) if found.startswith(problem)]


@pytest.mark.parametrize(
    "changed",
    [
        RELEASED,
        edited("properties/extra", {"type": "string", "default": ""}),
        edited("properties/mode/enum", ["a", "b", "c"]),
        edited("properties/count", {"type": "number"}),
        edited("properties/count", {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        edited("required", []),
    ],
)
def test_a_change_that_only_widens_is_allowed(changed: dict[str, Any]) -> None:
    assert incompatibilities(RELEASED, changed) == []
