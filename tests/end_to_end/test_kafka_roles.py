"""API and calls in processes that share nothing but a Kafka cluster: each with a data folder of its own."""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest
from rich.console import Console

from domain.log.checkpoint import decode
from infra.cli.operator import Operator, client
from infra.data_folder import DataFolder
from infra.demo.children import appointment_book
from infra.demo.evidence import claims
from infra.demo.run import Stage, hold_call
from infra.demo.script import assistant
from infra.settings import LOOPBACK
from media.call.reaper import WORKER_DIED
from streams.kafka.location import KafkaLocation
from streams.log.head_topic import HeadTopic
from tests.brokers import fresh_topic
from tests.end_to_end.installation import (
    WITHIN_SECONDS,
    Installation,
    Node,
    at,
    end_call,
    ended_reason,
    heard_until_closed,
    moved,
    status,
)
from tests.end_to_end.system_process import ANSWER_SECONDS, TALKATIVE, connected, on_the_line, place_call, running
from tests.end_to_end.test_first_call import LINES

if TYPE_CHECKING:
    from infra.kafka.cluster import DevCluster

pytestmark = pytest.mark.timeout(900)  # whole systems are started, which a busy machine does slowly

SECRET = "the secret that every process of this installation has"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the processes' data folders."""
    return tmp_path_factory.mktemp("kafka-roles")


@pytest.fixture(scope="module")
def log(kafka_broker_to_hurt: DevCluster) -> dict[str, str]:
    """The settings of the log that all share."""
    location = f"kafka://{kafka_broker_to_hurt.bootstrap}?topics={fresh_topic('roles')}"
    return {"CALLFOLD_LOG": location, "CALLFOLD_KAFKA_REPLICATION": "1"}


@pytest.fixture(scope="module")
def installation(root: Path, log: dict[str, str]) -> Iterator[Installation]:
    shared = log | {"CALLFOLD_SECRET": SECRET, "CALLFOLD_EGRESS_ALLOW": ",".join(LOOPBACK)}
    with ExitStack() as processes:
        with ThreadPoolExecutor(2) as starting:
            first, second = starting.map(
                lambda name: processes.enter_context(running(root / name, role="media", **shared)),
                ("media-a", "media-b"),
            )
        api = processes.enter_context(running(root / "api", role="api", CALLFOLD_MEDIA_URL=first.url, **shared))
        yield Installation(api, Node(first.url, first.process.pid), Node(second.url, second.process.pid))
        for each in (api, first, second):
            each.process.terminate()  # all at once; what follows waits for each


@pytest.fixture
def api(installation: Installation) -> Iterator[httpx2.Client]:
    with installation.client() as client:
        yield client


@pytest.mark.parametrize("where", ["api", "second"])
def test_a_call_is_steered_and_heard_from_every_machine(
    installation: Installation, api: httpx2.Client, where: str
) -> None:
    elsewhere: str = getattr(installation, where).url
    call = place_call(api, TALKATIVE)

    with (
        on_the_line(call) as line,
        connected(at(call["monitor"]["listenUrl"], elsewhere)) as listener,
    ):
        assert "16000" in str(listener.recv(timeout=ANSWER_SECONDS))
        told = end_call(call, elsewhere)
        assert (told.status_code, told.text) == (200, '{"success":true}')
        line.wait_for_hang_up()
        heard_until_closed(listener)
        assert listener.close_code == 1000

    assert ended_reason(installation, call) == "manually-canceled"


