"""The embedded log under clients that race, repeat, come too late, and are killed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.chaos.crash_points import IN_A_FILE, KILLS
from tests.chaos.drill import Workers, drill
from tests.chaos.log_processes import open_tally_log
from tests.contracts.log_contract import Node

ORIGINATORS = tuple((f"tally-{number}", "org-1") for number in range(5))


class LogFile(msgspec.Struct, frozen=True):
    """A node of the embedded log: whoever opens the file."""

    path: Path

    def open(self) -> Node:
        return open_tally_log(self.path)


@pytest.mark.timeout(900 + 3 * KILLS)
def test_every_acknowledged_commit_stands_and_no_refused_one_does(tmp_path: Path) -> None:
    address = LogFile(tmp_path / "log.sqlite")

    def die(workers: Workers) -> None:
        workers.die_by_themselves(KILLS, IN_A_FILE)
        workers.await_operations(60)

    outcome = drill([address] * 3, ORIGINATORS, die, auditor=address)
    assert outcome.judgement.violations == ()
    assert outcome.judgement.tally.acknowledged > 100
    assert outcome.judgement.tally.refused > 0
    assert outcome.killed >= KILLS
