"""States of aggregates as they are kept beside the log: folded values, snapshots, and their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from domain.aggregate import Aggregate
from domain.log.codec import EventCodec
from streams.log.fingerprint import running_fingerprint


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
        self.fingerprints = {
            kind: running_fingerprint(aggregate, codec.types) for kind, aggregate in aggregates.items()
        }
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
