"""The log and the fragments on Kafka, with this process's own replica of them."""

from __future__ import annotations

import contextlib
from uuid import UUID, uuid5

from infra.artifacts import artifact_store
from infra.checkpoints import sign_replicas
from infra.data_folder import Seat
from infra.identifiers import now, random_id
from infra.replica_upkeep import ReplicaUpkeep
from infra.settings import Settings
from infra.storage import Storage
from media.call.leases import process_is_gone, process_name
from streams.kafka.location import KafkaLocation
from streams.kafka.topics import check_room, prepare
from streams.leases.kafka import KafkaLeases
from streams.log.kafka.log import KafkaLog
from streams.log.kafka.replica_file import recorded_identity
from streams.log.kafka.replica_folder import replica_path
from streams.media_log.kafka import KafkaFragmentLog

FIRST_ORGANIZATIONS = UUID("5d7c0b0e-6d6a-4f0e-9a43-2f7f2f3f6c11")
"""Namespace of the ids of first organisations, each named after its log."""

LEASE_SECONDS = 3.0
"""A process whose heartbeats stay out for so long, while others come through, is dead: its calls are to have their end
within 5 s, which leaves time for the heartbeat before and for the reaper to look."""


def opened_on_kafka(settings: Settings, location: KafkaLocation, seat: Seat, closing: contextlib.ExitStack) -> Storage:
    """Check the cluster, make topics that are missing, and bring this process's replica up to the log.

    Raises ``LogUnavailable``.
    """
    check_room(seat.folder.root)
    found = prepare(
        location,
        shards=settings.kafka_shards,
        replication=settings.kafka_replication,
        replica=recorded_identity(replica_path(seat.replica, 0), 0),
    )
    sign_replicas(settings, location, seat, found, closing)
    log = KafkaLog.open(
        location,
        seat.replica,
        identity=found.identity,
        clock=now,
        new_id=random_id,
        shards=found.shards,
        snapshots=settings.replica_snapshots,
    )
    closing.callback(log.close)
    replicas = {shard: replica_path(seat.replica, shard) for shard in log.shards}
    closing.callback(ReplicaUpkeep(settings, replicas).close)
    fragments = KafkaFragmentLog.open(location, seat.replica / "fragments.db", topic_id=found.media_topic_id)
    closing.callback(fragments.close)
    leases = KafkaLeases.open(location, owner=process_name(), is_gone=process_is_gone, lease_s=LEASE_SECONDS)
    closing.callback(leases.close)

    def trouble() -> str:
        return log.trouble or leases.trouble()

    return Storage(
        log,
        fragments,
        artifact_store(settings, seat.folder.artifacts),
        leases,
        lease_seconds=LEASE_SECONDS,
        trouble=trouble,
        shards=lambda: log.shards,
        first_organization_id=str(uuid5(FIRST_ORGANIZATIONS, found.identity.name)),
    )
