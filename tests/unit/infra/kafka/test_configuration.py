"""What brokers are told depends on how many they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import infra
from infra.kafka.configuration import NodeAddress, node_properties, rendered
from infra.kafka.distribution import locked

NODES = [NodeAddress(number, 20_000 + number, 30_000 + number) for number in range(1, 6)]


def told(count: int, **overrides: str) -> dict[str, str]:
    settings = {name.replace("_", "."): value for name, value in overrides.items()}
    return node_properties(NODES[0], NODES[:count], data=Path("/data"), overrides=settings)


@pytest.mark.parametrize(("count", "copies", "enough"), [(1, "1", "1"), (2, "2", "1"), (3, "3", "2"), (5, "3", "2")])
def test_topics_have_as_many_copies_as_there_are_brokers_to_three(count: int, copies: str, enough: str) -> None:
    properties = told(count)

    assert properties["default.replication.factor"] == copies
    assert properties["offsets.topic.replication.factor"] == copies
    assert properties["transaction.state.log.replication.factor"] == copies
    assert properties["min.insync.replicas"] == enough
    assert properties["transaction.state.log.min.isr"] == enough


def test_nothing_acknowledged_is_given_up_and_no_topic_made_by_accident() -> None:
    properties = told(3)

    assert properties["unclean.leader.election.enable"] == "false"
    assert properties["auto.create.topics.enable"] == "false"


def test_every_node_votes_and_listens_on_loopback_only() -> None:
    properties = told(3)

    assert properties["controller.quorum.voters"] == "1@127.0.0.1:30001,2@127.0.0.1:30002,3@127.0.0.1:30003"
    assert properties["listeners"] == "PLAINTEXT://127.0.0.1:20001,CONTROLLER://127.0.0.1:30001"
    assert properties["node.id"] == "1"


def test_what_a_person_sets_wins() -> None:
    assert told(3, min_insync_replicas="1")["min.insync.replicas"] == "1"


def test_a_backslash_survives_javas_reading() -> None:
    assert rendered({"log.dirs": "/da\\ta", "node.id": "1"}) == "log.dirs=/da\\\\ta\nnode.id=1\n"


def test_the_brokers_of_the_compose_file_are_the_same_release_and_keep_the_same_promises() -> None:
    compose = (Path(infra.__file__).parent / "compose.yaml").read_text()
    in_compose = dict(re.findall(r'^  KAFKA_(\w+): "?([^"\n]+)"?$', compose, re.MULTILINE))
    promised = {name.upper().replace(".", "_"): value for name, value in told(3).items()}

    assert f"image: apache/kafka:{locked().kafka}\n" in compose
    shared = {
        "AUTO_CREATE_TOPICS_ENABLE",
        "UNCLEAN_LEADER_ELECTION_ENABLE",
        "DEFAULT_REPLICATION_FACTOR",
        "MIN_INSYNC_REPLICAS",
        "OFFSETS_TOPIC_REPLICATION_FACTOR",
        "TRANSACTION_STATE_LOG_MIN_ISR",
    }
    assert {name: in_compose.get(name) for name in shared} == {name: promised[name] for name in shared}
