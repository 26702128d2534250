"""A node that starts from the archive of a shard: it has what the archive has, and reads the rest from Kafka."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from streams.archive.restoring import archived_log, restore
from streams.archive.verification import verify_archive
from streams.log.kafka.replica_folder import replica_path
from tests.brokers import MockKafka
from tests.contracts.kafka_nodes import on_mock, open_tally_log
from tests.contracts.log_contract import START, seen
from tests.contracts.tally import TALLIES, TALLY_TYPES, Added
from tests.unit.streams.archive.making import archived
from tests.unit.streams.log.partition import content
from tests.unit.streams.log.test_kafka_bootstrap import fill


async def test_a_node_starts_from_the_archive_and_reads_the_rest(tmp_path: Path, shared_mock_kafka: MockKafka) -> None:
    location = on_mock(shared_mock_kafka.bootstrap)
    mine, theirs = tmp_path / "one", tmp_path / "two"
    with closing(open_tally_log(location, mine)) as one:
        await fill(one, "a", "b")
        archived(replica_path(mine, 0), tmp_path / "archive")
        await fill(one, "c")

        name, by_shard = archived_log(tmp_path / "archive")
        assert name.startswith("kafka:")
        restore(name, by_shard[0], replica_path(theirs, 0), aggregates=TALLIES, types=TALLY_TYPES)

        with closing(open_tally_log(location, theirs)) as two:
            assert two.tail() == one.tail()
            await two.record("a", [Added(amount=5)], [START])
            await seen(one, two.head())
    assert content(replica_path(mine, 0)) == content(replica_path(theirs, 0))
    archived(replica_path(theirs, 0), tmp_path / "archive")  # which any replica of the shard may go on with
    (found,) = verify_archive(tmp_path / "archive")
    assert (found.broken, found.records) == (None, 7)
