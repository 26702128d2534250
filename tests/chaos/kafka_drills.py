"""The drills of the log on Kafka: who works, what goes wrong meanwhile, how long. Short in tests, long by command."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from math import inf
from pathlib import Path

import msgspec
from kafka.errors import KafkaError

from domain.aggregates import AGGREGATES
from domain.organization.aggregate import ORGANIZATION
from domain.organization.commands import CreateOrganization
from domain.registry import EVENT_TYPES
from infra.kafka.cluster import DevCluster
from streams.kafka.clients import admin, producer
from streams.kafka.location import KafkaLocation
from streams.kafka.renewal import RenewedProducer
from streams.kafka.topics import Prepared, prepare
from streams.kafka.unfit import UnfitCluster
from streams.log.kafka.log import KafkaLog
from tests.brokers import fresh_topic
from tests.chaos.crash_points import ON_KAFKA
from tests.chaos.drill import Outcome, Workers, drill
from tests.contracts.log_contract import Node, SteppingClock, new_id
from tests.contracts.tally import TALLIES, TALLY_TYPES

GARBAGE_SECONDS = 0.02
GARBAGE_DELIVERY_MS = 5_000
_NO_COMMITS: tuple[list[tuple[str, bytes]], ...] = (
    [],
    [("v", b"1")],
    [("v", b"one")],
    [("v", b"1"), ("commit", b"x"), ("streams", b"[[]]")],
)

DRILL_AGGREGATES = {**AGGREGATES, **TALLIES}
DRILL_TYPES = {**EVENT_TYPES, **TALLY_TYPES}

Faults = Callable[[Workers], None]


class KafkaNode(msgspec.Struct, frozen=True):
    """A node of the log on Kafka, with its replicas in ``folder``, on topics that were ``prepared``."""

    url: str
    folder: Path
    prepared: Prepared
    settle_seconds: float = 10.0

    def open(self) -> KafkaLog:
        prepared = self.prepared
        return KafkaLog.open(
            KafkaLocation.parse(self.url),
            self.folder,
            identity=prepared.identity,
            shards=prepared.shards,
            clock=SteppingClock(),
            new_id=new_id,
            aggregates=DRILL_AGGREGATES,
            types=DRILL_TYPES,
            settle_seconds=self.settle_seconds,
        )


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """``processes`` work on ``tallies`` of ``organizations`` in ``shards``."""

    processes: int
    shards: int = 1
    organizations: int = 1
    tallies: int = 1
    replication: int = 1

    def originators(self) -> tuple[tuple[str, str], ...]:
        """Tallies with the organisation each belongs to."""
        return tuple(
            (f"tally-{number}", f"organization-{number % self.organizations}") for number in range(self.tallies)
        )


def run(cluster: DevCluster, folder: Path, plan: Plan, faults: Callable[[str], Faults]) -> Outcome:
    """One drill on topics of its own, whose location ``faults`` is told."""
    url = f"{cluster.log_url}?topics={fresh_topic('drill')}"
    prepared = prepare(KafkaLocation.parse(url), shards=plan.shards, replication=plan.replication)
    node = KafkaNode(url, folder, prepared)
    addresses = [msgspec.structs.replace(node, folder=folder / f"node-{number}") for number in range(plan.processes)]
    auditor = msgspec.structs.replace(node, folder=folder / "auditor")
    with closing(addresses[0].open()) as log:
        for number in range(plan.organizations):
            create = CreateOrganization(name=f"Organization {number}", shard=number % plan.shards)
            asyncio.run(log.execute(ORGANIZATION, f"organization-{number}", create))

    def littered(workers: Workers) -> None:
        with _garbage(KafkaLocation.parse(url), plan.shards):
            faults(url)(workers)

    return drill(addresses, plan.originators(), littered, auditor=auditor, shards=plan.shards, fingerprint=_fingerprint)


@contextlib.contextmanager
def _garbage(location: KafkaLocation, shards: int) -> Iterator[None]:
    """Records that are no commits, now and then, as from a tool used wrongly."""
    dice = random.Random(7)
    ended = threading.Event()

    def throw() -> None:
        sending = RenewedProducer(lambda: producer(location, delivery_ms=GARBAGE_DELIVERY_MS), patience_s=inf)
        with closing(sending):
            while not ended.wait(GARBAGE_SECONDS):
                # Where no broker takes it, there is less garbage; that is not what the drill is about.
                with contextlib.suppress(KafkaError, UnfitCluster):
                    sending.send(
                        location.topic("log"),
                        value=dice.randbytes(dice.randint(0, 200)),
                        headers=dice.choice(_NO_COMMITS),
                        partition=dice.randrange(shards),
                    )

    thrower = threading.Thread(target=throw, name="garbage")
    thrower.start()
    try:
        yield
    finally:
        ended.set()
        thrower.join()


def _fingerprint(node: Node) -> str:
    assert isinstance(node, KafkaLog)
    digest = hashlib.blake2b(digest_size=16)
    for shard in node.shards:
        verified = node.verify(shard)
        assert verified.broken is None, verified.broken
        digest.update(f"{shard}:{verified.records}:{verified.events}:{verified.chain}".encode())
    for document in node.list("tally", limit=100_000):
        digest.update(repr((document.id, document.version, document.state)).encode())
    return digest.hexdigest()


def kill_everybody(
    rounds: int, *, every: int, after_each: Callable[[], None] = lambda: None
) -> Callable[[str], Faults]:
    """Kill all writers at once with SIGKILL and start them again, ``every`` so many operations."""

    def faults(workers: Workers) -> None:
        for _ in range(rounds):
            workers.await_operations(every)
            workers.kill(*range(workers.count))
            after_each()
        workers.await_operations(every)

    return lambda url: faults


def die_at_every_step(times: int, after_each: Callable[[], None] = lambda: None) -> Callable[[str], Faults]:
    """Let writers kill themselves at every step between a commit and its answer, so many times in all."""
    return lambda url: lambda workers: workers.die_by_themselves(times, ON_KAFKA, after_each)


def lose_leaders(cluster: DevCluster, times: int, *, every: int, pause: bool) -> Callable[[str], Faults]:
    """Kill (or stop for a while) the broker that leads shard 0, in the middle of writing, and bring it back."""

    def on(url: str) -> Faults:
        def faults(workers: Workers) -> None:
            for _ in range(times):
                workers.await_operations(every)
                leader = leader_of(KafkaLocation.parse(url))
                workers.note_fault()
                (cluster.pause if pause else cluster.kill)(leader)
                workers.await_operations(every)
                (cluster.resume if pause else cluster.restart)(leader)
            workers.await_operations(every)

        return faults

    return on


def lose_copies(cluster: DevCluster, times: int, *, every: int) -> Callable[[str], Faults]:
    """Kill the other of two copies of shard 0, so that too few are in sync, until nobody gets an answer any more."""

    def on(url: str) -> Faults:
        def faults(workers: Workers) -> None:
            for _ in range(times):
                workers.await_operations(every)
                (other,) = copies_of(KafkaLocation.parse(url))[1:]
                workers.note_fault()
                cluster.kill(other)
                workers.await_unknown(workers.count)
                cluster.restart(other)
                workers.await_operations(every)

        return faults

    return on


def leader_of(location: KafkaLocation, shard: int = 0) -> int:
    """The broker that leads a shard."""
    return copies_of(location, shard)[0]


def copies_of(location: KafkaLocation, shard: int = 0) -> Sequence[int]:
    """The brokers that keep a shard, its leader first."""
    with admin(location) as client:
        (topic,) = client.describe_topics([location.topic("log")])
    found = next(found for found in topic["partitions"] if found["partition_index"] == shard)
    return sorted(map(int, found["replica_nodes"]), key=lambda broker: broker != found["leader_id"])
