"""Several shards: everything of an organisation is where its placement says, and nothing is computed from a name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.log.ports import LogUnavailable
from domain.log.position import Position
from domain.organization import events as organization
from domain.organization.aggregate import ORGANIZATION
from domain.organization.commands import CreateOrganization
from domain.organization.placement import emptiest_shard
from domain.organization.state import Organization
from domain.registry import register
from streams.log.kafka import log
from streams.log.kafka.log import KafkaLog
from tests.brokers import MockKafka
from tests.contracts.kafka_nodes import nodes, on_mock
from tests.contracts.log_contract import START, commit, seen
from tests.contracts.tally import (
    TALLY,
    Add,
    Added,
    Closed,
    CutKey,
    KeyCut,
    KeysMelted,
    Noticed,
    Open,
    Opened,
)
from tests.patience import PATIENCE_S

AGGREGATES = {"tally": TALLY, "organization": ORGANIZATION}
TALLY_EVENTS = (Opened, Added, KeyCut, KeysMelted, Closed, Noticed)
TYPES = register(
    [
        *TALLY_EVENTS,
        organization.OrganizationCreated,
        organization.OrganizationPlaced,
        organization.KeyIssued,
        organization.KeyRevoked,
    ]
)


@pytest.fixture
def open_node(tmp_path: Path, shared_mock_kafka: MockKafka) -> Iterator[Callable[[], KafkaLog]]:
    with nodes(on_mock(shared_mock_kafka.bootstrap), tmp_path, shards=3, aggregates=AGGREGATES, types=TYPES) as opener:
        yield opener


@pytest.fixture
def node(open_node: Callable[[], KafkaLog]) -> KafkaLog:
    return open_node()


async def found(node: KafkaLog, org_id: str, shard: int) -> Position:
    _, appended = await node.execute(ORGANIZATION, org_id, CreateOrganization(name=org_id, shard=shard))
    return appended.position


async def test_what_an_organization_owns_lives_where_it_was_placed(node: KafkaLog) -> None:
    assert (await found(node, "org-b", 1)).shard == 0
    assert (await found(node, "org-c", 2)).shard == 0
    _, command = await node.execute(TALLY, "t1", Open("org-b"))
    facts = await node.record("t2", [Opened(org_id="org-c")], [START])
    finished = node.append(commit("c", ("t3", 1, Opened(org_id="org-c")), ("t2", 2, Added(amount=1))))
    assert (command.position, facts.position, finished.position) == (Position(1, 1), Position(2, 1), Position(2, 3))
    _, again = await node.execute(TALLY, "t1", Add(1))
    assert again.position == Position(1, 2)
    assert [p.position.shard for p in node.history("t2")] == [2, 2]
    assert [node.head(shard).ordinal for shard in node.shards] == [4, 2, 3]


async def test_what_belongs_to_no_placed_organization_lives_in_the_first_shard(node: KafkaLog) -> None:
    _, appended = await node.execute(TALLY, "t1", Open("nobody"))
    assert appended.position == Position(0, 1)
    assert (await node.record("sky", [Noticed(text="rain")], [START])).position == Position(0, 2)


async def test_a_node_that_has_not_heard_of_an_organization_asks_the_log_first(
    open_node: Callable[[], KafkaLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guessing the first shard would split the organisation for good."""
    one, behind = open_node(), open_node()
    behind._shards[0]._follower.close()
    position = await found(one, "org-b", 1)
    assert behind.head().ordinal < position.ordinal
    with monkeypatch.context() as impatient:
        impatient.setattr(log, "NEWEST_SECONDS", 0.2)
        with pytest.raises(LogUnavailable, match="not caught up"):
            await behind.execute(TALLY, "t1", Open("org-b"))
    reopened = open_node()
    _, appended = await reopened.execute(TALLY, "t2", Open("org-b"))
    assert appended.position.shard == 1


async def test_one_commit_does_not_span_shards(node: KafkaLog) -> None:
    await found(node, "org-b", 1)
    await found(node, "org-c", 2)
    await node.execute(TALLY, "t1", Open("org-b"))
    with pytest.raises(ValueError, match=r"in shards \[1, 2\]"):
        node.append(commit("c", ("t1", 2, Added(amount=1)), ("t2", 1, Opened(org_id="org-c"))))
    assert node.get("tally", "t2") is None


async def test_a_placement_this_node_does_not_follow_is_told(node: KafkaLog) -> None:
    await found(node, "org-far", 7)
    with pytest.raises(LogUnavailable, match=r"shard 7.*restart"):
        await node.execute(TALLY, "t1", Open("org-far"))


async def test_lists_and_keys_come_from_the_shards_they_concern(node: KafkaLog) -> None:
    await found(node, "org-b", 1)
    await found(node, "org-c", 2)
    for number in range(6):
        await node.execute(TALLY, f"t{number}", Open(("org-b", "org-c", "nobody")[number % 3]))
    await node.execute(TALLY, "t1", CutKey("hash-1"))

    def ids(**filters: Any) -> list[str]:
        return [document.id for document in node.list("tally", **filters)]

    assert ids() == ["t5", "t4", "t3", "t2", "t1", "t0"]
    assert ids(limit=2, offset=1) == ["t4", "t3"]
    assert ids(limit=2, oldest_first=True) == ["t0", "t1"]
    assert ids(org_id="org-b") == ["t3", "t0"]
    assert ids(org_id="nobody") == ["t5", "t2"]
    assert (node.count("tally"), node.count("tally", org_id="org-c")) == (6, 2)
    assert [document.id for document in node.list("organization")] == ["org-c", "org-b"]
    key_owner = node.find_key("hash-1")
    assert key_owner is not None
    assert key_owner.id == "t1"


async def test_shards_are_followed_apart_and_equal_on_every_node(open_node: Callable[[], KafkaLog]) -> None:
    one, other = open_node(), open_node()
    await seen(other, await found(one, "org-b", 1))
    await one.execute(TALLY, "t1", Open("org-b"))
    _, appended = await one.execute(TALLY, "t1", Add(1))
    await seen(other, appended.position)
    assert [p.position for p in other.read(Position(1, 0), 10)] == [Position(1, 1), Position(1, 2)]
    async with asyncio.timeout(PATIENCE_S):
        batch = await anext(other.follow(Position(1, 1)))
    assert [p.position for p in batch] == [Position(1, 2)]
    assert one.receipt(appended.events[0].id.rpartition(".")[0]) is not None


def test_a_new_organization_goes_where_fewest_are() -> None:
    def placed(*shards: int) -> list[Organization]:
        return [
            Organization(id=f"{n}", name="", created_at=START, updated_at=START, version=1, shard=shard)
            for n, shard in enumerate(shards)
        ]

    assert emptiest_shard((0, 1, 2), placed()) == 0
    assert emptiest_shard((0, 1, 2), placed(0, 0, 2)) == 1
    assert emptiest_shard((0, 1, 2, 3), placed(0, 1, 2)) == 3
    assert emptiest_shard((0,), placed(0, 0)) == 0
