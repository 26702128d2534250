"""A cluster without Kafka: real processes that can be paused and killed, and serve nobody."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.kafka.cluster import DevCluster
from infra.kafka.errors import DownloadFailed
from infra.kafka.program import Program
from tests.unit.infra.kafka.stand_in import SILENT, stand_in


def not_installed() -> Program:
    raise DownloadFailed("no network")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where a test's cluster is; it is ended afterwards."""
    yield tmp_path / "cluster"
    DevCluster(tmp_path / "cluster", install=not_installed).destroy()


@pytest.fixture
def running(tmp_path: Path, folder: Path) -> DevCluster:
    """Two brokers that run without serving, as during a start that takes long; another process started them."""
    program = stand_in(tmp_path, SILENT)
    starter = (
        "from pathlib import Path; import infra.kafka.cluster as cluster;"
        "from infra.kafka.java import Java; from infra.kafka.program import Program;"
        "cluster.await_ready = lambda *_, **__: None;"
        f"program = Program(Java(Path({str(program.java.executable)!r}), '17'), ());"
        f"cluster.DevCluster(Path({str(folder)!r}), brokers=2, install=lambda: program).start()"
    )
    subprocess.run([sys.executable, "-c", starter], check=True, timeout=60)
    return DevCluster(folder, install=lambda: program)
