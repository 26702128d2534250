"""Starting a node from a copied replica, and giving old bodies up once an archive has them."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from domain.log.codec import BodyPruned
from domain.log.ports import LogUnavailable
from domain.log.position import Position
from streams.kafka.identity import LogIdentity
from streams.kafka.unfit import UnfitCluster
from streams.log.kafka.bootstrap import KEPT, save_snapshot, snapshots, start_from_snapshot
from streams.log.kafka.log import KafkaLog
from streams.log.kafka.replica_folder import replica_path
from tests.brokers import MockKafka
from tests.contracts.kafka_nodes import on_mock, open_tally_log
from tests.contracts.log_contract import START, seen
from tests.contracts.tally import TALLY, Add, Added, Close, Open
from tests.unit.streams.log.partition import content


async def fill(node: KafkaLog, *originators: str) -> None:
    for originator_id in originators:
        await node.execute(TALLY, originator_id, Open("org-1"))
        await node.record(originator_id, [Added(amount=1), Added(amount=2)], [START, START])


async def test_a_new_node_starts_from_a_snapshot_and_reads_the_rest(
    tmp_path: Path, shared_mock_kafka: MockKafka
) -> None:
    location = on_mock(shared_mock_kafka.bootstrap)
    with closing(open_tally_log(location, tmp_path / "one")) as one:
        await fill(one, "a", "b")
        one.save_snapshots(tmp_path / "snapshots")
        await fill(one, "c")
        with closing(open_tally_log(location, tmp_path / "two", snapshots=tmp_path / "snapshots")) as two:
            assert two.tail() == one.tail()
            await two.record("c", [Added(amount=5)], [START])
            await seen(one, two.head())
            assert one.get("tally", "c") == two.get("tally", "c")
    assert content(replica_path(tmp_path / "one", 0)) == content(replica_path(tmp_path / "two", 0))


async def test_only_the_newest_snapshots_stay(tmp_path: Path, shared_mock_kafka: MockKafka) -> None:
    folder = tmp_path / "snapshots"
    with closing(open_tally_log(on_mock(shared_mock_kafka.bootstrap), tmp_path / "one")) as node:
        for name in "abcd":
            await fill(node, name)
            newest = node.save_snapshots(folder)[0]
        assert node.tail().next_offset == 8
    kept = snapshots(folder, 0)
    assert (len(kept), kept[-1], newest.name) == (KEPT, newest, f"shard-0@{8:020d}.db")
    assert sorted(folder.iterdir()) == kept
    assert start_from_snapshot(folder, 0, replica_path(tmp_path / "one", 0)) is None, "a replica is never overwritten"
    assert start_from_snapshot(folder, 1, tmp_path / "other.db") is None


async def test_a_snapshot_of_another_log_is_refused(tmp_path: Path, shared_mock_kafka: MockKafka) -> None:
    with closing(open_tally_log(on_mock(shared_mock_kafka.bootstrap), tmp_path / "one")) as node:
        await fill(node, "a")
        node.save_snapshots(tmp_path / "snapshots")
    with pytest.raises(UnfitCluster, match="was made from Kafka cluster mock"):
        KafkaLog.open(
            on_mock(shared_mock_kafka.bootstrap),
            tmp_path / "two",
            identity=LogIdentity("other", "other"),
            clock=lambda: START,
            new_id=str,
            snapshots=tmp_path / "snapshots",
        )


def test_a_snapshot_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LogUnavailable, match="no snapshot"):
        save_snapshot(tmp_path / "replica", 0, tmp_path / "file")
    with pytest.raises(LogUnavailable):
        save_snapshot(tmp_path / "no-replica", 0, tmp_path / "snapshots")
    assert list((tmp_path / "snapshots").iterdir()) == []


async def test_pruned_histories_keep_their_heads_and_say_where_they_are(
    tmp_path: Path, shared_mock_kafka: MockKafka
) -> None:
    location = on_mock(shared_mock_kafka.bootstrap)
    with closing(open_tally_log(location, tmp_path / "one")) as node:
        await fill(node, "old", "kept", "late")
        archived = Position(0, 6)
        assert node.prune("tally", "used", START + timedelta(days=1), archived) == 2
        assert node.prune("tally", "used", START + timedelta(days=1), archived) == 0
        for read in (
            lambda: node.get("tally", "old"),
            lambda: node.get("tally", "old", org_id="org-1"),
            lambda: node.history("old"),
            lambda: node.read(Position(0, 0), 10),
        ):
            with pytest.raises(BodyPruned, match=r"old version .* archive"):
                read()
        assert node.get("tally", "old", org_id="org-2") is None
        with pytest.raises(BodyPruned):
            await node.execute(TALLY, "old", Add(1))
        assert [document.id for document in node.list("tally")] == ["late"]
        assert len(node.read(archived, 10)) == 3
        stale = await node.execute(TALLY, "late", Close())
        assert stale[1].position == Position(0, 10)
        found = node.verify()
        assert (found.broken, found.pruned) == (None, 4)
    with (
        closing(open_tally_log(location, tmp_path / "one")) as again,
        closing(open_tally_log(location, tmp_path / "two")) as whole,
    ):
        assert again.tail() == whole.tail()
        assert whole.verify().pruned == 0
        await whole.execute(TALLY, "old", Add(4))  # a node that has the bodies may go on
        await seen(again, whole.head())
        assert again.halted is None
        assert again.tail().chain == whole.tail().chain
