"""The log contract on SQLite, and what only a file can show: tampering, refolding, durability settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.log.embedded import EmbeddedLog
from tests.contracts.log_contract import LogContract, SteppingClock, new_id
from tests.contracts.tally import TALLIES, TALLY_TYPES


class TestEmbeddedLog(LogContract):
    @pytest.fixture
    def open_node(self, tmp_path: Path) -> Iterator[Callable[[], EmbeddedLog]]:
        opened: list[EmbeddedLog] = []
        clock = SteppingClock()

        def open_log() -> EmbeddedLog:
            node = EmbeddedLog.open(
                tmp_path / "log.sqlite", clock=clock, new_id=new_id, aggregates=TALLIES, types=TALLY_TYPES
            )
            opened.append(node)
            return node

        yield open_log
        for node in opened:
            node.close()
