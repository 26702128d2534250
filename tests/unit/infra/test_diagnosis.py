import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import CliRunner

from infra.cli.main import app
from infra.data_folder import DataFolder, RunningSystem
from infra.diagnosis import Finding, diagnose


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "CALLFOLD_EGRESS_ALLOW", "CALLFOLD_PUBLIC_URL", "CALLFOLD_DATA_DIR", "CALLFOLD_LOG"):
        monkeypatch.delenv(name, raising=False)


WELL = b'{"status": "ready", "reason": "well"}'


@pytest.fixture
def answering(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a system that says it is well, or of whatever answers with the parameter."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(getattr(request, "param", WELL))

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def findings(data_dir: Path) -> dict[str, Finding]:
    return {finding.check: finding for finding in diagnose(data_dir)}


def test_a_fresh_machine_has_no_problem_and_says_how_to_begin(tmp_path: Path) -> None:
    found = findings(tmp_path / "data")

    assert [f for f in found.values() if f.status == "problem"] == []
    assert found["system"].fix == "Start it with `callfold up`."
    assert not (tmp_path / "data").exists()


def test_keys_are_told_as_set_or_not_and_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert findings(tmp_path)["provider openai"].status == "absent"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")

    result = CliRunner().invoke(app, ["doctor", "--data-dir", str(tmp_path), "--json"])

    told = {entry["check"]: entry for entry in json.loads(result.stdout)}
    assert told["provider openai"]["status"] == "ok"
    assert "OPENAI_API_KEY is set" in told["provider openai"]["detail"]
    assert "https://api.openai.com/v1" in told["provider openai"]["detail"]
    assert "very-secret" not in result.stdout


def test_a_wrong_setting_is_a_problem_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLFOLD_EGRESS_ALLOW", "everything")

    result = CliRunner().invoke(app, ["doctor", "--data-dir", str(tmp_path)])

    assert result.exit_code == 1
    assert "CALLFOLD_EGRESS_ALLOW" in result.stdout


def test_every_process_beside_the_main_one_is_looked_at(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.log.touch()
    with folder.join("media") as media, folder.join("project", most=1) as project:
        media.announce(RunningSystem(pid=4712, url="http://127.0.0.1:9", operator_token="", role="media"))
        project.announce(RunningSystem(pid=4713, url="", operator_token="", role="project"))
        found = findings(tmp_path)

    assert found["log"].detail == "SQLite, in the data folder"
    assert (found["media"].status, found["project"].status) == ("problem", "ok")
    assert "process 4712 at http://127.0.0.1:9 does not answer" in found["media"].detail
    assert found["project"].detail == "process 4713 runs"


def test_the_address_of_a_system_that_runs_is_its_own(tmp_path: Path, answering: str) -> None:
    folder = DataFolder(tmp_path)
    folder.log.touch()
    with folder.own():
        folder.announce(RunningSystem(pid=4711, url=answering, operator_token="t"))
        found = findings(tmp_path)

    assert found["system"].detail == f"{answering} (process 4711): well"
    assert found["public URL"].detail == f"{answering} (from host and port)"
    assert findings(tmp_path)["public URL"].detail == "http://127.0.0.1:8080 (from host and port)"


def test_a_system_that_does_not_answer_is_a_problem_with_its_process(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.log.touch()
    with folder.own():
        folder.announce(RunningSystem(pid=4711, url="http://127.0.0.1:9", operator_token="t"))
        found = findings(tmp_path)["system"]

    assert found.status == "problem"
    assert "process 4711 at http://127.0.0.1:9 does not answer" in found.detail
    assert "kill 4711" in found.fix


@pytest.mark.parametrize("answering", [b"{}", b"[]", b'"up"'], indirect=True)
def test_another_server_at_the_address_is_a_problem(tmp_path: Path, answering: str) -> None:
    folder = DataFolder(tmp_path)
    folder.log.touch()
    with folder.own():
        folder.announce(RunningSystem(pid=4711, url=answering, operator_token="t"))
        found = findings(tmp_path)["system"]

    assert found.status == "problem"
    assert f"another server than callfold answers at {answering}" in found.detail
