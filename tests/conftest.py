"""How every test of the project runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "callfold",
    deadline=None,  # a busy machine is no finding; whole tests have pytest's time-out
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("callfold")

pytest_plugins = ["tests.sharing_out", "tests.brokers"]


@pytest.fixture(autouse=True)
def log_lines_of_its_own() -> Iterator[None]:
    """A command that a test runs here sets the log lines of the whole process; the next test is to see its own."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
