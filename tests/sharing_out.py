"""How tests are shared out among processes: file by file, and what needs the same costly thing goes to one process.

A mark ``xdist_group("name")`` on a module says that its tests belong into the process that runs all others of that
name: those that hurt brokers (several clusters would have to be started otherwise) and those that read the types of the
official SDK (which take ten seconds of processor time to import).
"""

from __future__ import annotations

import gc
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadGroupScheduling

if TYPE_CHECKING:
    from xdist.remote import Producer


class ByGroupAndFile(LoadGroupScheduling):
    """What is of no group goes with the other tests of its file."""

    def _split_scope(self, nodeid: str) -> str:
        named = super()._split_scope(nodeid)
        return nodeid.partition("::")[0] if named == nodeid else named


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByGroupAndFile | None:
    """Takes the place of the scheduler of the same ``--dist``, which would share out tests one by one."""
    return ByGroupAndFile(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Modules and tests live as long as the process: looking among them for garbage finds none, again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
