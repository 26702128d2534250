"""The ``callfold`` command: what it loads, says and answers, on a data folder in which nothing runs."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from domain.configuration.commands import CreateConfiguration
from domain.configuration.kinds import CONFIGURATIONS
from infra.cli.main import app, run
from infra.data_folder import DataFolder
from infra.settings import Settings
from infra.storage import opened_storage

HEAVY = {"alembic", "chdb", "clickhouse_connect", "eventsourcing", "fastapi", "httpx", "numpy", "openai", "pydantic"}
HEAVY |= {"rich", "sqlalchemy", "sqlite3", "uvicorn", "asyncio"}


@pytest.fixture
def data_dir(tmp_path: Path) -> str:
    return str(tmp_path / "data")


def callfold(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def created(data_dir: str, name: str = "Acme") -> dict[str, str]:
    result = callfold("org", "create", "--name", name, "--data-dir", data_dir, "--json")
    assert result.exit_code == 0, result.output
    organization: dict[str, str] = json.loads(result.stdout)
    return organization


def test_help_loads_nothing_that_only_a_command_needs() -> None:
    probe = "import sys, infra.cli.main; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.split()

    assert HEAVY & set(loaded) == set()


def test_help_names_every_command() -> None:
    shown = callfold("--help").stdout

    for command in (
        "up",
        "api",
        "media",
        "project",
        "stream",
        "demo",
        "org",
        "calls",
        "events",
        "sql",
        "analysts",
        "rebuild",
        "dead",
        "verify",
        "replay",
        "archive",
        "doctor",
    ):
        assert f"\n  {command} " in shown


@pytest.mark.parametrize(
    "arguments", [("calls", "show"), ("up", "--port", "many"), ("org", "create"), ("sing",), ("calls", "ls", "-n", "0")]
)
def test_wrong_usage_is_exit_status_2(arguments: tuple[str, ...]) -> None:
    assert callfold(*arguments).exit_code == 2


def test_an_organisation_is_made_in_a_new_folder_and_listed(data_dir: str) -> None:
    made = created(data_dir)

    assert set(made) == {"id", "privateKey", "publicKey"}
    listed = json.loads(callfold("org", "ls", "--data-dir", data_dir, "--json").stdout)
    assert [(o["id"], o["name"]) for o in listed] == [(made["id"], "Acme")]


def test_secrets_from_before_there_was_a_key_are_sealed_in_a_folder_where_nothing_runs(
    data_dir: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = created(data_dir)
    config = {"provider": "openai", "apiKey": "sk-quite-unmistakable"}
    with DataFolder(Path(data_dir)).own() as seat, opened_storage(Settings(data_dir=Path(data_dir)), seat) as storage:
        command = CreateConfiguration(org_id=made["id"], config=config, actor="test")
        asyncio.run(storage.log.execute(CONFIGURATIONS["credential"], "c1", command))
    without = callfold("org", "seal-secrets", "--data-dir", data_dir)
    assert without.exit_code == 1
    assert "CALLFOLD_SECRET_KEY" in str(without.exception)

    monkeypatch.setenv("CALLFOLD_SECRET_KEY", "k" * 32)
    sealed = callfold("org", "seal-secrets", "--data-dir", data_dir)
    assert sealed.exit_code == 0, sealed.output
    assert "credentials sealed" in sealed.stdout
    assert "replace them at their vendors" in sealed.stdout
    assert "Nothing in force is unsealed." in callfold("org", "seal-secrets", "--data-dir", data_dir).stdout


def test_keys_are_nowhere_in_the_folder(data_dir: str) -> None:
    made = created(data_dir)

    kept = b"".join(path.read_bytes() for path in Path(data_dir).rglob("*") if path.is_file())
    assert made["id"].encode() in kept
    assert made["privateKey"].encode() not in kept
    assert made["publicKey"].encode() not in kept


def test_the_log_is_shown_as_lines_and_as_json(data_dir: str) -> None:
    made = created(data_dir)

    lines = callfold("events", "tail", "--once", "--data-dir", data_dir).stdout.splitlines()
    events = [
        json.loads(line)
        for line in callfold("events", "tail", "--once", "--data-dir", data_dir, "--json").stdout.splitlines()
    ]

    assert [event["position"] for event in events] == ["0:1", "0:2", "0:3", "0:4"]
    assert {event["originatorId"] for event in events} == {made["id"]}
    assert "organization.created" in lines[0]
    assert "Acme" in lines[0]


def test_a_look_at_the_log_says_when_there_is_more_and_when_there_is_nothing(data_dir: str) -> None:
    created(data_dir)

    some = callfold("events", "tail", "--once", "--limit", "3", "--json", "--data-dir", data_dir)
    none = callfold("events", "tail", "--once", "--type", "call.ended", "--data-dir", data_dir)

    assert len(some.stdout.splitlines()) == 3
    assert some.stderr == "the first 3; --after 0:3 or a larger --limit shows what follows\n"
    assert (none.exit_code, none.stdout, none.stderr) == (0, "", "no such events\n")


def test_following_a_stopped_folder_ends_at_the_end_of_its_log(data_dir: str) -> None:
    created(data_dir)

    followed = callfold("events", "tail", "--after", "0:2", "--type", "organization.key_issued", "-d", data_dir)

    assert followed.exit_code == 0
    assert len(followed.stdout.splitlines()) == 2


def test_one_event_is_shown_whole(data_dir: str) -> None:
    created(data_dir, "Whole")

    shown = json.loads(callfold("events", "show", "0:1", "--data-dir", data_dir, "--json").stdout)

    assert (shown["type"], shown["data"]) == ("organization.created", {"name": "Whole"})


def test_no_calls_is_said_with_how_to_get_one(data_dir: str) -> None:
    created(data_dir)

    assert "callfold demo" in callfold("calls", "ls", "--data-dir", data_dir).stdout
    assert json.loads(callfold("calls", "ls", "--data-dir", data_dir, "--json").stdout) == []


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("events", "show", "0:99"), 3, "there is no event at 0:99"),
        (("events", "show", "128"), 2, "give shard:ordinal, for example 0:128"),
        (("calls", "show", "nobody"), 3, "Call nobody does not exist"),
        (("org", "create", "--name", ""), 1, "name"),
    ],
)
def test_a_failure_is_one_sentence_and_a_status(
    data_dir: str, arguments: tuple[str, ...], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    created(data_dir)

    assert _run(*arguments, "--data-dir", data_dir) == code

    complaint = capsys.readouterr().err
    assert complaint.startswith("error: ")
    assert says in complaint
    assert len(complaint.splitlines()) == 1


def test_a_folder_without_a_system_says_what_to_do(data_dir: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("calls", "ls", "--data-dir", data_dir) == 1

    assert "start a system with `callfold up`" in capsys.readouterr().err


def test_a_file_that_is_no_log_is_named_not_traced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log.db").write_text("not a database, but long enough to look like one" * 100)

    assert _run("org", "ls", "--data-dir", str(tmp_path)) == 1

    assert "not a database" in capsys.readouterr().err


def test_a_wrong_setting_is_named(
    data_dir: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CALLFOLD_LOG", "postgres://broker")

    assert _run("up", "--data-dir", data_dir) == 1

    assert "CALLFOLD_LOG: 'postgres://broker' is no kind of log; use sqlite" in capsys.readouterr().err


def _run(*arguments: str) -> object:
    """As the console script does it: failures become a sentence and an exit status."""
    argv, sys.argv = sys.argv, ["callfold", *arguments]
    try:
        with pytest.raises(SystemExit) as done:
            run()
    finally:
        sys.argv = argv
    return done.value.code
