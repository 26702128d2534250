"""``callfold verify`` of a log on a real broker: what is done to its files, topics and checkpoints is named."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from kafka.record.default_records import DefaultRecordBatchBuilder

from domain.log.checkpoint import content, decode
from domain.log.envelope import Record
from infra.checkpoints import checkpoint_key, sign_replicas, trusted_keys
from infra.data_folder import DataFolder
from infra.kafka.cluster import DevCluster
from infra.settings import Settings
from infra.verifying import Verified, verify_kafka
from streams.kafka.clients import admin, producer
from streams.kafka.location import KafkaLocation
from streams.kafka.records import to_record
from streams.kafka.scan import scanned
from streams.kafka.topics import prepare
from streams.kafka.unfit import UnfitCluster
from streams.log.checkpoint_key import CheckpointKey
from streams.log.head_topic import HeadTopic
from streams.log.kafka.log import KafkaLog
from tests.brokers import fresh_topic
from tests.contracts.log_contract import SteppingClock, new_id
from tests.contracts.tally import TALLIES, TALLY_TYPES, Added, Opened
from tests.unit.streams.log.partition import sent

SHARDS = 4
OPENED = Opened(org_id="org-1")

Partition = list[tuple[int, Record]]


class Quiet:
    """Nobody looks at how far it is."""

    def begin(self, shard: int, records: int) -> None:
        pass

    def record(self) -> None:
        pass


class Installation:
    """One data folder on topics of its own."""

    def __init__(self, cluster: DevCluster, folder: Path) -> None:
        self.location = KafkaLocation.parse(f"kafka://{cluster.bootstrap}?topics={fresh_topic('verify')}")
        self.folder = DataFolder(folder)
        self.settings = Settings(_env_file=None, data_dir=folder)
        self.prepared = prepare(self.location, shards=SHARDS, replication=1)

    def write(self, records: Mapping[int, Sequence[Record]]) -> None:
        """By shard."""
        topic = self.location.topic("log")
        with closing(producer(self.location)) as sending:
            for ack in [
                sending.send(topic, value=record.value, headers=list(record.headers), partition=shard)
                for shard, of_shard in records.items()
                for record in of_shard
            ]:
                ack.get(timeout=60)

    @contextlib.contextmanager
    def running(self) -> Iterator[KafkaLog]:
        """A node that reads along, and signs when it ends."""
        with contextlib.ExitStack() as closing_later:
            seat = closing_later.enter_context(self.folder.own())
            sign_replicas(self.settings, self.location, seat, self.prepared, closing_later)
            log = KafkaLog.open(
                self.location,
                seat.replica,
                identity=self.prepared.identity,
                clock=SteppingClock(),
                new_id=new_id,
                shards=SHARDS,
                aggregates=TALLIES,
                types=TALLY_TYPES,
            )
            closing_later.callback(log.close)
            yield log

    def run_once(self) -> None:
        with self.running():
            pass

    def verified(self, *trusted: str, folder: DataFolder | None = None) -> Verified:
        keys = trusted_keys(self.settings, self.folder, trusted)
        return verify_kafka(self.location, folder or self.folder, keys, Quiet())

    def partition(self, shard: int) -> Partition:
        with scanned(self.location, "log", shard) as records:
            return [(record.offset, to_record(record)) for record in records]


def history(shard: int) -> list[Record]:
    """A void one and a repetition among them."""
    originator = f"tally-{shard}"
    records = [sent(f"{shard}-1", (originator, 1, OPENED))]
    records += [sent(f"{shard}-{at}", (originator, at, Added(amount=at))) for at in range(2, 7)]
    records.insert(3, sent(f"{shard}-void", (originator, 2, Added(amount=9))))
    return [*records, records[1]]


def made_on(cluster: DevCluster, folder: Path) -> Installation:
    """Four shards with eight records each, read and signed by a node that has ended."""
    made = Installation(cluster, folder)
    made.write({shard: history(shard) for shard in range(SHARDS)})
    made.run_once()
    return made


@pytest.fixture
def here(kafka_broker: DevCluster, tmp_path: Path) -> Installation:
    return made_on(kafka_broker, tmp_path / "data")


def faults(found: Verified) -> list[tuple[int, str, str]]:
    return [(finding.shard, finding.fault, finding.place) for finding in found.findings]


def test_an_untouched_log_holds(here: Installation) -> None:
    found = here.verified()
    assert faults(found) == []
    assert [(shard.records, shard.events, shard.checkpoints) for shard in found.shards] == [(8, 6, 1)] * SHARDS
    assert found.notes == []


def test_it_holds_while_nodes_append_and_after_they_have_run_again(here: Installation) -> None:
    with here.running() as log:
        receipts = [log.receipt(f"{shard}-6") for shard in range(SHARDS)]
        assert all(receipt is not None and receipt.verdict.accepted for receipt in receipts)
        here.write({0: [sent("late", ("tally-0", 7, Added(amount=1)))]})
        assert faults(here.verified()) == []
    found = here.verified()
    assert faults(found) == []
    assert [shard.checkpoints for shard in found.shards] == [2, 1, 1, 1]


def test_a_machine_without_a_replica_compares_with_checkpoints_only(here: Installation, tmp_path: Path) -> None:
    found = here.verified(folder=DataFolder(tmp_path / "elsewhere"))
    assert faults(found) == []
    assert [shard.checkpoints for shard in found.shards] == [1] * SHARDS
    assert "no replica in" in found.notes[0]


@pytest.mark.long
def test_what_somebody_did_to_the_brokers_files_is_named(kafka_broker_to_hurt: DevCluster, tmp_path: Path) -> None:
    here = made_on(kafka_broker_to_hurt, tmp_path / "data")
    was = {shard: here.partition(shard) for shard in range(SHARDS)}
    changed = msgspec.structs.replace(was[0][4][1], value=was[0][4][1].value.replace(b'"amount":4', b'"amount":5'))
    swapped = [(0, was[2][0][1]), (1, was[2][2][1]), (2, was[2][1][1]), *was[2][3:]]
    shards_at = Path(kafka_broker_to_hurt.statuses()[0].log).parent / "data"
    topic = here.location.topic("log")

    kafka_broker_to_hurt.kill(1)
    rewrite(
        shards_at,
        topic,
        {
            0: [*was[0][:4], (4, changed), *was[0][5:]],
            1: [*was[1][:5], *was[1][6:]],
            2: swapped,
            3: was[3][:6],
        },
    )
    kafka_broker_to_hurt.restart(1)

    assert faults(here.verified()) == [
        (0, "changed", "offset 4"),
        (0, "changed", "records 1 to 8"),
        (1, "removed", "offset 5"),
        (1, "changed", "records 1 to 8"),
        (2, "reordered", "offset 1"),
        (2, "changed", "records 1 to 8"),
        (3, "cut", "offsets 6 to 7"),
        (3, "cut", "records 7 to 8"),
    ]
    elsewhere = here.verified(folder=DataFolder(here.folder.root / "none"))
    assert [(shard, fault) for shard, fault, _ in faults(elsewhere)] == [
        (0, "changed"),
        (1, "removed"),
        (1, "changed"),
        (2, "changed"),
        (3, "cut"),
    ]


def test_forged_checkpoints_are_named(here: Installation) -> None:
    with closing(HeadTopic(here.location)) as topic:
        genuine = decode(topic.read()[0][1])
        topic.publish(msgspec.structs.replace(genuine, signature="00" * 64))
        theirs = CheckpointKey(b"\7" * 32)
        topic.publish(theirs.sign(content(genuine)))
    found = here.verified()
    assert [fault for _, fault, _ in faults(found)] == ["forged", "forged"]
    assert {finding.place.split(" offset ")[0] for finding in found.findings} == {here.location.topic("heads")}
    assert theirs.public in found.findings[1].sentence
    assert len(here.verified(theirs.public).findings) == 1


def test_a_log_that_was_made_anew_is_another_log(here: Installation) -> None:
    was = here.partition(0)
    with admin(here.location) as client:
        client.delete_topics([here.location.topic("log")])
        while here.location.topic("log") in client.list_topics():
            pass
    prepare(here.location, shards=SHARDS, replication=1)
    here.write({0: [record for _, record in was]})
    found = here.verified()
    assert "was deleted and made again" in found.findings[0].sentence
    assert "is of another log" in found.findings[1].sentence


def test_checkpoints_survive_on_the_topic_when_the_folder_is_lost(here: Installation) -> None:
    public = checkpoint_key(here.settings, here.folder).public
    lost = DataFolder(here.folder.root.parent / "lost")
    found = verify_kafka(here.location, lost, frozenset({public}), Quiet())
    assert [shard.checkpoints for shard in found.shards] == [1] * SHARDS


def test_no_log_is_no_log(kafka_broker: DevCluster, tmp_path: Path) -> None:
    location = KafkaLocation.parse(f"kafka://{kafka_broker.bootstrap}?topics={fresh_topic('none')}")
    with pytest.raises(UnfitCluster, match="there is no log at"):
        verify_kafka(location, DataFolder(tmp_path), frozenset(), Quiet())


def test_the_command_verifies_what_other_commands_wrote(kafka_broker: DevCluster, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "CALLFOLD_LOG": f"kafka://{kafka_broker.bootstrap}?topics={fresh_topic('command')}",
        "CALLFOLD_KAFKA_REPLICATION": "1",
        "CALLFOLD_DATA_DIR": str(tmp_path / "data"),
    }

    def callfold(*arguments: str) -> str:
        command = [sys.executable, "-m", "infra.cli", *arguments]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    callfold("org", "create", "--name", "Acme")
    found = json.loads(callfold("verify", "--json"))
    assert found["findings"] == []
    assert found["log"] == environment["CALLFOLD_LOG"]
    assert found["records"] > 0
    assert [shard["checkpoints"] for shard in found["shards"]] == [1]


def rewrite(data: Path, topic: str, partitions: Mapping[int, Partition]) -> None:
    """Write a stopped broker's segments anew, with good checksums: what a thorough intruder would do."""
    for number, records in partitions.items():
        folder = data / f"{topic}-{number}"
        for derived in [*folder.glob("*.index"), *folder.glob("*.timeindex"), *folder.glob("*.snapshot")]:
            derived.unlink()
        (folder / "00000000000000000000.log").write_bytes(b"".join(_batch(*placed) for placed in records))


def _batch(offset: int, record: Record) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1 << 20)
    builder.append(0, None, None, record.value, list(record.headers))
    batch = bytearray(builder.build())
    # The checksum covers neither the offset nor the leader's epoch.
    struct.pack_into(">q", batch, 0, offset)
    struct.pack_into(">i", batch, 12, 0)
    return bytes(batch)
