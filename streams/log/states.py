"""An aggregate's state at a version: from the cache, or from the newest usable snapshot and the events after it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from domain.aggregate import Aggregate
from domain.log.codec import EventCodec
from streams.log.state_cache import StateCache
from streams.log.state_codec import StateCodec


class States:
    """Loads states on any connection, the writer's own (mid-transaction) included."""

    def __init__(
        self, aggregates: Mapping[str, Aggregate[Any, Any]], events: EventCodec, codec: StateCodec, cache: StateCache
    ) -> None:
        self.aggregates = aggregates
        self.events = events
        self.codec = codec
        self.cache = cache

    def at(self, connection: sqlite3.Connection, kind: str, originator_id: str, version: int) -> Any:
        """The state after event ``version``, which must be on the log."""
        state = self.cache.get(kind, originator_id, version)
        if state is None:
            state = self.folded(connection, kind, originator_id, version)
            self.cache.put(kind, originator_id, version, state)
        return state

    def folded(self, connection: sqlite3.Connection, kind: str, originator_id: str, version: int) -> Any:
        """The same without the cache."""
        snapshot = connection.execute(
            "SELECT originator_version, state FROM stored_snapshots"
            " WHERE originator_id=? AND originator_version<=? AND topic=? ORDER BY originator_version DESC LIMIT 1",
            (originator_id, version, self.codec.topics[kind]),
        ).fetchone()
        after, state = (snapshot[0], self.codec.decode(kind, snapshot[1])) if snapshot else (-1, None)
        evolve, decode = self.aggregates[kind].evolve, self.events.decode
        for number, topic, body in connection.execute(
            "SELECT originator_version, topic, state FROM stored_events"
            " WHERE originator_id=? AND originator_version>? AND originator_version<=? ORDER BY originator_version",
            (originator_id, after, version),
        ):
            state = evolve(state, decode(topic, body, originator_id, number))
        return state
