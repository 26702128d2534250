"""Holding the log of an installation against itself, this machine's replica of it, and what was signed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from domain.log.checkpoint import Checkpoint, Finding
from domain.log.ports import LogUnavailable
from infra.checkpoints import CHECKPOINTS
from infra.data_folder import MAIN, DataFolder
from streams.kafka.location import KafkaLocation
from streams.log.append import EMBEDDED_SHARD
from streams.log.audit import Audit
from streams.log.checkpoint_key import SortedOut, sort_out
from streams.log.file_audit import audit_file, count_records
from streams.log.file_uri import read_only_uri
from streams.log.head_file import HeadFile, Placed


class Watcher(Protocol):
    """Is told how far the reading is."""

    def begin(self, shard: int, records: int) -> None: ...

    def record(self) -> None: ...


class NothingToVerify(Exception):
    """There is no log where one was looked for."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found, shard by shard; ``notes`` are no faults, but worth knowing."""

    log: str
    shards: Sequence[Audit]
    findings: Sequence[Finding]
    notes: Sequence[str]


def verify_file(folder: DataFolder, trusted: frozenset[str], watcher: Watcher) -> Verified:
    """The embedded log of a data folder; a system may run on it. Raises ``NothingToVerify`` and ``LogUnavailable``."""
    path = folder.log
    if not path.exists():
        raise NothingToVerify(f"there is no log at {path}; name its folder with --data-dir")
    signed = sort_out(HeadFile(folder.checkpoints).read(), trusted, EMBEDDED_SHARD)
    try:
        with closing(sqlite3.connect(read_only_uri(path), uri=True, isolation_level=None)) as connection:
            watcher.begin(EMBEDDED_SHARD, count_records(connection))
            found = audit_file(connection, signed.genuine, watcher.record)
    except sqlite3.Error as problem:
        raise LogUnavailable(f"the log at {path} cannot be read: {problem}") from problem
    return _verified(str(path), [(found, signed)])


def verify_kafka(location: KafkaLocation, folder: DataFolder, trusted: frozenset[str], watcher: Watcher) -> Verified:
    """A log on Kafka: every partition is read again. Raises ``UnfitCluster`` and ``LogUnavailable``."""
    from streams.kafka.topics import identify
    from streams.log.head_topic import HeadTopic
    from streams.log.kafka.replica_folder import replica_path
    from streams.log.topic_audit import audit_topic

    cluster = identify(location)
    heads = [*HeadTopic(location).read(), *_kept_by_seats(folder)]
    seat = _seat_with_replica(folder)
    audits: list[tuple[Audit, SortedOut]] = []
    for shard in range(cluster.shards):
        signed = sort_out(heads, trusted, shard)
        replica = replica_path(seat, shard) if seat is not None else None
        try:
            found = audit_topic(
                location,
                shard,
                cluster.identity,
                replica=replica if replica is not None and replica.exists() else None,
                checkpoints=_each_once(signed.genuine),
                on_begin=lambda records, shard=shard: watcher.begin(shard, records),  # type: ignore[misc]  # a default
                on_record=watcher.record,
            )
        except sqlite3.Error as problem:
            raise LogUnavailable(f"the replica {replica} cannot be read: {problem}") from problem
        audits.append((found, signed))
    notes = [] if seat is not None else [f"no replica in {folder.root}: the log was compared with checkpoints only"]
    return _verified(str(location), audits, notes)


def _verified(log: str, audits: Sequence[tuple[Audit, SortedOut]], notes: Sequence[str] = ()) -> Verified:
    findings: list[Finding] = []
    unsigned = []
    for found, signed in audits:
        findings += found.findings
        # What nobody can read is told for every shard, and once is enough.
        findings += [finding for finding in signed.findings if finding.place not in {told.place for told in findings}]
        if found.records and not signed.genuine:
            unsigned.append(str(found.shard))
    said = list(notes)
    if unsigned:
        said.append(
            f"nothing is signed by a trusted key yet (shard {', '.join(unsigned)}): an end that was cut off, or a log "
            "that was written anew as a whole, would not be found"
        )
    return Verified(log, [found for found, _ in audits], findings, said)


def _each_once(checkpoints: Sequence[Checkpoint]) -> list[Checkpoint]:
    """The topic and this machine's files hold many of the same."""
    return list({(said.records, said.chain, said.log): said for said in checkpoints}.values())


def _kept_by_seats(folder: DataFolder) -> Iterator[Placed]:
    for path in sorted(folder.replicas.glob(f"*/{CHECKPOINTS}")):
        for place, text in HeadFile(path).read():
            yield f"{path.parent.name}/{place}", text


def _seat_with_replica(folder: DataFolder) -> Path | None:
    """The main seat's replicas, or those of whichever process is there."""
    seats = sorted(folder.replicas.glob("*/shard-*.db"), key=lambda path: (path.parent.name != MAIN, path))
    return seats[0].parent if seats else None
