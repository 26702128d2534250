"""A replica whose log is not what it was: every such start and every such read halts, and says what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from domain.log.codec import EventCodec
from domain.log.ports import LogUnavailable
from domain.log.position import Position
from infra.kafka.cluster import DevCluster
from streams.kafka.clients import admin, partition, producer
from streams.kafka.unfit import UnfitCluster
from streams.log.kafka import follower
from streams.log.kafka.halt import Halted
from streams.log.kafka.replica import Replica
from streams.log.kafka.replica_folder import replica_path
from tests.brokers import MockKafka
from tests.contracts.kafka_nodes import MOCK_IDENTITY, NotUtf8, on_broker, on_mock, open_tally_log
from tests.contracts.log_contract import START
from tests.contracts.tally import TALLIES, TALLY_TYPES, Added, Opened
from tests.patience import PATIENCE_S
from tests.unit.streams.log.partition import placed, sent

OPENED = Opened(org_id="org-1")


@contextmanager
def replica_in(folder: Path) -> Iterator[Replica]:
    replica = Replica.open(
        replica_path(folder, 0),
        0,
        MOCK_IDENTITY,
        topic="callfold.log",
        aggregates=TALLIES,
        codec=EventCodec(TALLY_TYPES),
    )
    with closing(replica):
        yield replica


async def fill(bootstrap: MockKafka, folder: Path, count: int, prefix: str) -> None:
    with closing(open_tally_log(on_mock(bootstrap.bootstrap, prefix), folder)) as node:
        await node.record("a", [OPENED], [START])
        for number in range(count - 1):
            await node.record("a", [Added(amount=number)], [START])


async def test_a_log_that_lost_its_end_is_refused_at_the_start(tmp_path: Path, shared_mock_kafka: MockKafka) -> None:
    await fill(shared_mock_kafka, tmp_path, 3, tmp_path.name)
    with replica_in(tmp_path) as replica:  # as if two more records had been acknowledged, and were lost
        replica.apply(placed([sent("x", ("b", 1, OPENED)), sent("y", ("b", 2, Added(amount=1)))], 3))
    with pytest.raises(Halted, match=r"up to offset 4, and the log ends at 2.*keep the replica as evidence"):
        open_tally_log(on_mock(shared_mock_kafka.bootstrap, tmp_path.name), tmp_path)


async def test_a_log_whose_last_record_is_another_is_refused_at_the_start(
    tmp_path: Path, shared_mock_kafka: MockKafka
) -> None:
    await fill(shared_mock_kafka, tmp_path / "one", 3, tmp_path.name)
    with replica_in(tmp_path / "two") as replica:
        records = [sent(f"x{n}", ("a", n, OPENED if n == 1 else Added(amount=n))) for n in (1, 2, 3)]
        replica.apply(placed(records))
    with pytest.raises(Halted, match="record at offset 2 is not the one that replica"):
        open_tally_log(on_mock(shared_mock_kafka.bootstrap, tmp_path.name), tmp_path / "two")


async def test_a_log_that_goes_backwards_while_it_is_written_halts_the_node(
    tmp_path: Path, shared_mock_kafka: MockKafka
) -> None:
    """What a leader elected uncleanly does: it acknowledges at offsets that this node knows to be taken."""
    location = on_mock(shared_mock_kafka.bootstrap, tmp_path.name)
    with closing(open_tally_log(location, tmp_path)) as node:
        await node.record("a", [OPENED], [START])
        ahead = [sent("x", ("b", 1, OPENED)), sent("y", ("b", 2, Added(amount=1)))]
        node._shards[0].replica.apply(placed(ahead, 1))
        with pytest.raises(LogUnavailable, match="halted"):
            await node.record("a", [Added(amount=1)], [START])
        assert "the log has lost records" in (node.halted or "")
        with pytest.raises(LogUnavailable, match="halted"):
            await node.record("a", [Added(amount=1)], [START])


async def test_what_was_applied_on_its_acknowledgement_must_be_what_is_read_later(
    tmp_path: Path, shared_mock_kafka: MockKafka
) -> None:
    location = on_mock(shared_mock_kafka.bootstrap, tmp_path.name)
    with (
        closing(open_tally_log(location, tmp_path)) as node,
        closing(open_tally_log(location, tmp_path / "2")) as other,
    ):
        await node.record("a", [OPENED], [START])
        node._shards[0].replica.apply(placed([sent("x", ("b", 1, OPENED))], 1))
        await other.wait_for(Position(0, 1), PATIENCE_S)
        await other.record("c", [OPENED], [START])
        await asyncio.to_thread(node._shards[0]._follower._thread.join, 10)
        assert "record at offset 1 is not the one" in (node.halted or "")


async def test_a_record_that_the_client_cannot_take_apart_halts_the_node(
    tmp_path: Path, kafka_broker: DevCluster
) -> None:
    location = on_broker(kafka_broker.bootstrap)
    with closing(open_tally_log(location, tmp_path)) as node:
        await node.record("a", [OPENED], [START])
        with closing(producer(location)) as strange:
            strange.send(location.topic("log"), b"{}", b"x", [(NotUtf8("name"), b"")], 0).get(timeout=PATIENCE_S)
        assert not node._shards[0].replica.wait_past(10**9, 60)
        assert "halted at offset 1: the Kafka client cannot read what stands there" in str(node.halted)
        assert len(node.history("a")) == 1
    with pytest.raises(Halted, match="cannot read what stands there"):
        open_tally_log(location, tmp_path)


async def test_two_processes_do_not_share_a_replica(tmp_path: Path, shared_mock_kafka: MockKafka) -> None:
    location = on_mock(shared_mock_kafka.bootstrap, tmp_path.name)
    with (
        closing(open_tally_log(location, tmp_path)),
        pytest.raises(LogUnavailable, match="another process uses the replicas"),
    ):
        open_tally_log(location, tmp_path)


async def test_a_replica_that_retention_has_passed_is_halted(tmp_path: Path, kafka_broker: DevCluster) -> None:
    location = on_broker(kafka_broker.bootstrap)
    with closing(open_tally_log(location, tmp_path / "asleep")) as node:
        await node.record("a", [OPENED], [START])
    with closing(open_tally_log(location, tmp_path / "awake")) as node:
        for number in range(3):
            await node.record("a", [Added(amount=number)], [START])
    with admin(location) as client:
        client.delete_records({partition(location, "log", 0): 3})
    with pytest.raises(Halted, match=r"needs offset 1, and the log now begins at 3.*snapshot"):
        open_tally_log(location, tmp_path / "asleep")
    with closing(open_tally_log(location, tmp_path / "awake")) as node:
        await node.record("a", [Added(amount=9)], [START])
        assert node.halted is None


async def test_a_topic_that_was_made_anew_is_another_log(tmp_path: Path, kafka_broker: DevCluster) -> None:
    location = on_broker(kafka_broker.bootstrap)
    with closing(open_tally_log(location, tmp_path)) as node:
        await node.record("a", [OPENED], [START])
    with admin(location) as client:
        client.delete_topics([location.topic("log")])
        await asyncio.to_thread(_gone, client, location.topic("log"))
    with pytest.raises(UnfitCluster, match="was deleted and made again"):
        open_tally_log(location, tmp_path)


async def test_a_topic_that_is_deleted_under_a_node_halts_it(
    tmp_path: Path, kafka_broker: DevCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(follower, "MISSING_SECONDS", 2.0)
    location = on_broker(kafka_broker.bootstrap)
    with closing(open_tally_log(location, tmp_path)) as node:
        await node.record("a", [OPENED], [START])
        with admin(location) as client:
            client.delete_topics([location.topic("log")])
        await asyncio.to_thread(node._shards[0].replica.wait_past, 1, 60)
        assert f"the brokers have no topic {location.topic('log')} any more" in (node.halted or "")
        with pytest.raises(LogUnavailable, match="the log is halted"):
            await node.record("a", [Added(amount=1)], [START])


def _gone(client: Any, topic: str) -> None:
    """Deleting is done when the name is free again."""
    for _ in range(200):
        described = client.describe_topics([topic])
        if described[0]["error_code"] == 3:
            return
