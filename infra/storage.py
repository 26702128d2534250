"""What a process keeps and shares, opened: the log, the fragments, the artifacts, and who of the others still lives."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from domain.artifacts import ArtifactStore
from domain.fragments import FragmentFeed, FragmentLog
from domain.log.ports import Commands, Documents, EventLog
from infra.artifacts import artifact_store
from infra.checkpoints import sign_file
from infra.data_folder import DataFolder, Seat
from infra.identifiers import now, random_id
from infra.settings import Settings
from infra.watched_log import WatchedLog
from media.call.leases import FileLeases, Leases
from streams.media_log.embedded import EmbeddedFragmentLog

LEASE_SECONDS = 4.0
"""How long an owner may be silent before its calls are ended. One that died on this machine is known at once."""


class Log(Commands, Documents, EventLog, Protocol):
    """The log and the documents folded from it, whatever carries them."""


class Fragments(FragmentLog, FragmentFeed, Protocol):
    """The fragments of calls: written and read by call, and followed as they come."""


def no_trouble() -> str:
    """A log that has not said otherwise."""
    return ""


def one_shard() -> Sequence[int]:
    """A log in one file."""
    return (0,)


@dataclass(frozen=True, slots=True)
class Storage:
    """``trouble`` says why the log takes nothing at present (empty when it does), ``shards`` which ones it has.

    ``first_organization_id`` is the same for all processes of a log that several may find empty at once, so that the
    log settles which of them founds its first organisation.
    """

    log: Log
    fragments: Fragments
    artifacts: ArtifactStore
    leases: Leases
    lease_seconds: float = LEASE_SECONDS
    trouble: Callable[[], str] = no_trouble
    shards: Callable[[], Sequence[int]] = one_shard
    first_organization_id: str = field(default_factory=random_id)


@contextlib.contextmanager
def opened_storage(settings: Settings, seat: Seat) -> Iterator[Storage]:
    """Open what ``settings.log`` names, or make it at first use. Raises ``LogUnavailable``."""
    with contextlib.ExitStack() as closing:
        if settings.kafka is None:
            yield _embedded(settings, seat.folder, closing)
        else:
            # The client costs time and memory that a log in a file does not need.
            from infra.storage_on_kafka import opened_on_kafka

            yield opened_on_kafka(settings, settings.kafka, seat, closing)


def _embedded(settings: Settings, folder: DataFolder, closing: contextlib.ExitStack) -> Storage:
    sign_file(settings, folder, closing)
    log = WatchedLog.watched(folder.log, clock=now, new_id=random_id)
    closing.callback(log.close)
    fragments = EmbeddedFragmentLog(folder.media)
    closing.callback(fragments.close)
    return Storage(
        log,
        fragments,
        artifact_store(settings, folder.artifacts),
        FileLeases(folder.live / "leases", LEASE_SECONDS),
        trouble=log.space.trouble,
    )
