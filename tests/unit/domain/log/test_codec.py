"""Bodies of events: what is written, what is read, and what is refused by name."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from domain.call.events import CallEnded, MessageCommitted
from domain.event import Event, Recorded
from domain.log.codec import BodyPruned, EventCodec, MalformedEvent, UnknownEventType
from domain.registry import register
from domain.upcasting import NewerEventVersion

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


class LampLit(Event, frozen=True, kw_only=True):
    """Version 1 said ``watts``; version 2 says ``power_w`` and where the lamp is; version 3 splits the place."""

    TYPE: ClassVar[str] = "lamp.lit"
    VERSION: ClassVar[int] = 3
    power_w: float
    building: str
    room: str


def rename_watts(data: dict[str, Any]) -> dict[str, Any]:
    return {"power_w": float(data["watts"]), "place": "unknown/unknown"}


def split_place(data: dict[str, Any]) -> dict[str, Any]:
    building, _, room = data["place"].partition("/")
    return {"power_w": data["power_w"], "building": building, "room": room}


LAMPS = register([LampLit], {("lamp.lit", 1): rename_watts, ("lamp.lit", 2): split_place})


def lamp_body(version: int, data: dict[str, Any]) -> bytes:
    return json.dumps(
        {"id": "c.0", "type": "lamp.lit", "v": version, "time": "2026-11-21T09:30:00Z", "data": data}
    ).encode()


def test_a_body_holds_id_type_version_time_and_data() -> None:
    body = EventCodec().encode(CallEnded(reason="customer-ended-call"), id="c.0", time=NOW)
    assert json.loads(body) == {
        "id": "c.0",
        "type": "call.ended",
        "v": 1,
        "time": "2026-11-21T09:30:00Z",
        "data": {"reason": "customer-ended-call"},
    }


def test_an_event_comes_back_as_it_was() -> None:
    codec = EventCodec()
    event = MessageCommitted(message_id="m", role="user", text="hello", started_ms=1, ended_ms=2.5, turn=1)
    body = codec.encode(event, id="c.0", time=NOW)
    assert codec.decode(event.TYPE, body, "call-1", 7) == Recorded("call-1", 7, "c.0", NOW, event)


@pytest.mark.parametrize(
    ("version", "data"),
    [
        (1, {"watts": 40}),
        (2, {"power_w": 40.0, "place": "unknown/unknown"}),
        (3, {"power_w": 40.0, "building": "unknown", "room": "unknown"}),
    ],
)
def test_older_versions_are_lifted_step_by_step(version: int, data: dict[str, Any]) -> None:
    recorded = EventCodec(LAMPS).decode("lamp.lit", lamp_body(version, data), "lamp-1", 1)
    assert recorded.event == LampLit(power_w=40.0, building="unknown", room="unknown")


def test_an_older_version_that_fits_the_current_class_is_lifted_all_the_same() -> None:
    data = {"power_w": 1.0, "place": "mill/attic", "building": "wrong", "room": "wrong"}
    recorded = EventCodec(LAMPS).decode("lamp.lit", lamp_body(2, data), "lamp-1", 1)
    assert recorded.event == LampLit(power_w=1.0, building="mill", room="attic")


def test_a_newer_version_is_refused_by_name() -> None:
    with pytest.raises(NewerEventVersion, match=r"lamp\.lit version 4 is newer than 3"):
        EventCodec(LAMPS).decode("lamp.lit", lamp_body(4, {"lumen": 800}), "lamp-1", 1)


def test_a_type_outside_the_registry_is_refused_and_nothing_is_imported() -> None:
    with pytest.raises(UnknownEventType, match="os:system"):
        EventCodec().decode("os:system", b"{}", "call-1", 1)
    with pytest.raises(UnknownEventType, match=r"lamp\.lit"):
        EventCodec().encode(LampLit(power_w=1, building="b", room="r"), id="c.0", time=NOW)


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe",
        b"[]",
        lamp_body(3, {"power_w": "bright"}),
        lamp_body(0, {}),
        lamp_body(3, {"power_w": 1, "building": "b", "room": "r"}).replace(b"00Z", b"00"),
    ],
)
def test_a_body_that_fits_no_version_says_where_it_stands(body: bytes) -> None:
    with pytest.raises(MalformedEvent, match=r"lamp\.lit at lamp-1 version 9"):
        EventCodec(LAMPS).decode("lamp.lit", body, "lamp-1", 9)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'{"reason":"\xff"}', id="no UTF-8"),
        pytest.param(b'{"reason":"x","deep":' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="nested without end"),
        pytest.param(b'{"other":1', id="another shape, and cut off"),
    ],
)
def test_whatever_the_bytes_are_the_event_is_unreadable_and_no_reader_breaks(data: bytes) -> None:
    body = b'{"id":"c.0","type":"call.ended","v":1,"time":"2026-11-21T09:30:00Z","data":' + data + b"}"
    with pytest.raises(MalformedEvent, match=r"call\.ended at call version 2 cannot be read"):
        EventCodec().decode("call.ended", body, "call", 2)


def test_a_body_that_was_given_up_says_where_it_is() -> None:
    with pytest.raises(BodyPruned, match=r"lamp-1 version 9.*archive"):
        EventCodec(LAMPS).decode("lamp.lit", b"", "lamp-1", 9)


def test_a_time_without_zone_is_not_written() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        EventCodec().encode(CallEnded(reason="x"), id="c.0", time=NOW.replace(tzinfo=None))
