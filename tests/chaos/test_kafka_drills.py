"""The log on real Kafka under everything at once: races, duplicates, zombies, garbage, kill -9, lost leaders.

Each drill ends with the offline check: nothing that was acknowledged is lost or changed, nothing that was refused is
there, no version is missing or taken twice, and every replica equals one that was made anew from the log.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.kafka.cluster import DevCluster
from tests.chaos.crash_points import KILLS
from tests.chaos.drill import Outcome
from tests.chaos.kafka_drills import Plan, die_at_every_step, kill_everybody, lose_copies, lose_leaders, run

MANY_SECONDS = 1_800


def kept_its_word(outcome: Outcome) -> None:
    assert outcome.judgement.violations == ()
    assert len(set(outcome.replicas)) == 1


@pytest.mark.timeout(900 + 3 * KILLS)
@pytest.mark.parametrize("kills", [24, pytest.param(KILLS, marks=pytest.mark.long)])
def test_four_processes_race_on_one_aggregate_and_are_killed(
    kafka_broker: DevCluster, tmp_path: Path, kills: int
) -> None:
    outcome = run(kafka_broker, tmp_path, Plan(processes=4), die_at_every_step(kills))
    kept_its_word(outcome)
    assert outcome.killed >= kills
    assert outcome.judgement.tally.acknowledged > kills // 2
    assert outcome.judgement.tally.refused > 0


def test_three_processes_on_many_aggregates_in_four_shards(kafka_broker: DevCluster, tmp_path: Path) -> None:
    swarm = Plan(processes=3, shards=4, organizations=8, tallies=200)
    outcome = run(kafka_broker, tmp_path, swarm, kill_everybody(2, every=60))
    kept_its_word(outcome)
    assert outcome.judgement.tally.acknowledged > 100


@pytest.mark.parametrize(
    "pause", [pytest.param(False, marks=pytest.mark.long, id="killed"), pytest.param(True, id="paused")]
)
def test_the_leader_is_lost_while_writing_goes_on(kafka_brokers: DevCluster, tmp_path: Path, pause: bool) -> None:
    plan = Plan(processes=3, tallies=20, replication=3)
    outcome = run(kafka_brokers, tmp_path, plan, lose_leaders(kafka_brokers, 1, every=80, pause=pause))
    kept_its_word(outcome)
    assert outcome.judgement.tally.acknowledged > 100


@pytest.mark.long
@pytest.mark.timeout(MANY_SECONDS)
def test_too_few_copies_are_in_sync_while_writing_goes_on(kafka_brokers: DevCluster, tmp_path: Path) -> None:
    plan = Plan(processes=3, tallies=20, replication=2)
    outcome = run(kafka_brokers, tmp_path, plan, lose_copies(kafka_brokers, 3, every=40))
    kept_its_word(outcome)
    assert outcome.judgement.tally.acknowledged > 200
