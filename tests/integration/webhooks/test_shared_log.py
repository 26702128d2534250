"""Several processes deliver what is on one log on Kafka: each endpoint from one of them, and one of them is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from domain.webhook.aggregate import ENDPOINT
from domain.webhook.deliveries import Selection
from infra.data_folder import DataFolder
from infra.identifiers import random_id
from infra.kafka.cluster import DevCluster
from infra.observed import opened_streamer
from infra.settings import LOOPBACK, Settings
from tests.brokers import fresh_topic
from tests.integration.webhooks.receiver import Receiver
from tests.integration.webhooks.system import EACH, WANTED, Delivering, delivering

ORIGINS = 6
MOST_IN_FLIGHT = 20 * ORIGINS


@asynccontextmanager
async def dispatcher(folder: Path, log: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.webhooks.dispatching", str(folder), log), stdout=PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(150):  # long, for busy machines
            assert await process.stdout.readline() == b"delivering\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def owners(system: Delivering) -> Counter[int]:
    """Endpoints by the process that serves them; the process's id is a part of its name."""
    documents = system.storage.log.list(ENDPOINT.kind, org_id=system.org_id)
    return Counter(int(document.state.owner.split(".")[1]) for document in documents)


async def calls(system: Delivering, receiver: Receiver, count: int) -> None:
    servers = [{"url": receiver.urls[number % ORIGINS]} for number in range(count)]
    await asyncio.gather(*(system.call(server, serverMessages=WANTED) for server in servers))


async def answers_in_a_while(request: web.Request, times: int) -> web.StreamResponse:
    await asyncio.sleep(0.02)  # the receiver's own work: requests are under way when the process dies
    return web.Response()


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "how",
    [
        pytest.param(signal.SIGKILL, id="killed"),
        # Taken for dead when its lease has run out, and back when others serve its endpoints.
        pytest.param(signal.SIGSTOP, id="frozen", marks=pytest.mark.long),
    ],
)
async def test_whoever_is_left_goes_on_with_the_endpoints_of_one_that_died(
    kafka_broker: DevCluster, tmp_path: Path, how: signal.Signals
) -> None:
    log = f"kafka://{kafka_broker.bootstrap}?topics={fresh_topic('webhooks')}"
    org_id, made = random_id(), 30
    async with AsyncExitStack() as parts:
        receiver = await parts.enter_async_context(Receiver(answers_in_a_while, origins=ORIGINS))
        system = await parts.enter_async_context(
            delivering(tmp_path / "api", org_id, paused=True, log=log, kafka_replication=1)
        )
        one, two = await asyncio.gather(
            *(parts.enter_async_context(dispatcher(tmp_path / name, log)) for name in ("one", "two"))
        )
        await calls(system, receiver, made)
        await receiver.until(lambda all: len(all) >= made)
        (busiest, _), *_ = owners(system).most_common()
        os.kill(busiest, how)
        await calls(system, receiver, made)
        await receiver.until(lambda all: len({one.id for one in all}) == 2 * made * EACH, 60)
        if how == signal.SIGSTOP:
            os.kill(busiest, signal.SIGCONT)
        await calls(system, receiver, made)
        received = await receiver.until(lambda all: len({one.id for one in all}) == 3 * made * EACH, 60)
        await system.attempts(3 * made * EACH)
        assert owners(system) == {(two if busiest == one.pid else one).pid: ORIGINS}
        assert len(received) - 3 * made * EACH <= MOST_IN_FLIGHT
    receiver.assert_the_same_when_it_comes_twice()
    receiver.assert_in_order()


@pytest.mark.timeout(900)
async def test_callfold_stream_delivers_what_api_processes_only_answer_for(
    kafka_broker: DevCluster, tmp_path: Path
) -> None:
    log = f"kafka://{kafka_broker.bootstrap}?topics={fresh_topic('stream')}"
    async with AsyncExitStack() as parts:
        receiver = await parts.enter_async_context(Receiver())
        system = await parts.enter_async_context(
            delivering(tmp_path / "api", paused=True, log=log, kafka_replication=1)
        )
        settings = Settings(data_dir=tmp_path / "stream", log=log, kafka_replication=1, egress_allow=LOOPBACK)
        seat = parts.enter_context(DataFolder(settings.data_dir).join("stream"))
        streamer = await parts.enter_async_context(opened_streamer(settings, seat, url="http://x.test", token="t"))
        await system.call({"url": receiver.url}, serverMessages=WANTED)
        await receiver.until(lambda all: len(all) == EACH, 60)
        await system.settled(60)
        listed = await asyncio.to_thread(system.webhooks.deliveries.list, system.org_id, Selection(), 10)
        assert [delivery.state for delivery in listed] == ["delivered"] * EACH
        async with httpx.AsyncClient(transport=httpx.ASGITransport(streamer.app), base_url="http://x.test") as client:
            figures = await client.get("/metrics", headers={"authorization": "Bearer t"})
        assert 'callfold_webhook_attempts_total{outcome="success"} 5.0' in figures.text
