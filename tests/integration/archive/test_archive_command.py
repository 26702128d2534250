"""The archive as an operator and an analyst use it: written beside a system, asked and restored without one."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from domain.call.events import CallEnded
from infra.cli.failure import CommandFailed
from infra.cli.main import app
from infra.data_folder import DataFolder
from streams.archive.segment import segments
from streams.log.embedded import EmbeddedLog
from tests.benchmarks.call_events import call_events

START = datetime(2026, 11, 21, 9, tzinfo=UTC)
CALLS = ("call-1", "call-2")


def command(*arguments: str | Path, fails: str = "") -> Any:
    """What the command prints as JSON; with ``fails`` the sentence that it ends with."""
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    if fails:
        assert isinstance(result.exception, CommandFailed), result.output
        assert fails in str(result.exception)
    else:
        assert result.exit_code == 0, result.output or result.exception
    return json.loads(result.stdout) if result.stdout else None


def shown_by_system(call: str, data: Path) -> Any:
    """The call without the addresses that only a system can give out."""
    shown = command("calls", "show", call, "--data-dir", data)
    shown["transport"].pop("websocketCallUrl")
    assert set(shown["monitor"]) == {"listenUrl", "controlUrl"}
    return shown | {"monitor": {}}


def hold_calls(data: Path, calls: Sequence[str]) -> None:
    """Ended calls of forty events."""
    DataFolder(data).create()
    ids, ticks = count(), count()

    def clock() -> datetime:
        return START + timedelta(seconds=next(ticks))

    with closing(EmbeddedLog.open(DataFolder(data).log, clock=clock, new_id=lambda: f"{calls[0]}-{next(ids)}")) as log:
        for call in calls:
            events = [*call_events(40), CallEnded(reason="customer-ended-call", at_ms=60_000)]
            for at in range(0, len(events), 8):
                some = events[at : at + 8]
                asyncio.run(log.record(call, some, [clock() for _ in some]))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive") / "data"
    hold_calls(folder, CALLS)
    return folder


@pytest.fixture(scope="module")
def folder(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("archive") / "archive"
    (written,) = command("archive", "--to", to, "--data-dir", data)
    assert (written["files"], written["events"], written["last_ordinal"]) == (1, 82, 82)
    return to


def test_an_archive_verifies_and_its_chain_is_the_log_s(data: Path, folder: Path) -> None:
    (found,) = command("archive", "verify", folder)
    (shard,) = command("verify", "--data-dir", data)["shards"]
    assert (found["broken"], found["events"]) == (None, 82)
    assert (found["chain"], found["records"]) == (shard["chain"], shard["records"])


def test_a_call_is_shown_from_the_archive_as_the_system_shows_it(data: Path, folder: Path) -> None:
    archived = command("calls", "show", CALLS[1], "--archive", folder)
    assert archived["endedReason"] == "customer-ended-call"
    assert len(archived["messages"]) > 5
    assert archived == shown_by_system(CALLS[1], data)
    command("calls", "show", "nobody", "--archive", folder, fails="holds no call nobody")
    command("calls", "show", CALLS[0], "--archive", data, fails="there is no archive in")


def test_an_analyst_asks_without_a_system(folder: Path) -> None:
    rows = command(
        "sql",
        "--archive",
        folder,
        "SELECT originator_id AS call, org_id, count(*) AS tools, min(data->>'name') AS name FROM events"
        " WHERE type = 'call.tool_called' GROUP BY ALL ORDER BY 1",
    )
    assert rows == [{"call": call, "org_id": "org", "tools": 5, "name": "book"} for call in CALLS]
    command("sql", "--archive", folder, "SELECT * FROM read_text('/etc/hostname')", fails="are disabled")


@pytest.mark.parametrize(("limit", "told"), [("2", True), ("3", False)])
def test_an_answer_that_was_cut_off_says_so(folder: Path, limit: str, told: bool) -> None:
    asked = ["sql", "--archive", str(folder), "SELECT range FROM range(3)", "--limit", limit]
    for form in (asked, [*asked, "--json"]):
        result = CliRunner().invoke(app, form)
        assert (result.exit_code, "there are more rows than these 2" in result.stderr) == (0, told), result.output
        assert ("2" in result.stdout) is not told


def test_a_system_starts_on_what_was_restored(data: Path, folder: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    (restored,) = command("archive", "restore", folder, "--data-dir", new)
    (shard,) = command("verify", "--data-dir", new)["shards"]
    assert (restored["events"], restored["chain"]) == (82, shard["chain"])
    for call in CALLS:
        assert shown_by_system(call, new) == shown_by_system(call, data)
    command("archive", "restore", folder, "--data-dir", new, fails="there is a log at")


def test_later_runs_add_what_is_new(data: Path, folder: Path, tmp_path: Path) -> None:
    mine, to = Path(shutil.copytree(data, tmp_path / "data")), Path(shutil.copytree(folder, tmp_path / "archive"))
    hold_calls(mine, ["call-3"])
    (written,) = command("archive", "--to", to, "--data-dir", mine, "--shard", "0")
    assert (written["files"], written["events"], written["last_ordinal"]) == (1, 41, 123)
    (found,) = command("archive", "verify", to)
    assert (found["broken"], found["files"], found["events"]) == (None, 2, 123)
    segments(to)[0].path.unlink()
    command("archive", "verify", to, fails="record 1: no file before it holds records 1 to ")


def test_what_cannot_be_archived_is_said(data: Path, folder: Path, tmp_path: Path) -> None:
    command("archive", "--to", tmp_path / "to", "--data-dir", tmp_path / "none", fails="there is no log at")
    command("archive", "--to", tmp_path / "to", "--data-dir", data, "--shard", "7", fails="there is no shard 7 here")
    command("archive", "verify", tmp_path / "none", fails="there is no archive in")
    assert CliRunner().invoke(app, ["archive"]).exit_code == 2


def test_what_was_signed_of_the_log_goes_with_it(data: Path, tmp_path: Path) -> None:
    mine, to = Path(shutil.copytree(data, tmp_path / "data")), tmp_path / "archive"
    command("org", "create", "--name", "Acme", "--data-dir", mine)  # a system, which signs what it leaves
    command("archive", "--to", to, "--data-dir", mine)
    (found,) = command("archive", "verify", to, "--data-dir", mine)
    (elsewhere,) = command("archive", "verify", to, "--data-dir", tmp_path)
    assert (found["checkpoints"], elsewhere["checkpoints"]) == (1, 0)
    command("archive", "verify", to, "--data-dir", tmp_path, "-k", "33" * 32, fails="not trusted")
