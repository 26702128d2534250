"""The AsyncAPI document: every reference leads somewhere, every schema is one, every message that is sent fits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from domain.fragments import Fragment, FragmentBatch
from domain.registry import EVENT_TYPES
from domain.server_messages.asyncapi import document
from domain.server_messages.catalogue import MESSAGE_TYPES
from streams.faust.dead_topic import DropRecord, LetterRecord, RetryRequest
from streams.kafka.location import KafkaLocation
from streams.kafka.rules import topic_rules
from streams.leases.kafka import Beat

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


def test_the_document_is_of_the_form_of_asyncapi_3() -> None:
    """Held against the specification's own schema: npm's ``@asyncapi/specs`` 6.11.1, ``schemas/3.0.0.json``."""
    form = jsonschema_rs.validator_for(json.loads((Path(__file__).parent / "asyncapi-3.0.0.json").read_bytes()))
    assert [f"{list(error.instance_path)}: {error.message[:200]}" for error in form.iter_errors(DOCUMENT)] == []
    broken = {**DOCUMENT, "channels": {"x": {"address": 7}}}
    assert not form.is_valid(broken)


@pytest.mark.parametrize("record", [LetterRecord, RetryRequest, DropRecord])
def test_dead_letters_are_described_as_they_are_written(record: type[msgspec.Struct]) -> None:
    schema = DOCUMENT["components"]["messages"]["deadLetter"]["payload"]["schema"]
    fields = {field.encode_name for field in msgspec.structs.fields(record)}
    assert fields <= set(schema["properties"])
    assert msgspec.structs.fields(record)
    assert record.__struct_config__.tag in schema["properties"]["type"]["enum"]


def test_records_of_the_log_and_of_fragments_fit_their_messages() -> None:
    messages = DOCUMENT["components"]["messages"]
    at = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
    batch = FragmentBatch(
        call_id="c", source="call", org_id="o", started_at=at, fragments=(Fragment(seq=1, type="mark.t0", at_ms=1.0),)
    )
    fragments = jsonschema_rs.validator_for(messages["fragments"]["payload"]["schema"])
    fragments.validate(msgspec.to_builtins(batch))
    assert not fragments.is_valid({"call_id": "c"})
    commit = jsonschema_rs.validator_for(messages["commit"]["payload"]["schema"])
    commit.validate([{"id": "e.1", "type": "call.ended", "v": 1, "time": "2026-03-04T09:30:00Z", "data": {}}])
    assert not commit.is_valid([{"id": "e.1"}])


def test_heartbeats_are_described_as_they_are_written() -> None:
    schema = DOCUMENT["components"]["messages"]["heartbeat"]["payload"]["schema"]
    assert {field.encode_name for field in msgspec.structs.fields(Beat)} == set(schema["properties"])
    form = jsonschema_rs.validator_for(schema)
    form.validate(msgspec.to_builtins(Beat(owner="media-1", left=True)))
    assert not form.is_valid({"left": True})


def test_every_topic_that_an_installation_makes_is_described_and_no_other() -> None:
    installation = KafkaLocation.parse("kafka://127.0.0.1:9092")
    made = {installation.topic(rules.name) for rules in topic_rules(4, timedelta(days=7))}
    described = {
        channel["address"]
        for channel in DOCUMENT["channels"].values()
        if {"$ref": "#/servers/log"} in channel["servers"]
    }
    assert described == made


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
            part for part in (channel["address"] or "").split("/") if part.startswith("{")
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
