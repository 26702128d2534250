"""How tests are shared out among processes: file by file, and files that need the same costly thing go to one process.

pytest-xdist has marks for that, ``xdist_group``; with pytest 9.2 they have no effect, since a worker can no longer
change the id of a test, which is where xdist 3.8 writes the group.
"""

from __future__ import annotations

import gc
from collections.abc import Generator
from fnmatch import fnmatch
from functools import cache
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from xdist.remote import Producer

TOGETHER = {
    "official-sdk": (
        "tests/end_to_end/test_official_sdk*.py",
        "tests/end_to_end/test_knowledge.py",
        "tests/unit/domain/test_official_models.py",
    ),
    "three-brokers": (
        "tests/chaos/test_kafka_drills.py",
        "tests/chaos/test_kafka_losses.py",
        "tests/integration/kafka/test_drills.py",
        "tests/integration/kafka/test_media_log.py",
        "tests/integration/kafka/test_startup_checks.py",
    ),
    "a-broker-to-hurt": (
        "tests/end_to_end/test_kafka_roles.py",
        "tests/integration/kafka/test_leases.py",
        "tests/integration/kafka/test_verify.py",
    ),
}
"""Files that one process runs. The types of the official SDK take ten seconds of processor time to import; a cluster
takes as long to start, and goes on taking a tenth of a processor while it does nothing, until its group is over."""


class ByGroupAndFile(LoadScopeScheduling):
    """What is of no group goes with the other tests of its file."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """Tests of one group run in one process, one after the other."""
    return _group_of_file(nodeid.partition("::")[0])


@cache
def _group_of_file(file: str) -> str:
    groups = (name for name, patterns in TOGETHER.items() if any(fnmatch(file, pattern) for pattern in patterns))
    return next(groups, file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByGroupAndFile | None:
    """Takes the place of the scheduler of the same ``--dist``."""
    return ByGroupAndFile(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Modules and tests live as long as the process: looking among them for garbage finds none, again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
