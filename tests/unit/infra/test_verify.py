"""``callfold verify`` on a data folder in which nothing runs: what was done to it is named, and how it exits."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from infra.cli.failure import CommandFailed
from infra.cli.main import app
from infra.data_folder import DataFolder
from infra.settings import Settings
from infra.storage import opened_storage
from infra.wiring import found_organization
from streams.log.checkpoint_key import CheckpointKey


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with four organisations, opened and closed for each, and so signed after each."""
    data = tmp_path_factory.mktemp("verify") / "data"
    settings = Settings(_env_file=None, data_dir=data)
    for name in ("Acme", "Brick", "Clay", "Dune"):
        with DataFolder(data).own() as seat, opened_storage(settings, seat) as storage:
            asyncio.run(found_organization(storage, name, b"s" * 32))
    return data


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A copy of it, to do harm to."""
    return Path(shutil.copytree(written, tmp_path / "data"))


def verified(folder: Path, *options: str) -> dict[str, Any]:
    """What is printed; ``error`` is the sentence that it fails with."""
    result = CliRunner().invoke(app, ["verify", "--data-dir", str(folder), "--json", *options])
    found: dict[str, Any] = json.loads(result.stdout)
    assert (result.exit_code == 0) == (not found["findings"])
    if result.exit_code:
        assert isinstance(result.exception, CommandFailed)
    return found | {"error": str(result.exception or "")}


def edit(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "log.db")) as connection, connection:
        for statement in statements:
            assert connection.execute(statement).rowcount > 0


def test_an_untouched_log_holds(folder: Path) -> None:
    found = verified(folder)
    assert found["findings"] == []
    assert found["notes"] == []
    (shard,) = found["shards"]
    assert (shard["shard"], shard["begin"], shard["checkpoints"]) == (0, 0, 4)
    assert found["records"] == shard["records"] > 4


def test_people_get_a_table(folder: Path) -> None:
    shown = CliRunner().invoke(app, ["verify", "--data-dir", str(folder)])
    assert shown.exit_code == 0
    assert "checkpoints" in shown.stdout
    edit(folder, "UPDATE commits SET chain = zeroblob(32) WHERE sequence = 1")
    shown = CliRunner().invoke(app, ["verify", "--data-dir", str(folder)])
    assert isinstance(shown.exception, CommandFailed)
    assert "Findings" in shown.stdout


def test_a_changed_record_is_named(folder: Path) -> None:
    edit(
        folder,
        "UPDATE stored_events SET state = CAST(replace(state, 'Brick', 'Brack') AS BLOB)"
        " WHERE CAST(state AS TEXT) GLOB '*Brick*'",
    )
    found = verified(folder)
    assert found["findings"][0]["fault"] == "changed"
    assert "is broken: its content differs from what was hashed" in found["error"]


def test_a_removed_record_is_named(folder: Path) -> None:
    edit(folder, "DELETE FROM commits WHERE sequence = 2")
    assert "record 2 is missing" in verified(folder)["error"]


def test_a_swapped_order_is_named(folder: Path) -> None:
    edit(
        folder,
        "UPDATE commits SET sequence = -1 WHERE sequence = 2",
        "UPDATE commits SET sequence = 2 WHERE sequence = 3",
        "UPDATE commits SET sequence = 3 WHERE sequence = -1",
    )
    found = verified(folder)
    assert found["findings"][0]["place"] == "record 2"


def cut(folder: Path) -> None:
    """The last record and its events, gone as if they had never been."""
    with closing(sqlite3.connect(folder / "log.db")) as connection, connection:
        ((last, ordinal),) = connection.execute(
            "SELECT sequence, first_ordinal FROM commits ORDER BY sequence DESC LIMIT 1"
        )
        connection.execute("DELETE FROM commits WHERE sequence = ?", (last,))
        connection.execute("DELETE FROM stored_events WHERE ordinal >= ?", (ordinal,))


def test_a_cut_end_is_named_although_the_log_is_whole_in_itself(folder: Path) -> None:
    before = verified(folder)["records"]
    cut(folder)
    found = verified(folder)
    assert [finding["fault"] for finding in found["findings"]] == ["cut"]
    assert f"covers {before} records, and the log ends after {before - 1}" in found["error"]


def test_a_cut_end_is_still_known_after_the_system_has_run_on(folder: Path) -> None:
    cut(folder)
    result = CliRunner().invoke(app, ["org", "create", "--name", "Late", "--data-dir", str(folder), "--json"])
    assert result.exit_code == 0
    found = verified(folder)
    assert found["findings"][0]["fault"] == "changed"
    assert "was changed, removed or moved" in found["error"]


def forge(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the last checkpoint and put it in its place."""
    path = folder / "checkpoints.jsonl"
    *others, last = path.read_text().splitlines()
    checkpoint = json.loads(last)
    change(checkpoint)
    path.write_text("\n".join([*others, json.dumps(checkpoint, separators=(",", ":"))]) + "\n")


