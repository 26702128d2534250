"""Kafka is fetched once, by one process, and looked at ever after."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from infra.kafka.distribution import Artifact, Distribution
from infra.kafka.download import Progress
from infra.kafka.errors import DownloadFailed
from infra.kafka.installation import installed
from infra.kafka.program import Program

CONTENTS = {"broker": b"b" * 2000, "clients": b"c" * 1000}
RELEASE = Distribution(
    "4.0.0",
    tuple(
        Artifact(f"org.example:{name}:1", hashlib.sha256(content).hexdigest(), len(content))
        for name, content in CONTENTS.items()
    ),
)
JARS = ["broker-1.jar", "clients-1.jar"]


class Installing:
    """An installation with a stand-in for Maven Central, and what was seen of it."""

    def __init__(self, cache: Path, path: Path) -> None:
        self.cache = cache
        self.folder = cache / "kafka-4.0.0"
        self.fetched: list[str] = []
        self.announced: list[tuple[int, int]] = []
        self.bytes_received = 0
        self._environment = {"PATH": f"{path}:/usr/bin:/bin"}

    def __call__(self, *, check: bool = False) -> Program:
        return installed(
            self.cache, self, check=check, distribution=RELEASE, environment=self._environment, fetch=self._fetch
        )

    def downloading(self, files: int, size: int) -> None:
        self.announced.append((files, size))

    def received(self, size: int) -> None:
        self.bytes_received += size

    def preparing(self) -> None:
        raise AssertionError("the class archive is there")

    def _fetch(self, artifacts: Sequence[Artifact], folder: Path, progress: Progress) -> None:
        for artifact in artifacts:
            self.fetched.append(artifact.file_name)
            (folder / artifact.file_name).write_bytes(CONTENTS[artifact.coordinates.split(":")[1]])
            progress(artifact.size)


@pytest.fixture
def install(tmp_path: Path) -> Installing:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"17.0.1\"' >&2\n")
    java.chmod(0o755)
    installing = Installing(tmp_path / "cache", tmp_path)
    installing.folder.mkdir(parents=True)
    (installing.folder / f"classes-{RELEASE.digest}-java-17.0.1.jsa").touch()
    return installing


def test_everything_is_fetched_and_found_on_the_class_path(install: Installing) -> None:
    command = install().command("kafka.Kafka", "server.properties", options=["-Dx=y"])

    assert install.announced == [(2, 3000)]
    assert install.bytes_received == 3000
    assert command[command.index("-cp") + 1] == ":".join(str(install.folder / jar) for jar in JARS)
    assert command[-2:] == ["kafka.Kafka", "server.properties"]
    assert f"-XX:SharedArchiveFile={install.folder}/classes-{RELEASE.digest}-java-17.0.1.jsa" in command


def test_what_is_there_is_not_fetched_again(install: Installing) -> None:
    install()
    install()
    install(check=True)

    assert install.fetched == JARS


def test_only_what_is_missing_or_cut_off_is_fetched(install: Installing) -> None:
    install()
    (install.folder / JARS[1]).write_bytes(b"c")

    install()

    assert install.fetched == [*JARS, JARS[1]]


def test_a_check_finds_a_change_that_the_size_does_not_show(install: Installing) -> None:
    install()
    (install.folder / JARS[0]).write_bytes(b"x" * 2000)

    install()
    assert install.fetched == JARS
    install(check=True)
    assert install.fetched == [*JARS, JARS[0]]


def test_of_many_who_ask_at_once_one_fetches(install: Installing) -> None:
    threads = [threading.Thread(target=install) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert install.fetched == JARS


def test_a_cache_folder_that_cannot_be_made_names_the_setting(install: Installing, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    install.cache = tmp_path / "file"

    with pytest.raises(DownloadFailed, match=r"folder .*file/kafka-4\.0\.0 cannot be written .*CALLFOLD_CACHE_DIR"):
        install()
