"""Copies of replicas, new replicas from them, and old calls given up, as an operator asks for it."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from domain.log.codec import BodyPruned
from domain.log.ports import LogUnavailable
from infra import archiving
from infra.cli.failure import CommandFailed
from infra.cli.main import app
from infra.data_folder import DataFolder
from infra.replica_upkeep import ReplicaUpkeep
from infra.settings import load
from streams.kafka.location import KafkaLocation
from streams.log.kafka.log import KafkaLog
from streams.log.kafka.replica_folder import replaced_from_snapshots, replica_path
from tests.brokers import MockKafka
from tests.contracts.kafka_nodes import on_mock, open_tally_log
from tests.contracts.log_contract import START, commit
from tests.contracts.tally import TALLY, Added, Open, Opened

USED = ("tally", "used")


@pytest.fixture
def location(shared_mock_kafka: MockKafka, monkeypatch: pytest.MonkeyPatch) -> KafkaLocation:
    found = on_mock(shared_mock_kafka.bootstrap)
    monkeypatch.setenv("CALLFOLD_LOG", str(found))
    monkeypatch.setattr("infra.replica_upkeep.ENDED_CALLS", USED)
    return found


def callfold(*arguments: object) -> Any:
    ran = CliRunner().invoke(app, [*map(str, arguments), "--json"], catch_exceptions=True)
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return json.loads(ran.stdout)


def fill(node: KafkaLog, *originators: str) -> None:
    for originator_id in originators:
        asyncio.run(node.execute(TALLY, originator_id, Open("org-1")))
        asyncio.run(node.record(originator_id, [Added(amount=1)], [START]))


def opened(location: KafkaLocation, folder: DataFolder, **options: Any) -> KafkaLog:
    return open_tally_log(location, folder.replicas / "main", **options)


def test_replicas_are_copied_while_they_are_used_and_replaced_when_they_are_not(
    tmp_path: Path, location: KafkaLocation
) -> None:
    folder, snapshots = DataFolder(tmp_path / "data"), tmp_path / "snapshots"
    with closing(opened(location, folder)) as node:
        fill(node, "a", "b")
        (saved,) = callfold("replica", "snapshot", "--to", snapshots, "-d", folder.root)
        assert saved["snapshot"].endswith(f"shard-0@{4:020d}.db")
        with pytest.raises(CommandFailed, match="another process uses the replicas"):
            callfold("replica", "bootstrap", "--from", snapshots, "-d", folder.root)
        fill(node, "c")
        tail = node.tail()
    (replaced,) = callfold("replica", "bootstrap", "--from", snapshots, "-d", folder.root)
    assert Path(replaced["aside"]).exists()
    with closing(opened(location, folder)) as node:
        assert node.tail() == tail
        assert [document.id for document in node.list("tally")] == ["c", "b", "a"]


def test_what_a_replica_moved_aside_holds_and_its_successor_does_not_is_told(
    tmp_path: Path, location: KafkaLocation
) -> None:
    folder, snapshots = DataFolder(tmp_path / "data"), tmp_path / "snapshots"
    with closing(opened(location, folder)) as node:
        fill(node, "a")
        node.save_snapshots(snapshots)
        fill(node, "b")
        stale = node.append(commit("stale", ("b", 1, Opened(org_id="org-1"))))
        assert not stale.verdict.accepted
    (replaced,) = callfold("replica", "bootstrap", "--from", snapshots, "-d", folder.root)

    told = callfold("replica", "lost", replaced["aside"], "-d", folder.root)

    assert [(one["position"], one["originator"], one["version"]) for one in told] == [("0:3", "b", 1), ("0:4", "b", 2)]
    assert [one["event"]["type"] for one in told] == [Opened.TYPE, Added.TYPE]
    assert told[1]["event"]["data"] == {"amount": 1}
    current = replica_path(folder.replicas / "main", 0)
    assert callfold("replica", "lost", current, "-d", folder.root) == []
    with pytest.raises(CommandFailed, match=f"there is no replica {tmp_path}/absent"):
        callfold("replica", "lost", tmp_path / "absent", "-d", folder.root)


def test_what_the_archive_has_is_given_up_while_the_replica_is_used(tmp_path: Path, location: KafkaLocation) -> None:
    folder, archive = DataFolder(tmp_path / "data"), tmp_path / "archive"
    with closing(opened(location, folder)) as node:
        fill(node, "a", "b")
        archiving.archive(archiving.log_files(folder, on_kafka=True), archive, lambda _: None)
        fill(node, "late")
        asked = ("replica", "prune", "--archive", archive, "-d", folder.root)
        assert callfold(*asked, "--days", 36_000) == [{"shard": 0, "calls": 0}]
        assert callfold(*asked, "--days", 0) == [{"shard": 0, "calls": 2}]
        with pytest.raises(BodyPruned):
            node.get("tally", "a")
        fill(node, "d")
        assert [document.id for document in node.list("tally")] == ["d", "late"]
        assert node.verify().broken is None


def test_the_archive_of_another_log_gives_nothing_up(
    tmp_path: Path, location: KafkaLocation, shared_mock_kafka: MockKafka
) -> None:
    folder, other = DataFolder(tmp_path / "data"), DataFolder(tmp_path / "other")
    with closing(opened(on_mock(shared_mock_kafka.bootstrap), other)) as node:
        fill(node, "x")
    archiving.archive(archiving.log_files(other, on_kafka=True), tmp_path / "archive", lambda _: None)
    with closing(opened(location, folder)) as node:
        fill(node, "a", "b")
        with pytest.raises(CommandFailed, match="of another log"):
            callfold("replica", "prune", "--archive", tmp_path / "archive", "--days", 0, "-d", folder.root)
        assert node.get("tally", "a") is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("snapshot",), "CALLFOLD_REPLICA_SNAPSHOTS"),
        (("bootstrap",), "CALLFOLD_REPLICA_SNAPSHOTS"),
        (("bootstrap", "--from", "absent"), "there are no snapshots in absent"),
        (("prune", "--days", "3"), "where the archive is"),
        (("prune", "--archive", "absent"), "CALLFOLD_REPLICA_DAYS"),
    ],
)
def test_what_is_missing_is_asked_for(
    tmp_path: Path, location: KafkaLocation, arguments: tuple[str, ...], said: str
) -> None:
    with pytest.raises(CommandFailed, match=said):
        callfold("replica", *arguments, "-d", tmp_path / "data")


def test_the_settings_do_both_from_time_to_time(
    tmp_path: Path, location: KafkaLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, archive, snapshots = DataFolder(tmp_path / "data"), tmp_path / "archive", tmp_path / "snapshots"
    monkeypatch.setattr("infra.replica_upkeep.UPKEEP_SECONDS", 0.01)
    settings = load(
        replica_days=timedelta(seconds=1) / timedelta(days=1), archive_dir=archive, replica_snapshots=snapshots
    )
    with closing(opened(location, folder)) as node:
        fill(node, "a")
        archiving.archive(archiving.log_files(folder, on_kafka=True), archive, lambda _: None)
        upkeep = ReplicaUpkeep(settings, {0: node._shards[0].replica.path})
        with closing(upkeep):
            while not list(snapshots.glob("shard-0@*.db")):
                assert node.get("tally", "nobody") is None
        with pytest.raises(BodyPruned):
            node.get("tally", "a")
    new = opened(location, DataFolder(tmp_path / "new"), snapshots=snapshots)
    with closing(new), pytest.raises(BodyPruned):
        new.get("tally", "a")


def test_replicas_without_snapshots_stay(tmp_path: Path, location: KafkaLocation) -> None:
    folder = DataFolder(tmp_path / "data")
    with closing(opened(location, folder)) as node:
        fill(node, "a")
        with pytest.raises(LogUnavailable, match="another process"):
            replaced_from_snapshots(folder.replicas / "main", tmp_path / "absent")
    assert replaced_from_snapshots(folder.replicas / "main", tmp_path / "absent") == []
    assert replica_path(folder.replicas / "main", 0).exists()
