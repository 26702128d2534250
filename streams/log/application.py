"""callfold's aggregates as an eventsourcing application: repository, notification log and snapshots over the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from eventsourcing.application import Application, Repository
from eventsourcing.persistence import EventStore, Mapper
from eventsourcing.utils import Environment, EnvType

from domain.aggregate import Aggregate
from domain.event import Recorded
from domain.log.codec import EventCodec
from domain.registry import kind_of
from streams.log.datastore import LogDatastore
from streams.log.event_store import LogEventStore, SnapshotStore
from streams.log.factory import REPLICA
from streams.log.file_uri import file_uri
from streams.log.mapper import LogMapper
from streams.log.recorder import LogProcessRecorder
from streams.log.state_codec import Folded, StateCodec, StateSnapshot

Projector = Callable[[Folded | None, Iterable[Recorded | StateSnapshot]], Folded | None]


def projector(aggregates: Mapping[str, Aggregate[Any, Any]]) -> Projector:
    """The projector function for ``Repository.get``: folds with the ``evolve`` of the history's kind."""

    def project(folded: Folded | None, events: Iterable[Recorded | StateSnapshot]) -> Folded | None:
        remaining = iter(events)
        first = next(remaining, None)
        if first is None:
            return folded
        version = first.originator_version
        if isinstance(first, StateSnapshot):
            kind, state = first.kind, first.state
            evolve = aggregates[kind].evolve
        else:
            kind = kind_of(first.event.TYPE)
            evolve = aggregates[kind].evolve
            state = evolve(folded.state if folded else None, first)
        recorded: Any
        for recorded in remaining:
            state = evolve(state, recorded)
            version = recorded.originator_version
        return Folded(first.originator_id, version, kind, state)

    return project


class LogApplication(Application[str]):
    """An eventsourcing application whose aggregates are ``decide``/``evolve`` functions and whose store is the log.

    ``repository`` starts from snapshots where there are some, ``replay`` folds from the first event on.
    """

    name = "Log"
    mapper: LogMapper
    recorder: LogProcessRecorder
    snapshot_class = StateSnapshot

    def __init__(
        self,
        path: Path,
        aggregates: Mapping[str, Aggregate[Any, Any]],
        codec: EventCodec,
        *,
        replica: bool = False,
    ) -> None:
        """``replica``: the file can be made again from elsewhere, and this process alone writes to it."""
        self.states = StateCodec(aggregates, codec)
        self.codec = codec
        self.project = projector(aggregates)
        super().__init__(
            env={
                "PERSISTENCE_MODULE": "streams.log.factory",
                "SQLITE_DBNAME": file_uri(path),
                "ORIGINATOR_ID_TYPE": "text",
                "IS_SNAPSHOTTING_ENABLED": "y",
                REPLICA: "y" if replica else "n",
            }
        )
        self.replay: Repository[str] = Repository(self.events)

    @property
    def datastore(self) -> LogDatastore:
        """The log's file."""
        return self.recorder.datastore

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        """Only what the constructor says: no variable of the process's environment may choose another recorder."""
        return Environment(name, dict(env or {}))

    def construct_mapper(self) -> Mapper[str]:
        """The mapper on typed bodies and the closed registry."""
        return LogMapper(self.codec, self.states)

    def construct_recorder(self) -> Any:
        """The recorder with tracking, so that a processor's position and its events can be one commit."""
        return self.factory.process_recorder()

    def construct_event_store(self) -> EventStore[str]:
        """The event store that decodes rows directly."""
        return LogEventStore(self.mapper, self.recorder)

    def construct_snapshot_store(self) -> EventStore[str]:
        """The snapshot store that reads only what the running code made."""
        return SnapshotStore(self.mapper, self.factory.aggregate_recorder(purpose="snapshots"))

    def folded(self, originator_id: str, *, version: int | None = None) -> Folded:
        """The aggregate at a version (the newest by default). Raises ``AggregateNotFoundError``."""
        found: Folded = self.repository.get(originator_id, version=version, projector_func=self.project)
        return found

    def replayed(self, originator_id: str, *, version: int | None = None) -> Folded:
        """The same from the log's events alone, without any snapshot. Raises ``AggregateNotFoundError``."""
        found: Folded = self.replay.get(originator_id, version=version, projector_func=self.project)
        return found
