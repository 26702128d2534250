"""eventsourcing's recorders on the log on Kafka, for applications that are written with that library.

``PERSISTENCE_MODULE=streams.log.kafka.recorder``, ``LOG_LOCATION`` a ``kafka://`` URL, ``SQLITE_DBNAME`` the replica's
file; ``LOG_REPLICATION`` below 3 is for development. Notification ids are ordinals of shard 0.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec
from eventsourcing.persistence import ApplicationRecorder, OperationalError, ProcessRecorder, StoredEvent
from eventsourcing.utils import Environment, EnvType

from domain.log.codec import EventCodec
from domain.log.commit import Commit
from domain.log.ports import LogUnavailable
from domain.log.receipt import Receipt
from streams.kafka.clients import FETCH_WAIT_MS
from streams.kafka.identity import LogIdentity
from streams.kafka.location import KafkaLocation
from streams.kafka.rules import SAFE_REPLICATION
from streams.kafka.topics import prepare
from streams.log import factory
from streams.log.kafka.shard import LogShard
from streams.log.kafka.writer import SETTLE_SECONDS, ShardWriter
from streams.log.proposals import Proposal
from streams.log.recorder import LogApplicationRecorder, LogProcessRecorder
from streams.log.routing import FIRST

LOCATION = "LOG_LOCATION"
REPLICATION = "LOG_REPLICATION"
FETCH_WAIT = "LOG_FETCH_WAIT_MS"

_NO_TYPES = EventCodec({})


class _Body(msgspec.Struct, omit_defaults=True):
    """The library's states are any bytes; on the log a body is JSON, so they travel in it as base64."""

    id: str
    type: str
    v: int
    state: bytes


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Body).decode


class KafkaApplicationRecorder(LogApplicationRecorder):
    """Reads from the replica, appends through the log."""

    writer: ShardWriter

    def to_body(self, stored: StoredEvent) -> bytes:
        """The state in a JSON object."""
        return _encode(_Body(uuid4().hex, stored.topic, 1, stored.state))

    def to_state(self, body: bytes) -> bytes:
        """The state out of it again."""
        return _decode(body).state

    def append(self, commits: Sequence[Commit]) -> list[Receipt]:
        """Append commits one after the other, each judged by the log.

        Raises ``CommitIdReused``, and the library's ``OperationalError`` when the log cannot be reached.
        """
        try:
            return [self.writer.submit_blocking(_proposal(commit)).receipt for commit in commits]
        except LogUnavailable as problem:
            raise OperationalError(problem) from problem

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """An originator's events in order of version."""
        found = super().select_events(originator_id, gt=gt, lte=lte, desc=desc, limit=limit)
        return [
            StoredEvent(event.originator_id, event.originator_version, event.topic, self.to_state(event.state))
            for event in found
        ]


class KafkaProcessRecorder(KafkaApplicationRecorder, LogProcessRecorder):
    """The same with upstream positions, which move in the commit of the events they result from."""


class KafkaLogFactory(factory.LogFactory):
    """Builds recorders on one shard; snapshots stay local, in the replica's file."""

    application_recorder_class = KafkaApplicationRecorder
    process_recorder_class = KafkaProcessRecorder

    def __init__(self, env: Environment | EnvType | None) -> None:
        """Raises ``UnfitCluster`` and ``LogUnavailable``."""
        super().__init__(env)
        location = KafkaLocation.parse(self.env.get(LOCATION, ""))
        identity = LogIdentity("stand-in", "stand-in")
        if location.protocol is None:
            identity = prepare(location, replication=int(self.env.get(REPLICATION, str(SAFE_REPLICATION)))).identity
        self.shard = LogShard.open(
            location,
            self.datastore.path,
            FIRST,
            identity,
            aggregates={},
            codec=_NO_TYPES,
            clock=lambda: datetime.now(UTC),
            new_id=lambda: uuid4().hex,
            jitter=random.random,
            fetch_wait_ms=int(self.env.get(FETCH_WAIT, str(FETCH_WAIT_MS))),
            settle_seconds=SETTLE_SECONDS,
        )
        self.datastore.commits = self.shard.replica.datastore.commits

    def application_recorder(self) -> ApplicationRecorder:
        """A recorder that appends to the log."""
        recorder = super().application_recorder()
        if isinstance(recorder, KafkaApplicationRecorder):
            recorder.writer = self.shard.writer
        return recorder

    def process_recorder(self) -> ProcessRecorder:
        """A recorder that appends to the log, with tracking."""
        recorder = super().process_recorder()
        if isinstance(recorder, KafkaApplicationRecorder):
            recorder.writer = self.shard.writer
        return recorder

    def close(self) -> None:
        """Settle what is pending and close the files."""
        self.shard.close()
        super().close()


def _proposal(commit: Commit) -> Proposal:
    return Proposal(commit.commit_id, "", commit.slots, commit.bodies, (), commit.topics, commit.tracking)
