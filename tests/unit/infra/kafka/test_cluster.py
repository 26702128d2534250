"""A cluster's life with a stand-in for Java: what is refused, what a person is told, and that nothing stays behind."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from infra.kafka.cluster import DevCluster
from infra.kafka.configuration import HOST
from infra.kafka.errors import (
    ClusterDiffers,
    ClusterError,
    DownloadFailed,
    NoCluster,
    NodeFailed,
    NoSuchNode,
    PortTaken,
    WrongCondition,
)
from infra.kafka.processes import Condition
from infra.kafka.state import ClusterFolder
from tests.unit.infra.kafka.conftest import not_installed
from tests.unit.infra.kafka.stand_in import SILENT, stand_in


def conditions(cluster: DevCluster) -> list[Condition]:
    return [status.condition for status in cluster.statuses()]


def test_a_folder_without_cluster_says_how_to_get_one(folder: Path) -> None:
    cluster = DevCluster(folder, install=not_installed)

    for ask in (cluster.statuses, cluster.stop, lambda: cluster.kill(1), lambda: cluster.bootstrap):
        with pytest.raises(NoCluster, match=r"no Kafka cluster in .*callfold dev kafka up.*--dir"):
            ask()


def test_a_cluster_outlives_its_starter_and_is_found_by_its_folder(running: DevCluster) -> None:
    statuses = running.statuses()

    assert conditions(running) == [Condition.RUNNING, Condition.RUNNING]
    assert running.bootstrap == ",".join(status.address for status in statuses)
    assert running.log_url == f"kafka://{running.bootstrap}"
    assert len({status.address for status in statuses}) == 2


def test_brokers_are_paused_resumed_and_killed_one_by_one(running: DevCluster) -> None:
    running.pause(2)
    assert conditions(running) == [Condition.RUNNING, Condition.PAUSED]
    running.resume(2)
    assert conditions(running) == [Condition.RUNNING, Condition.RUNNING]
    running.pause(1)
    running.kill(1)
    assert conditions(running) == [Condition.DEAD, Condition.RUNNING]
    assert running.statuses()[0].pid is None


def test_what_makes_no_sense_is_refused_with_the_reason(running: DevCluster) -> None:
    with pytest.raises(NoSuchNode, match=r"no broker 3; this cluster has 1, 2"):
        running.kill(3)
    with pytest.raises(WrongCondition, match="broker 1 is running; this needs one that is paused"):
        running.resume(1)
    with pytest.raises(WrongCondition, match="broker 1 is running; only a dead one can be started"):
        running.restart(1)
    running.kill(1)
    with pytest.raises(WrongCondition, match="broker 1 is dead; this needs one that is running or paused"):
        running.kill(1)


def test_stopping_ends_paused_brokers_too_and_keeps_what_they_stored(running: DevCluster, folder: Path) -> None:
    running.pause(1)

    running.stop()

    assert conditions(running) == [Condition.DEAD, Condition.DEAD]
    assert len(list(folder.glob("broker-*/data/meta.properties"))) == 2


def test_destroying_ends_everything_and_leaves_no_folder(running: DevCluster, folder: Path) -> None:
    processes = [node.process for node in ClusterFolder(folder).load().nodes]

    running.destroy()

    assert not folder.exists()
    assert [process and process.condition for process in processes] == [Condition.DEAD, Condition.DEAD]


def test_a_pid_that_was_given_to_another_process_is_left_alone(running: DevCluster, folder: Path) -> None:
    """As after a reboot: the file names a process that exists, but is not ours."""
    state = json.loads((folder / "cluster.json").read_bytes())
    running.kill(1)
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        state["nodes"][0]["process"]["pid"] = bystander.pid
        (folder / "cluster.json").write_text(json.dumps(state))

        assert conditions(running) == [Condition.DEAD, Condition.RUNNING]
        running.destroy()

        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_another_number_of_brokers_or_other_settings_need_another_folder(running: DevCluster, folder: Path) -> None:
    with pytest.raises(ClusterDiffers, match=r"has 2 broker\(s\), not 3; delete it with .*--delete.*--dir"):
        DevCluster(folder, install=not_installed, brokers=3).start()
    with pytest.raises(ClusterDiffers, match=r"founded with other broker settings \(none\)"):
        DevCluster(folder, install=not_installed, settings={"num.io.threads": "1"}).start()
    assert conditions(running) == [Condition.RUNNING, Condition.RUNNING]


def test_a_broker_that_ends_is_shown_by_the_end_of_its_log_and_the_others_end_too(tmp_path: Path, folder: Path) -> None:
    second_fails = f'grep -q node.id=2 "$config" && {{ echo "java.io.IOException: boom"; exit 1; }}; {SILENT}'
    cluster = DevCluster(folder, install=lambda: stand_in(tmp_path, second_fails), brokers=2)

    with pytest.raises(
        NodeFailed, match=r"(?s)broker 2 ended while it started; .*broker\.log:\njava.io.IOException: boom"
    ):
        cluster.start()

    assert conditions(cluster) == [Condition.DEAD, Condition.DEAD]


def test_a_broker_that_is_dead_before_anybody_looks_counts_as_failed(tmp_path: Path, folder: Path) -> None:
    program = stand_in(tmp_path, "exit 3")
    cluster = DevCluster(folder, install=lambda: program, brokers=1)

    for _ in range(5):
        with pytest.raises(NodeFailed, match="broker 1 ended while it started"):
            cluster.start()


def test_a_broker_that_never_serves_is_given_up(tmp_path: Path, folder: Path) -> None:
    cluster = DevCluster(folder, install=lambda: stand_in(tmp_path, SILENT), brokers=1)

    with pytest.raises(NodeFailed, match=r"broker 1 did not serve within 0 s; "):
        cluster.start(seconds=0.3)

    assert conditions(cluster) == [Condition.DEAD]


def test_storage_that_cannot_be_formatted_is_explained_in_kafkas_words(tmp_path: Path, folder: Path) -> None:
    program = stand_in(tmp_path, SILENT, storage="echo 'No space left on device'; exit 1")

    with pytest.raises(NodeFailed, match=r"(?s)could not format .*broker-1/data:\nNo space left on device"):
        DevCluster(folder, install=lambda: program, brokers=1).start()


def test_a_port_that_another_process_took_is_named_before_anything_starts(tmp_path: Path, folder: Path) -> None:
    cluster = DevCluster(folder, install=not_installed, brokers=1)
    with pytest.raises(DownloadFailed):
        cluster.start()
    port = int(cluster.bootstrap.rpartition(":")[2])

    with socket.create_server((HOST, port)), pytest.raises(PortTaken, match=f"broker 1 listens on port {port}, which"):
        DevCluster(folder, install=lambda: stand_in(tmp_path, SILENT)).start()

    assert conditions(cluster) == [Condition.DEAD]


def test_a_port_that_is_taken_while_a_broker_starts_is_told_from_other_ends(tmp_path: Path, folder: Path) -> None:
    fails = "echo 'Socket server failed to bind: Address already in use.'; seq 100; exit 1"

    with pytest.raises(PortTaken, match=r"broker 1 found port \d+ or \d+ taken"):
        DevCluster(folder, install=lambda: stand_in(tmp_path, fails), brokers=1).start()


def test_a_state_file_of_another_version_is_not_guessed_at(folder: Path) -> None:
    folder.mkdir()
    (folder / "cluster.json").write_text('{"brokers": 3}')

    with pytest.raises(ClusterDiffers, match=r"cluster\.json is not what this version of callfold writes"):
        DevCluster(folder, install=not_installed).statuses()
    (folder / "cluster.json").unlink()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ClusterError, match=r"folder .*file/cluster cannot be written: Not a directory"):
        DevCluster(tmp_path / "file" / "cluster", install=not_installed, brokers=1).start()


def test_brokers_end_with_the_test_process_that_started_them(running: DevCluster, folder: Path) -> None:
    """The guard beside every test cluster acts when its pipe closes, which it does when the test process is killed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.broker_guard", str(folder)], stdin=subprocess.DEVNULL, timeout=60
    )

    assert done.returncode == 0
    assert not folder.exists()
