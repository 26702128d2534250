from __future__ import annotations

import pytest

from tests.unit.streams.memory_log import MemoryLog
from tests.unit.streams.running import MemorySink, Writer


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def write(log: MemoryLog) -> Writer:
    return Writer(log)


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()
