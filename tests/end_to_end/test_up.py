"""``callfold up`` as an operator meets it: start, restart, stop, and the commands beside it."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from infra.cli.main import run
from infra.identifiers import now, random_id
from streams.log.embedded import EmbeddedLog
from tests.end_to_end.system_process import TALKATIVE, SystemProcess, on_the_line, place_call, running, start

pytestmark = pytest.mark.timeout(900)  # whole systems are started, which a busy machine does slowly

WITHIN_SECONDS = 150


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemProcess]:
    with running(tmp_path_factory.mktemp("up") / "data") as started:
        yield started


def _callfold(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in this process, beside the system in its own: starting Python takes longer than most commands."""
    output, error = io.StringIO(), io.StringIO()
    code: object = 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(error):
        patch.setattr(sys, "argv", ["callfold", *arguments])
        try:
            run()
        except SystemExit as ended:
            code = ended.code or 0
    assert isinstance(code, int)
    return subprocess.CompletedProcess(arguments, code, output.getvalue(), error.getvalue())


def _callfold_in_a_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra.cli", *arguments], capture_output=True, text=True, timeout=WITHIN_SECONDS
    )


def test_the_first_start_makes_an_organisation_whose_keys_work(system: SystemProcess) -> None:
    assert system.organization is not None

    with system.api(system.organization["privateKey"]) as api:
        created = api.post("/assistant", json={"name": "Riley"})
        listed = api.get("/assistant")

    assert created.status_code == 201
    assert created.json()["orgId"] == system.organization["id"]
    assert [assistant["name"] for assistant in listed.json()] == ["Riley"]


def test_it_is_ready_and_its_documentation_is_there(system: SystemProcess) -> None:
    with system.api("nobody") as api:
        assert api.get("/health/ready").json()["status"] == "ready"
        assert "swagger" in api.get("/docs").text.lower()


def test_an_organisation_is_made_from_the_command_line_while_it_runs(system: SystemProcess) -> None:
    made = _callfold("org", "create", "--name", "Second", "--data-dir", str(system.folder.root), "--json")

    assert made.returncode == 0, made.stderr
    organization = json.loads(made.stdout)
    assert set(organization) == {"id", "privateKey", "publicKey"}
    with system.api(organization["privateKey"]) as api:
        assert api.get("/assistant").json() == []


def test_rows_are_in_the_tables_at_once(system: SystemProcess) -> None:
    answered = _callfold(
        "sql", "SELECT type, count() AS n FROM events GROUP BY type", "--data-dir", str(system.folder.root), "--json"
    )

    assert answered.returncode == 0, answered.stderr
    counted = {row["type"]: row["n"] for row in json.loads(answered.stdout)}
    assert counted["organization.created"] >= 1


@pytest.mark.parametrize("which", [(), ("--projection", "calls", "--version", "1", "--drop-old")])
def test_tables_are_made_again_while_it_runs_and_equal_the_live_ones(
    system: SystemProcess, which: tuple[str, ...]
) -> None:
    done = _callfold("rebuild", *which, "--data-dir", str(system.folder.root), "--json")

    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["equal"] is True
    assert outcome["failedEvents"] == 0
    assert {"calls", "events"} <= {table["table"] for table in outcome["tables"]}
    dropped = _callfold("rebuild", "drop", "--data-dir", str(system.folder.root), "--json")
    assert ("calls_v1_replaced" in json.loads(dropped.stdout)["dropped"]) is not ("--drop-old" in which)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("sql", "DROP TABLE calls"), "SELECT"),
        (("sql", "SELECT nothing FROM nowhere"), "nowhere"),
        (("rebuild", "--projection", "weather"), "There is no table weather"),
        (("rebuild", "--projection", "calls", "--version", "9"), "This build writes version 1 of calls"),
        (("dead", "retry", "weather", "nobody"), "There is no processor weather"),
        (("dead", "show", "call-tables", "0:1"), "call-tables has no parked event at 0:1"),
        (("dead", "show", "call-tables", "first"), "not of the form shard:ordinal"),
        (("calls", "show", "nobody"), "Call nobody does not exist"),
    ],
)
def test_what_it_refuses_is_one_sentence_on_the_command_line(
    system: SystemProcess, arguments: tuple[str, ...], says: str
) -> None:
    refused = _callfold(*arguments, "--data-dir", str(system.folder.root))

    assert refused.returncode in (1, 3)
    assert refused.stderr.startswith("error: ")
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_second_system_on_the_same_folder_says_who_owns_it(system: SystemProcess) -> None:
    second = start(system.folder.root)
    _, complaint = second.communicate(timeout=WITHIN_SECONDS)

    assert second.returncode == 1
    assert f"in use: callfold runs on it at {system.url}" in complaint.decode()
    assert "Traceback" not in complaint.decode()


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start(tmp_path / "data", "--port", str(port))
        _, complaint = process.communicate(timeout=WITHIN_SECONDS)

    assert process.returncode == 1
    assert complaint.decode().splitlines()[-1] == (
        f"error: cannot listen on 127.0.0.1 port {port}: Address already in use; choose another with --port"
    )


def test_a_restart_keeps_everything_and_a_stop_ends_calls_with_a_recorded_reason(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with running(data_dir) as first:
        assert first.organization is not None
        key = first.organization["privateKey"]
        with first.api(key) as api:
            assistant = api.post("/assistant", json={"name": "Kept"}).json()
            call = place_call(api, TALKATIVE)
        with on_the_line(call) as line:
            assert first.terminate() == 0
            code, _ = line.wait_for_hang_up()

    assert code in (1000, 1001, 1012)
    with running(data_dir) as second, second.api(key) as api:
        assert second.organization is None
        assert api.get(f"/assistant/{assistant['id']}").json()["name"] == "Kept"
        ended = api.get(f"/call/{call['id']}").json()
    assert (ended["status"], ended["endedReason"]) == ("ended", "worker-shutdown")
    assert ended["artifact"]["recordingUrl"]
    heard = [m["message"] for m in ended["messages"] if m["role"] == "bot"]
    assert heard
    assert TALKATIVE["firstMessage"].startswith(heard[0].rstrip("."))
    assert len(heard[0]) < len(TALKATIVE["firstMessage"])


def test_the_data_folder_of_a_stopped_system_can_be_read_and_changed(tmp_path: Path) -> None:
    data_dir = str(tmp_path / "data")

    made = json.loads(
        _callfold_in_a_process("org", "create", "--name", "Offline", "--data-dir", data_dir, "--json").stdout
    )
    listed = json.loads(_callfold_in_a_process("org", "ls", "--data-dir", data_dir, "--json").stdout)

    assert [(o["id"], o["name"]) for o in listed] == [(made["id"], "Offline")]
    log = EmbeddedLog.open(tmp_path / "data" / "log.db", clock=now, new_id=random_id)
    try:
        assert log.verify().broken is None
    finally:
        log.close()
