"""eventsourcing's event stores over the log: histories of events, and snapshots of the running code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import EventStore, StoredEvent

from streams.log.mapper import LogMapper
from streams.log.recorder import LogApplicationRecorder

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