async def test_a_spoken_call_arrives_everywhere_and_the_log_alone_gives_the_same_call(
    installation: Installation, root: Path, log: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in log.items():
        monkeypatch.setenv(name, value)
    running_api = installation.api.folder.announced()
    assert running_api is not None
    assert installation.api.organization is not None
    key = installation.api.organization["privateKey"]
    async with (
        appointment_book(root, keep=False) as book,
        httpx2.AsyncClient(base_url=running_api.url, headers={"authorization": f"Bearer {key}"}) as api,
        client(running_api.url, running_api.operator_token) as operator,
    ):
        stage = Stage(
            url=running_api.url,
            private_key=key,
            folder=DataFolder(root / "media-a"),
            api=api,
            operator=Operator(operator, place=running_api.url, live=True),
            tools_url=book.announcement,
            book_url=book.announcement.replace("/tools", "/appointments"),
            stop="",
        )
        receptionist = assistant(stage.tools_url) | {"firstMessageInterruptionsEnabled": True}
        found = await hold_call(stage, Console(file=io.StringIO()), receptionist, LINES, lambda message: None)

    judged = claims(found.evidence)
    assert [f"{claim.text}: {claim.shown_by}" for claim in judged if not claim.held] == []
    assert len(judged) == 8
    with closing(HeadTopic(KafkaLocation.parse(log["CALLFOLD_LOG"]))) as checkpoints:
        signers = {decode(signed).public_key for _, signed in checkpoints.read()}
    processes = {(root / name / "checkpoint.pub").read_text().strip() for name in ("api", "media-a", "media-b")}
    assert signers <= processes, "whoever only reads the log signs nothing"


def test_callers_may_connect_as_soon_as_the_call_is_created(installation: Installation, api: httpx2.Client) -> None:
    for _ in range(10):
        call = place_call(api, TALKATIVE)
        with connected(call["transport"]["websocketCallUrl"]) as socket:
            assert socket.recv(timeout=ANSWER_SECONDS)
            assert api.delete(f"/call/{call['id']}").status_code == 200
            heard_until_closed(socket)
            assert socket.close_code == 1000
        assert api.get(f"/call/{call['id']}").status_code == 404


def test_while_kafka_is_away_calls_go_on_and_every_process_says_that_it_is_not_ready_and_why(
    installation: Installation, api: httpx2.Client, kafka_broker_to_hurt: DevCluster
) -> None:
    call = place_call(api, TALKATIVE)

    with on_the_line(call) as line:
        kafka_broker_to_hurt.pause(1)
        try:
            reasons = {url: not_ready(url) for url in (installation.api.url, installation.first.url)}
        finally:
            kafka_broker_to_hurt.resume(1)
        for url in (installation.api.url, installation.first.url):
            wait_until_ready(url)
        assert status(api, call) == ("in-progress", None)
        assert end_call(call, installation.first.url).status_code == 200
        line.wait_for_hang_up()

    assert all("has not given back a heartbeat" in reason for reason in reasons.values()), reasons
    assert ended_reason(installation, call) == "manually-canceled"


def test_a_machine_that_falls_silent_loses_its_calls_and_no_other_does(
    installation: Installation, api: httpx2.Client
) -> None:
    theirs, others = place_call(api, TALKATIVE), place_call(api, TALKATIVE)

    with on_the_line(others) as other_line, on_the_line(moved(theirs, installation.second)) as line:
        # Stopped, not killed: nobody on this machine can know more than that its heartbeats stay out.
        os.kill(installation.second.pid, signal.SIGSTOP)
        silent = time.monotonic()
        reason = ended_reason(installation, theirs)
        took = time.monotonic() - silent
        os.kill(installation.second.pid, signal.SIGCONT)
        line.wait_for_hang_up()  # by a process that learns that its call was ended by others
        assert reason == WORKER_DIED
        assert took < WITHIN_SECONDS
        assert status(api, others) == ("in-progress", None)
        assert end_call(others, installation.first.url).status_code == 200
        other_line.wait_for_hang_up()

    assert ended_reason(installation, others) == "manually-canceled"


def not_ready(url: str) -> str:
    """Waits until the process takes no new work; why."""
    while True:
        answer = httpx2.get(f"{url}/health/ready", timeout=ANSWER_SECONDS)
        if answer.status_code == 503:
            reason: str = answer.json()["reason"]
            return reason


def wait_until_ready(url: str) -> None:
    while httpx2.get(f"{url}/health/ready", timeout=ANSWER_SECONDS).status_code != 200:
        pass
