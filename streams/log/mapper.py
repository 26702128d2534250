"""eventsourcing's mapper and event store on typed bodies and the closed registry instead of importable topics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import EventStore, JSONTranscoder, Mapper, StoredEvent

from domain.aggregate import Aggregate
from domain.event import Recorded
from domain.log.codec import EventCodec
from streams.log.fingerprint import fingerprint
from streams.log.recorder import LogApplicationRecorder


class StateSnapshot(msgspec.Struct, frozen=True):
    """An aggregate's state at a version: local, derived, and worthless to code with another fingerprint."""

    originator_id: str
    originator_version: int
    kind: str
    state: Any

    @classmethod
    def take(cls, aggregate: Folded) -> StateSnapshot:
        """The snapshot of a folded aggregate."""
        return cls(aggregate.id, aggregate.version, aggregate.kind, aggregate.state)


class Folded(msgspec.Struct, frozen=True):
    """What a repository hands out: a functional aggregate's state with its identity and version."""

    id: str
    version: int
    kind: str
    state: Any

    Snapshot = StateSnapshot


class StateCodec:
    """States of every kind of aggregate to bytes and back, under a topic that names kind and fingerprint."""

    def __init__(self, aggregates: Mapping[str, Aggregate[Any, Any]], codec: EventCodec) -> None:
        self.fingerprints = {kind: fingerprint(aggregate, codec.types) for kind, aggregate in aggregates.items()}
        self.topics = {kind: f"{kind}@{mark}" for kind, mark in self.fingerprints.items()}
        self.kinds = {topic: kind for kind, topic in self.topics.items()}
        self._decoders = {kind: _state_decoder(aggregate) for kind, aggregate in aggregates.items()}
        self.encode = msgspec.msgpack.Encoder().encode

    def decode(self, kind: str, state: bytes) -> Any:
        """The state of an aggregate of this kind."""
        return self._decoders[kind].decode(state)


def _state_decoder(aggregate: Aggregate[Any, Any]) -> msgspec.msgpack.Decoder[Any]:
    state_type: Any = aggregate.state_type
    return msgspec.msgpack.Decoder(state_type)


class LogMapper(Mapper[str]):
    """Recorded events and snapshots to stored events and back. Never imports what the log names."""

    def __init__(self, codec: EventCodec, states: StateCodec) -> None:
        super().__init__(transcoder=JSONTranscoder())
        self.codec = codec
        self.states = states

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredEvent:
        """Encode a ``Recorded`` or a ``StateSnapshot``. Raises ``TypeError`` for anything else."""
        match domain_event:
            case Recorded(event=event, id=id, time=time):
                topic, state = event.TYPE, self.codec.encode(event, id=id, time=time)
            case StateSnapshot(kind=kind, state=value):
                topic, state = self.states.topics[kind], self.states.encode(value)
            case _:
                raise TypeError(f"{type(domain_event).__name__} is neither a recorded event nor a snapshot")
        return StoredEvent(domain_event.originator_id, domain_event.originator_version, topic, state)

    def to_domain_event(self, stored_event: StoredEvent) -> Recorded | StateSnapshot:
        """Decode what ``to_stored_event`` made. Raises the codec's named errors."""
        originator_id, version = str(stored_event.originator_id), stored_event.originator_version
        kind = self.states.kinds.get(stored_event.topic)
        if kind is not None:
            return StateSnapshot(originator_id, version, kind, self.states.decode(kind, stored_event.state))
        return self.codec.decode(stored_event.topic, stored_event.state, originator_id, version)


_HISTORY = """
SELECT originator_version, topic, state FROM stored_events
WHERE originator_id=? AND originator_version>? AND originator_version<=? ORDER BY originator_version LIMIT ?"""

_HISTORY_BACKWARDS = """
SELECT originator_version, topic, state FROM stored_events
WHERE originator_id=? AND originator_version>? AND originator_version<=? ORDER BY originator_version DESC LIMIT ?"""

_NEWEST = 2**62


class LogEventStore(EventStore[str]):
    """Reads histories straight from rows into events; the library's way builds a dataclass for each in between."""

    mapper: LogMapper
    recorder: LogApplicationRecorder

    def get(
        self,
        originator_id: str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Iterator[DomainEventProtocol[str]]:
        """The originator's events in order of version."""
        decode = self.mapper.codec.decode
        bounds = (originator_id, -1 if gt is None else gt, _NEWEST if lte is None else lte)
        statement = _HISTORY_BACKWARDS if desc else _HISTORY
        for version, topic, body in self.recorder.datastore.rows(statement, (*bounds, -1 if limit is None else limit)):
            yield decode(topic, body, originator_id, version)


class SnapshotStore(EventStore[str]):
    """Snapshots of the running code only: those of other fingerprints are neither read nor kept."""

    mapper: LogMapper
    recorder: Any

    def get(
        self,
        originator_id: str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Iterator[DomainEventProtocol[str]]:
        """Snapshots of this originator that the running code made."""
        usable = self.mapper.states.kinds
        found: Sequence[StoredEvent] = self.recorder.select_events(originator_id, gt=gt, lte=lte, desc=desc)
        for stored in [stored for stored in found if stored.topic in usable][:limit]:
            yield self.mapper.to_domain_event(stored)
