"""A log that found no space says so until there is some again, whether anybody appends meanwhile or not."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from domain.assistant.events import AssistantCreated
from domain.log.ports import LogUnavailable
from infra import watched_log
from infra.application import Gate
from infra.watched_log import WatchedLog

START = datetime(2026, 1, 1, tzinfo=UTC)


@contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[WatchedLog]:
    numbers = count(1)
    opened = WatchedLog.watched(tmp_path / "log.db", clock=lambda: START, new_id=lambda: str(next(numbers)))
    yield opened
    opened.close()


async def append(log: WatchedLog, name: str) -> None:
    await log.record(name, [AssistantCreated(org_id="org", config={"name": "x" * 20_000})], [START])


async def fill(log: WatchedLog) -> None:
    for number in range(100):
        await append(log, f"a{number}")


async def test_a_node_is_in_trouble_while_its_log_finds_no_space_and_out_of_it_when_an_append_succeeds(
    log: WatchedLog,
) -> None:
    gate = Gate(closed_because="", troubles=[log.space.trouble])
    assert gate.trouble() == ""
    with files_of_at_most(500_000):
        with pytest.raises(LogUnavailable):
            await fill(log)
        assert "no space for the log" in gate.trouble()
        assert "free disk space" in gate.trouble()
    await append(log, "b")
    assert gate.trouble() == ""


async def test_without_any_append_a_node_learns_that_there_is_space_again(
    log: WatchedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched_log, "_PROBE_EVERY_S", 0.0)
    with files_of_at_most(500_000):
        with pytest.raises(LogUnavailable):
            await fill(log)
        assert "no space" in log.space.trouble()
    assert log.space.trouble() == ""


async def test_a_refused_command_says_nothing_about_space(log: WatchedLog) -> None:
    with pytest.raises(ValueError, match="nothing to record"):
        await log.record("a", [], [])
    assert log.space.trouble() == ""
