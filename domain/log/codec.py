"""Events to bodies and back: ``{"id", "type", "v", "time", "data"}``, one decode per event of the current version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from domain.event import Event, Recorded
from domain.registry import EVENT_TYPES, EventType
from domain.upcasting import NewerEventVersion, lift

E = TypeVar("E", bound=Event)

Aware = Annotated[datetime, msgspec.Meta(tz=True)]


class UnknownEventType(Exception):
    """The log names a type that is not in the closed registry."""

    def __init__(self, type_name: str) -> None:
        super().__init__(f"event type {type_name!r} is not in the registry of this build")
        self.type_name = type_name


class MalformedEvent(Exception):
    """A body that does not fit the schema of the type and version it names."""

    def __init__(self, type_name: str, originator_id: str, originator_version: int, reason: str) -> None:
        super().__init__(f"{type_name} at {originator_id} version {originator_version} cannot be read: {reason}")
        self.type_name = type_name
        self.originator_id = originator_id
        self.originator_version = originator_version


UNREADABLE = (UnknownEventType, NewerEventVersion, MalformedEvent)
"""What ``EventCodec.decode`` raises: the event stands on the log, but not in a form this build knows."""


_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What the parser raises: for other JSON than expected or none at all, for text that is no UTF-8, and for nesting."""


class BodyPruned(Exception):
    """The event is on the log, and this node has given its body up to the archive."""

    def __init__(self, originator_id: str, originator_version: int) -> None:
        super().__init__(
            f"the body of {originator_id} version {originator_version} is no longer kept here; read it from the archive"
        )
        self.originator_id = originator_id
        self.originator_version = originator_version


class _Written(msgspec.Struct):
    id: str
    type: str
    v: int
    time: datetime
    data: Event


class _Body(msgspec.Struct, Generic[E], gc=False):
    id: str
    v: int
    time: Aware
    data: E


class _AnyVersion(msgspec.Struct):
    id: str
    v: Annotated[int, msgspec.Meta(ge=1)]
    time: Aware
    data: dict[str, Any]


_Decode = Callable[[bytes], _Body[Event]]


@cache
def _decoder(event_class: type[Event]) -> _Decode:
    """Made once for each class: a process opens many codecs, and making the decoders of one takes 10 ms."""
    body: Any = _Body[event_class]  # type: ignore[valid-type]  # a runtime class as type argument
    return msgspec.json.Decoder(body).decode


class EventCodec:
    """Encodes and decodes the event types of one registry."""

    def __init__(self, types: Mapping[str, EventType] = EVENT_TYPES) -> None:
        self.types = types
        self._encode = msgspec.json.Encoder().encode
        self._decoders = {name: (_decoder(kind.event_class), kind.version) for name, kind in types.items()}
        self._decode_any = msgspec.json.Decoder(_AnyVersion).decode

    def encode(self, event: Event, *, id: str, time: datetime) -> bytes:
        """The body of an event. Raises ``UnknownEventType`` for a class outside the registry.

        ``time`` must be aware; ``id`` unique over the whole log.
        """
        if self.types.get(event.TYPE) is None or self.types[event.TYPE].event_class is not type(event):
            raise UnknownEventType(event.TYPE)
        if time.tzinfo is None:
            raise ValueError(f"time of {event.TYPE} {id} has no time zone; pass an aware UTC datetime")
        return self._encode(_Written(id, event.TYPE, event.VERSION, time, event))

    def decode(self, type_name: str, body: bytes, originator_id: str, originator_version: int) -> Recorded:
        """Read a body that stands at this place in its originator's history.

        Raises ``UnknownEventType``, ``NewerEventVersion``, ``MalformedEvent``, and ``BodyPruned`` where none is left.
        """
        try:
            decode, current = self._decoders[type_name]
        except KeyError:
            raise UnknownEventType(type_name) from None
        try:
            read = decode(body)
        except msgspec.ValidationError:
            return self._lifted(type_name, body, originator_id, originator_version)
        except _UNDECODABLE as problem:
            if not body:
                raise BodyPruned(originator_id, originator_version) from None
            raise MalformedEvent(type_name, originator_id, originator_version, str(problem)) from problem
        if read.v != current:
            return self._lifted(type_name, body, originator_id, originator_version)
        return Recorded(originator_id, originator_version, read.id, read.time, read.data)

    def _lifted(self, type_name: str, body: bytes, originator_id: str, originator_version: int) -> Recorded:
        """The slow path: an older version, a newer one, or a body that fits none."""
        kind = self.types[type_name]
        try:
            read = self._decode_any(body)
            data = lift(type_name, read.data, version=read.v, current=kind.version, upcasters=kind.upcasters)
            event = msgspec.convert(data, kind.event_class)
        except _UNDECODABLE as problem:
            raise MalformedEvent(type_name, originator_id, originator_version, str(problem)) from problem
        return Recorded(originator_id, originator_version, read.id, read.time, event)
