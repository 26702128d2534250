"""Kafka for tests: real brokers, started once and lazily, and librdkafka's mock cluster where 100 ms matter.

``kafka_broker`` is one real broker that every test of a run shares, whatever process it runs in: use topic names of
your own (``fresh_topic``), and never pause or kill it. For that are ``kafka_broker_to_hurt`` and ``kafka_brokers``,
three of them, which a test finds whole, whatever the one before did; each process has its own, so that files which use
them belong into ``TOGETHER`` of ``tests.sharing_out``. ``mock_kafka`` is new for each test.

Without Java, or without network when Kafka was never fetched, real brokers are a reason to skip; with ``CI=true``, to
fail.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.sharing_out import group_of

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

    from infra.kafka.cluster import DevCluster
    from infra.kafka.program import Program
    from streams.kafka.access import KafkaAccess

MOCK_API_VERSION = (2, 2)
"""kafka-python cannot read the mock cluster's ApiVersions answer, so it must be told; it can read a real broker's."""

_START_SECONDS = 300.0
"""Long, for busy machines; shorter than the time-out of a test, so that a broker's last words are seen."""
_MOCK_SECONDS = 30.0
_PROMPT_RETENTION = {"log.retention.check.interval.ms": "500", "log.initial.task.delay.ms": "500"}
"""Brokers look every five minutes, as they come, for what has expired."""


def fresh_topic(name: str = "topic") -> str:
    """A topic name that no other test uses."""
    return f"{name}-{uuid.uuid4().hex[:12]}"


@contextlib.contextmanager
def real_cluster(
    folder: Path, *, brokers: int, settings: dict[str, str] | None = None, access: KafkaAccess | None = None
) -> Iterator[DevCluster]:
    """A cluster that serves, and is gone with everything it kept afterwards, also when this process is killed."""
    from infra.kafka.cluster import DevCluster
    from streams.kafka.access import OPEN

    cluster = DevCluster(folder, install=_program_or_skip, brokers=brokers, settings=settings, access=access or OPEN)
    guard = _guard(folder)
    try:
        cluster.start(seconds=_START_SECONDS)
        yield cluster
    finally:
        cluster.destroy()
        guard.communicate()


_SHARED_FOLDER = pytest.StashKey[Path]()
_GUARD = pytest.StashKey[subprocess.Popen[bytes]]()
_OF_A_GROUP = pytest.StashKey[list["DevCluster"]]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Tell each process of a run where the cluster is that all of them share."""
    stash = node.config.stash
    if _SHARED_FOLDER not in stash:
        stash[_SHARED_FOLDER] = Path(tempfile.mkdtemp(prefix="callfold-tests-kafka-"))
        stash[_GUARD] = _guard(stash[_SHARED_FOLDER])
    node.workerinput["shared_kafka"] = str(stash[_SHARED_FOLDER])


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the shared cluster when all processes of the run have ended."""
    if _SHARED_FOLDER in config.stash:
        config.stash[_GUARD].communicate()


@pytest.fixture(scope="session")
def kafka_broker(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    """One real broker for the whole run, started by whichever process needs it first."""
    shared = getattr(pytestconfig, "workerinput", {}).get("shared_kafka")
    if shared is None:
        with real_cluster(tmp_path_factory.mktemp("kafka-1") / "cluster", brokers=1) as cluster:
            yield cluster
        return
    from infra.kafka.cluster import DevCluster

    cluster = DevCluster(Path(shared), install=_program_or_skip, brokers=1)
    cluster.start(seconds=_START_SECONDS)
    yield cluster


@pytest.fixture(scope="session")
def _one_kafka_broker(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    with real_cluster(tmp_path_factory.mktemp("kafka-hurt") / "cluster", brokers=1) as cluster:
        pytestconfig.stash.setdefault(_OF_A_GROUP, []).append(cluster)
        yield cluster


@pytest.fixture(scope="module")
def kafka_broker_to_hurt(_one_kafka_broker: DevCluster) -> DevCluster:
    """One real broker that nobody else uses meanwhile; whoever pauses it resumes it, whoever kills it restarts it."""
    _one_kafka_broker.start(seconds=_START_SECONDS)
    return _one_kafka_broker


@pytest.fixture(scope="session")
def _three_kafka_brokers(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    with real_cluster(tmp_path_factory.mktemp("kafka-3") / "cluster", brokers=3, settings=_PROMPT_RETENTION) as cluster:
        pytestconfig.stash.setdefault(_OF_A_GROUP, []).append(cluster)
        yield cluster


@pytest.fixture
def kafka_brokers(_three_kafka_brokers: DevCluster) -> DevCluster:
    """Three real brokers, all of them serving when the test begins."""
    _three_kafka_brokers.start(seconds=_START_SECONDS)
    return _three_kafka_brokers


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """End the clusters of this process when the group of files that uses them is over; a later test finds new ones."""
    yield
    if nextitem is not None and group_of(item.nodeid) != group_of(nextitem.nodeid):
        for cluster in item.config.stash.get(_OF_A_GROUP, []):
            cluster.destroy()


class MockKafka:
    """librdkafka's mock cluster in a process of its own, which can be paused and killed like a broker.

    It keeps records in memory (about 5 MB a partition, then it drops the oldest), makes topics of four partitions when
    they are first named, answers an empty fetch only when its longest wait is over, and knows no topic settings,
    transactions or sequence numbers: what needs those needs ``kafka_broker``.
    """

    def __init__(self, brokers: int = 1) -> None:
        command = [sys.executable, "-m", "tests.mock_broker", str(brokers)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.bootstrap = self._process.stdout.readline().strip()
        assert self.bootstrap, "the mock cluster did not start"

    def pause(self) -> None:
        """Connections stay, answers do not come."""
        self._process.send_signal(signal.SIGSTOP)
        # Its threads run on until each has seen the signal, which takes a while on a busy machine.
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def resume(self) -> None:
        """Answer again."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Gone, with every record."""
        self._process.kill()
        self._process.communicate(timeout=_MOCK_SECONDS)


@pytest.fixture
def mock_kafka() -> Iterator[MockKafka]:
    """An empty mock cluster of one broker; clients need ``api_version=MOCK_API_VERSION``."""
    mock = MockKafka()
    try:
        yield mock
    finally:
        mock.kill()


@pytest.fixture(scope="session")
def shared_mock_kafka() -> Iterator[MockKafka]:
    """One mock cluster for all tests that neither pause nor kill it: use topic names of your own."""
    mock = MockKafka()
    try:
        yield mock
    finally:
        mock.kill()


def _guard(folder: Path) -> subprocess.Popen[bytes]:
    """A process that ends the cluster in ``folder`` as soon as this one closes its input or has ended.

    What a terminal or a time limit sends to this process and all of its group does not reach it.
    """
    command = [sys.executable, "-m", "tests.broker_guard", str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)


def _program_or_skip() -> Program:
    from infra.kafka.errors import DownloadFailed, JavaMissing, JavaTooOld

    try:
        return _program()
    except (JavaMissing, JavaTooOld, DownloadFailed) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no real Kafka here: {error}")


@cache
def _program() -> Program:
    from infra.kafka.installation import installed
    from infra.settings import load

    return installed(load().cache_folder())
