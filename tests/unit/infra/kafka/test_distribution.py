"""The lock file names one whole release, and its refresher pins what Maven says."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import httpx2
import msgspec
import pytest

from infra.kafka.distribution import LOCK_FILE, Artifact, locked
from infra.kafka.errors import ChecksumMismatch, DownloadFailed
from infra.kafka.refresh_lock import ResolutionFailed, pinned, resolve

JAR = b"PK not really"
COORDINATES = "org.example:thing:1.2"


def _in_lock(name: str) -> Artifact:
    return next(each for each in locked().artifacts if each.coordinates.split(":")[1] == name)


def test_every_jar_is_pinned_by_hash_and_size_under_a_name_of_its_own() -> None:
    artifacts = locked().artifacts

    assert len({artifact.file_name for artifact in artifacts}) == len(artifacts) > 40
    for artifact in artifacts:
        assert re.fullmatch(r"[0-9a-f]{64}", artifact.sha256), artifact
        assert artifact.size > 1000, artifact


def test_all_parts_of_kafka_are_of_the_one_release_that_the_lock_names() -> None:
    versions = {
        each.coordinates.split(":")[2]
        for each in locked().artifacts
        if each.coordinates.startswith("org.apache.kafka:")
    }

    assert versions == {locked().kafka}
    assert locked().kafka.startswith("4.")


def test_the_binding_that_writes_a_brokers_log_fits_the_log4j_behind_it() -> None:
    binding, core = _in_lock("log4j-slf4j-impl"), _in_lock("log4j-core")

    assert binding.coordinates.split(":")[2] == core.coordinates.split(":")[2]


def test_a_jar_is_found_where_maven_central_lays_it() -> None:
    artifact = Artifact("org.apache.kafka:kafka_2.13:4.3.1", "", 0)

    assert artifact.url == "https://repo1.maven.org/maven2/org/apache/kafka/kafka_2.13/4.3.1/kafka_2.13-4.3.1.jar"


def test_the_digest_changes_with_any_jar() -> None:
    whole = locked()
    first, *others = whole.artifacts

    changed = msgspec.structs.replace(whole, artifacts=(msgspec.structs.replace(first, sha256="0" * 64), *others))

    assert changed.digest != whole.digest == msgspec.structs.replace(whole, artifacts=(*others, first)).digest


def test_the_lock_file_is_as_its_refresher_writes_it() -> None:
    assert LOCK_FILE.read_bytes() == msgspec.json.format(msgspec.json.encode(locked()), indent=2) + b"\n"


class TestPinning:
    @staticmethod
    def client(files: dict[str, bytes]) -> httpx2.Client:
        def answer(request: httpx2.Request) -> httpx2.Response:
            name = request.url.path.rpartition("/")[2]
            return httpx2.Response(200, content=files[name]) if name in files else httpx2.Response(404)

        return httpx2.Client(transport=httpx2.MockTransport(answer))

    def test_the_strongest_published_checksum_is_compared(self) -> None:
        files = {
            "thing-1.2.jar": JAR,
            "thing-1.2.jar.sha1": hashlib.sha1(JAR).hexdigest().encode() + b"  thing-1.2.jar\n",
        }
        with self.client(files) as client:
            found = pinned(client, COORDINATES)
        assert found == Artifact(COORDINATES, hashlib.sha256(JAR).hexdigest(), len(JAR))

        with (
            self.client({**files, "thing-1.2.jar.sha512": b"0" * 128}) as client,
            pytest.raises(ChecksumMismatch, match="sha512"),
        ):
            pinned(client, COORDINATES)

    def test_a_jar_without_any_checksum_is_not_pinned(self) -> None:
        with self.client({"thing-1.2.jar": JAR}) as client, pytest.raises(DownloadFailed, match="no checksum"):
            pinned(client, COORDINATES)

    def test_a_release_that_is_not_there_is_named(self) -> None:
        with self.client({}) as client, pytest.raises(DownloadFailed, match=r"thing-1\.2\.jar answered 404"):
            pinned(client, COORDINATES)


class TestResolving:
    @staticmethod
    def maven(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
        program = folder / "mvn"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def test_what_is_needed_at_run_time_is_listed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        listing = (
            "\nThe following files have been resolved:\n"
            "   org.yaml:snakeyaml:jar:2.5:runtime -- module org.yaml.snakeyaml [auto]\n"
            "   org.apache.kafka:kafka_2.13:jar:4.3.1:compile\n"
            "   org.example:annotations:jar:1.0:provided\n"
        )
        (tmp_path / "said").write_text(listing)
        script = f'for each; do case $each in -DoutputFile=*) cp {tmp_path}/said "${{each#*=}}";; esac; done'
        self.maven(tmp_path, script, monkeypatch)

        assert resolve(["org.apache.kafka:kafka_2.13:4.3.1"]) == [
            "org.apache.kafka:kafka_2.13:4.3.1",
            "org.yaml:snakeyaml:2.5",
        ]

    def test_mavens_reason_is_passed_on(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.maven(tmp_path, "echo '[ERROR] no such artifact'; exit 1", monkeypatch)

        with pytest.raises(ResolutionFailed, match="no such artifact"):
            resolve([COORDINATES])

    def test_missing_maven_is_named_with_its_package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))

        with pytest.raises(ResolutionFailed, match="apt-get install maven"):
            resolve([COORDINATES])