def test_a_forged_checkpoint_is_named(folder: Path) -> None:
    forge(folder, lambda checkpoint: checkpoint["checkpoint"].update(chain="00" * 32))
    found = verified(folder)
    assert [(finding["fault"], finding["place"]) for finding in found["findings"]] == [
        ("forged", "checkpoints.jsonl line 4")
    ]
    assert "that key did not sign it" in found["error"]


def test_who_rewrites_the_log_and_signs_anew_is_found_by_the_key(folder: Path, tmp_path: Path) -> None:
    genuine = (folder / "checkpoint.pub").read_text().strip()
    for name in ("log.db", "checkpoints.jsonl", "checkpoint.key", "checkpoint.pub"):
        (folder / name).unlink()
    result = CliRunner().invoke(app, ["org", "create", "--name", "Rewritten", "--data-dir", str(folder), "--json"])
    assert result.exit_code == 0
    assert verified(folder)["findings"] == []
    (folder / "checkpoint.key").unlink()
    found = verified(folder, "--public-key", genuine)
    assert [finding["fault"] for finding in found["findings"]] == ["forged"]
    assert "which is not trusted" in found["error"]


def test_removed_checkpoints_are_noted(folder: Path) -> None:
    (folder / "checkpoints.jsonl").unlink()
    found = verified(folder)
    assert found["findings"] == []
    assert "nothing is signed by a trusted key yet (shard 0)" in found["notes"][0]


def test_the_key_may_come_from_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLFOLD_CHECKPOINT_KEY", "07" * 32)
    data = tmp_path / "data"
    assert CliRunner().invoke(app, ["org", "create", "--name", "A", "--data-dir", str(data)]).exit_code == 0
    assert not (data / "checkpoint.key").exists()
    assert verified(data)["shards"][0]["checkpoints"] == 1
    monkeypatch.delenv("CALLFOLD_CHECKPOINT_KEY")
    assert verified(data)["findings"][0]["fault"] == "forged"
    ours = CheckpointKey.parse("07" * 32).public
    assert verified(data, "--public-key", ours)["findings"] == []


def test_a_key_that_is_none_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = CliRunner().invoke(app, ["verify", "--data-dir", str(folder), "--public-key", "abc"])
    assert isinstance(refused.exception, CommandFailed)
    assert "openssl rand -hex 32" in str(refused.exception)
    monkeypatch.setenv("CALLFOLD_CHECKPOINT_KEY", "abc")
    refused = CliRunner().invoke(app, ["verify", "--data-dir", str(folder)])
    assert isinstance(refused.exception, CommandFailed)
    assert "CALLFOLD_CHECKPOINT_KEY: the key is not hexadecimal" in str(refused.exception)


def test_there_is_nothing_to_verify_in_an_empty_folder(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["verify", "--data-dir", str(tmp_path)])
    assert isinstance(found.exception, CommandFailed)
    assert "there is no log at" in str(found.exception)
