"""The AsyncAPI document: every reference leads somewhere, every schema is one, every message that is sent fits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from domain.registry import EVENT_TYPES
from domain.server_messages.asyncapi import document
from domain.server_messages.catalogue import MESSAGE_TYPES

DOCUMENT = document("1.2.3", "https://calls.example")


def references(value: Any) -> Iterator[str]:
    match value:
        case {"$ref": str(target), **rest}:
            yield target
            yield from references(rest)
        case dict():
            for name, part in value.items():
                if name != "schema":
                    yield from references(part)
        case list():
            for part in value:
                yield from references(part)


def resolved(target: str) -> Any:
    found: Any = DOCUMENT
    for part in target.removeprefix("#/").split("/"):
        found = found[part]
    return found


def test_every_reference_leads_somewhere() -> None:
    targets = set(references(DOCUMENT))
    assert len(targets) > 100
    assert all(resolved(target) for target in targets)


def test_operations_name_only_messages_of_their_channel() -> None:
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in {"send", "receive"}
        channel = operation["channel"]["$ref"]
        assert all(message["$ref"].startswith(f"{channel}/messages/") for message in operation["messages"])


def test_parameters_are_those_of_the_address() -> None:
    for channel in DOCUMENT["channels"].values():
        assert {f"{{{name}}}" for name in channel.get("parameters", {})} == {
            part for part in channel["address"].split("/") if part.startswith("{")
        }


@pytest.mark.parametrize("name", DOCUMENT["components"]["messages"])
def test_every_payload_is_a_schema(name: str) -> None:
    payload = DOCUMENT["components"]["messages"][name]["payload"]
    assert jsonschema_rs.validator_for(payload.get("schema", payload)) is not None


def test_every_event_and_message_type_is_in_it() -> None:
    names = set(DOCUMENT["components"]["messages"])
    assert {f"event.{name}" for name in EVENT_TYPES} <= names
    assert {f"server.{kind.name}" for kind in MESSAGE_TYPES if "server" in kind.audiences} <= names
    assert msgspec.json.decode(msgspec.json.encode(DOCUMENT)) == DOCUMENT
