"""``infra/compose.yaml`` without a container engine: its form, its settings, and the brokers that it describes."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.kafka.configuration import NodeAddress, node_properties
from infra.kafka.distribution import locked
from infra.settings import PREFIX, Settings

INFRA = Path(__file__).parents[3] / "infra"
COMPOSE = INFRA / "compose.yaml"
PLACES = {
    "advertised.listeners",
    "controller.quorum.voters",
    "inter.broker.listener.name",
    "listener.security.protocol.map",
    "listeners",
    "log.dirs",
    "node.id",
}
"""What says where brokers are, which differs between containers and loopback."""

FOR_SMALL_MACHINES = {
    "background.threads",
    "broker.heartbeat.interval.ms",
    "broker.session.timeout.ms",
    "group.coordinator.threads",
    "group.initial.rebalance.delay.ms",
    "log.cleaner.dedupe.buffer.size",
    "num.io.threads",
    "num.network.threads",
    "offsets.topic.num.partitions",
    "share.coordinator.state.topic.num.partitions",
    "transaction.state.log.num.partitions",
}
"""What the development cluster has to itself: it starts and notices deaths sooner, and takes less memory."""


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
    return found


def kafka_properties(service: dict[str, Any]) -> dict[str, str]:
    """As the image apache/kafka makes them of its environment."""
    return {
        name.removeprefix("KAFKA_").replace("_", ".").lower(): str(value)
        for name, value in service["environment"].items()
        if name.startswith("KAFKA_") and not name.endswith("_OPTS")
    }


def test_it_has_the_form_of_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout


def test_everything_that_is_waited_for_mounted_or_built_is_there(services: dict[str, dict[str, Any]]) -> None:
    volumes = yaml.safe_load(COMPOSE.read_text())["volumes"]
    for service in services.values():
        for awaited, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert "healthcheck" in services[awaited]
        assert {mount.partition(":")[0] for mount in service.get("volumes", ())} <= set(volumes)
    build = services["callfold"]["build"]
    assert (COMPOSE.parent / build["context"] / build["dockerfile"]).resolve() == INFRA / "Dockerfile"


def test_the_image_holds_every_package_of_the_wheel() -> None:
    project = tomllib.loads((INFRA.parent / "pyproject.toml").read_text())
    copied = [line.split()[1:-1] for line in (INFRA / "Dockerfile").read_text().splitlines() if line.startswith("COPY")]

    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= {
        name for names in copied for name in names
    }


@pytest.mark.parametrize("number", [1, 2, 3])
def test_brokers_have_what_the_log_relies_on_and_the_release_that_is_tested(
    services: dict[str, dict[str, Any]], number: int
) -> None:
    service = services[f"kafka-{number}"]
    theirs = kafka_properties(service)
    addresses = [NodeAddress(each, 1, 2) for each in (1, 2, 3)]
    ours = node_properties(addresses[number - 1], addresses, data=Path("data"), overrides={})

    assert service["image"] == f"apache/kafka:{locked().kafka}"
    assert theirs["node.id"] == str(number)
    assert {name: theirs.get(name) for name in ours.keys() - PLACES - FOR_SMALL_MACHINES} == {
        name: value for name, value in ours.items() if name not in PLACES | FOR_SMALL_MACHINES
    }
    assert theirs.keys() <= ours.keys(), "a setting that nothing here has tried"


def test_brokers_advertise_what_other_containers_and_this_machine_can_reach(
    services: dict[str, dict[str, Any]],
) -> None:
    for number in (1, 2, 3):
        service = services[f"kafka-{number}"]
        theirs = kafka_properties(service)
        inside, outside = theirs["advertised.listeners"].split(",")
        (published,) = service["ports"]
        host, port, inner = published.rsplit(":", 2)
        assert inside == f"INSIDE://kafka-{number}:19092"
        assert outside == f"OUTSIDE://localhost:{port}"
        assert (host, f"OUTSIDE://:{inner}" in theirs["listeners"].split(",")) == ("127.0.0.1", True)
        assert f"{number}@kafka-{number}:29093" in theirs["controller.quorum.voters"].split(",")
        assert service["environment"]["CLUSTER_ID"] == services["kafka-1"]["environment"]["CLUSTER_ID"]


def test_callfold_takes_its_settings_from_it(
    services: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {name: value for name, value in services["callfold"]["environment"].items() if value is not None}
    for name, value in given.items():
        monkeypatch.setenv(name, value.replace("${CALLFOLD_CLICKHOUSE_PASSWORD:-callfold}", "callfold"))

    settings = Settings(_env_file=None)

    assert {
        name.removeprefix(PREFIX).lower() for name in given if name.startswith(PREFIX)
    } <= Settings.model_fields.keys()
    assert settings.kafka is not None
    assert settings.kafka.bootstrap == ("kafka-1:19092", "kafka-2:19092", "kafka-3:19092")
    assert settings.clickhouse is not None
