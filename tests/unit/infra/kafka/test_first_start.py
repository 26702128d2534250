"""``callfold dev kafka`` on a machine that has nothing yet, over a network that fails in each of its ways."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from infra.cli.failure import CommandFailed
from infra.cli.main import app
from infra.kafka.distribution import Artifact, Distribution
from infra.kafka.program import Program

JARS = {f"part-{number}-1.jar": bytes([number]) * 200_000 for number in range(3)}


@dataclass
class Repository:
    """Maven Central on loopback. ``cut`` and ``changed`` are jars that it breaks off or sends wrong."""

    cut: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    said = Repository()

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            said.asked.append(name)
            content = JARS[name][::-1] + b"!" if name in said.changed else JARS[name]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if name in said.cut else content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        monkeypatch.setattr("infra.kafka.distribution.MAVEN_CENTRAL", f"http://127.0.0.1:{server.server_port}")
        yield said
        server.shutdown()
        serving.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the jars. This machine has Java, and a distribution of three jars."""
    artifacts = tuple(
        Artifact(f"org.example:{name.removesuffix('-1.jar')}:1", hashlib.sha256(content).hexdigest(), len(content))
        for name, content in JARS.items()
    )
    lock = tmp_path / "distribution.lock.json"
    lock.write_bytes(msgspec.json.encode(Distribution("9.9.9", artifacts)))
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"17.0.1\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("CALLFOLD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("infra.kafka.distribution.LOCK_FILE", lock)
    monkeypatch.setattr("infra.kafka.download._BACK_OFF_S", 0.0)
    monkeypatch.setattr("infra.kafka.installation.make_class_archive", archived)
    return tmp_path / "cache" / "kafka-9.9.9"


def archived(_: Program, archive: Path) -> None:
    archive.touch()


def failure(*arguments: str) -> str:
    failed = CliRunner().invoke(app, ["dev", "kafka", *arguments]).exception
    assert isinstance(failed, CommandFailed)
    return str(failed)


def fetched() -> None:
    ran = CliRunner().invoke(app, ["dev", "kafka", "fetch", "--json"])
    assert ran.exit_code == 0, ran.exception


def brokers(folder: Path) -> list[dict[str, str]]:
    """What ``status`` shows, if there is a cluster at all."""
    ran = CliRunner().invoke(app, ["dev", "kafka", "status", "--json", "--dir", str(folder)])
    return json.loads(ran.stdout)["brokers"] if ran.exit_code == 0 else []


def jars(cache: Path) -> list[str]:
    """What is in the folder beside the lock and the archive."""
    return sorted(path.name for path in cache.iterdir() if path.suffix != ".jsa" and path.name != ".lock")


def test_a_download_that_is_cut_every_time_leaves_no_part_and_no_cluster(
    repository: Repository, cache: Path, tmp_path: Path
) -> None:
    repository.cut = {"part-1-1.jar"}

    said = failure("up", "--brokers", "3", "--dir", str(tmp_path / "cluster"))

    assert "could not fetch http://127.0.0.1" in said
    assert "part-1-1.jar" in said
    assert f"can use a copy of {cache}" in said
    assert repository.asked.count("part-1-1.jar") == 4
    assert not set(jars(cache)) - {"part-0-1.jar", "part-2-1.jar"}
    assert {broker["condition"] for broker in brokers(tmp_path / "cluster")} <= {"dead"}


def test_after_a_cut_only_what_is_missing_is_fetched_and_what_a_killed_attempt_left_is_gone(
    repository: Repository, cache: Path
) -> None:
    repository.cut = {"part-1-1.jar"}
    failure("fetch")
    there = set(jars(cache))
    (cache / ".part-1-1.jar.abcd1234").write_bytes(b"half of it")
    (cache / "part-2-1.jar").write_bytes(b"cut off by a full disk")
    repository.cut, repository.asked = set(), []

    fetched()

    assert jars(cache) == sorted(JARS)
    assert {name: (cache / name).read_bytes() for name in JARS} == JARS
    assert set(repository.asked) == set(JARS) - (there - {"part-2-1.jar"})


def test_a_changed_file_is_refused_by_its_checksum(repository: Repository, cache: Path, tmp_path: Path) -> None:
    repository.changed = {"part-0-1.jar"}

    said = failure("up", "--dir", str(tmp_path / "cluster"))

    assert "part-0-1.jar is not the file that callfold pinned: SHA-256" in said
    assert "it was not kept" in said
    assert "part-0-1.jar" not in jars(cache)


def test_a_file_that_was_changed_on_the_disk_is_fetched_again_when_checked(repository: Repository, cache: Path) -> None:
    fetched()
    repository.asked = []
    (cache / "part-0-1.jar").write_bytes(b"\x09" * len(JARS["part-0-1.jar"]))

    fetched()

    assert repository.asked == ["part-0-1.jar"]
    assert (cache / "part-0-1.jar").read_bytes() == JARS["part-0-1.jar"]


def test_without_a_network_the_sentence_names_the_proxy_and_the_way_around(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.kafka.distribution.MAVEN_CENTRAL", "http://127.0.0.1:9")

    said = failure("fetch")

    assert "HTTPS_PROXY" in said
    assert f"a copy of {cache}" in said
    assert jars(cache) == []
