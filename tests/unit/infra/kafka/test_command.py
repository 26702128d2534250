"""``callfold dev kafka``: what it shows, and the sentence for what cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from infra.cli.failure import CommandFailed
from infra.cli.main import app
from infra.kafka.cluster import DevCluster


def kafka(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["dev", "kafka", *arguments])


def test_every_broker_is_shown_with_the_setting_for_callfold(running: DevCluster) -> None:
    shown = kafka("status", "--dir", str(running.folder)).stdout
    told = json.loads(kafka("status", "--dir", str(running.folder), "--json").stdout)

    assert f"export CALLFOLD_LOG=kafka://{running.bootstrap}" in shown.splitlines()
    assert (told["bootstrap"], told["log"]) == (running.bootstrap, running.log_url)
    assert [(each["id"], each["condition"]) for each in told["brokers"]] == [(1, "running"), (2, "running")]


def test_brokers_are_hurt_by_number_and_the_cluster_ends_with_all_it_kept(running: DevCluster) -> None:
    folder = ("--dir", str(running.folder))
    for command, number, condition in (("pause", "2", "paused"), ("resume", "2", "running"), ("kill", "1", "dead")):
        assert kafka(command, number, *folder).exit_code == 0
        told = json.loads(kafka("status", *folder, "--json").stdout)
        assert told["brokers"][int(number) - 1]["condition"] == condition

    assert kafka("down", *folder).exit_code == 0
    assert {each.condition.value for each in running.statuses()} == {"dead"}
    assert kafka("down", *folder, "--delete").exit_code == 0
    assert not running.folder.exists()


@pytest.mark.parametrize("command", [("status",), ("down",), ("down", "--delete"), ("kill", "1"), ("start", "1")])
def test_without_a_cluster_there_is_one_sentence(command: tuple[str, ...], tmp_path: Path) -> None:
    failed = kafka(*command, "--dir", str(tmp_path)).exception

    assert isinstance(failed, CommandFailed)
    assert str(failed).startswith(f"there is no Kafka cluster in {tmp_path}; start one with")
    assert tmp_path.exists()


def test_the_data_folder_holds_the_cluster_that_no_option_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLFOLD_DATA_DIR", str(tmp_path / "data"))

    assert f"{tmp_path}/data/kafka" in str(kafka("status").exception)


@pytest.mark.parametrize(
    "arguments", [("up", "--set", "num.io.threads"), ("up", "--brokers", "0"), ("kill",), ("kill", "x")]
)
def test_wrong_usage_is_exit_status_2(arguments: tuple[str, ...]) -> None:
    assert kafka(*arguments).exit_code == 2


def test_without_java_nothing_is_fetched_and_the_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("CALLFOLD_CACHE_DIR", str(tmp_path / "cache"))

    failed = kafka("up", "--dir", str(tmp_path / "cluster")).exception

    assert isinstance(failed, CommandFailed)
    assert "apt-get install openjdk-17-jre-headless" in str(failed)
    assert not (tmp_path / "cache").exists()


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLFOLD_PORT", "many")

    failed = kafka("status").exception

    assert isinstance(failed, CommandFailed)
    assert str(failed).startswith("CALLFOLD_PORT: ")
