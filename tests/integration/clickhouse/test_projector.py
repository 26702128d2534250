"""``callfold project`` over ClickHouse's HTTP interface: what it fills and answers, and a server that goes away."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from infra.data_folder import DataFolder
from infra.observed import Observed, opened_projector
from infra.roles import seated
from infra.settings import Settings, load
from projections.store import AnalyticsStore, StoreUnavailable
from streams.log.embedded import EmbeddedLog
from streams.media_log.embedded import EmbeddedFragmentLog
from tests.contracts.call_history import append
from tests.contracts.fragment_runner_contract import batches
from tests.contracts.runner_contract import NOW

TOKEN = "the-operator"
SECONDS = 60.0
"""Long, for busy machines."""


class Server:
    """The engine behind HTTP, in a process that can be killed and started again on its port and its folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://default:not-shown@127.0.0.1:{self._port}/default"

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.simulators.clickhouse_server", str(self._folder), str(self._port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("server") / "clickhouse")
    yield started
    started.kill()


@pytest.fixture
def settings(server: Server, tmp_path: Path) -> Settings:
    return load(data_dir=tmp_path / "data", clickhouse=server.url)


@pytest.fixture
def log(settings: Settings) -> Iterator[EmbeddedLog]:
    """What other processes append to."""
    numbers = count()
    DataFolder(settings.data_dir).create()
    with closing(
        EmbeddedLog.open(settings.data_dir / "log.db", clock=lambda: NOW, new_id=lambda: f"id-{next(numbers)}")
    ) as opened:
        yield opened


@asynccontextmanager
async def projector(settings: Settings) -> AsyncIterator[tuple[Observed, httpx2.AsyncClient]]:
    with seated("project", DataFolder(settings.data_dir)) as seat:
        async with (
            opened_projector(settings, seat, url="http://projector", token=TOKEN) as process,
            httpx2.AsyncClient(
                transport=httpx2.ASGITransport(process.app),
                base_url="http://projector",
                headers={"authorization": f"Bearer {TOKEN}"},
            ) as client,
        ):
            yield process, client


async def figures(client: httpx2.AsyncClient) -> dict[tuple[str, str], float]:
    """By name and pipeline."""
    exposition = (await client.get("/metrics")).text
    return {
        (sample.name, sample.labels.get("pipeline", "")): sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
    }


async def rows(client: httpx2.AsyncClient, statement: str) -> list[list[Any]]:
    answer = await client.post("/operator/sql", json={"statement": statement})
    assert answer.status_code == 200, answer.text
    found: list[list[Any]] = answer.json()["rows"]
    return found


async def until_not_ready(client: httpx2.AsyncClient) -> dict[str, str]:
    """What it says as soon as it does."""
    async with asyncio.timeout(SECONDS):
        while (answer := await client.get("/health/ready")).status_code == 200:  # noqa: ASYNC110 - as an orchestrator asks
            await asyncio.sleep(0.02)
    said: dict[str, str] = answer.json()
    return said


async def test_it_fills_tells_how_far_it_is_and_outlives_a_killed_server(
    settings: Settings, server: Server, log: EmbeddedLog
) -> None:
    await append(log, range(6))
    with closing(EmbeddedFragmentLog(settings.data_dir / "media.db")) as fragments:
        fragments.append(batches(range(4)))
        leases = DataFolder(settings.data_dir).live / "leases"
        async with projector(settings) as (process, client):
            # With a log on Kafka, that none comes back is how it learns that Kafka is away.
            assert len(list(leases.iterdir())) == 1
            await process.drain(SECONDS)
            assert (await client.get("/health/live")).json()["status"] == "live"
            assert (await client.get("/health/ready")).json()["reason"] == "ready"
            assert (await figures(client))["callfold_stream_lag_events", "tables"] == 0
            assert await rows(client, "SELECT count(), uniqExact(log_ordinal) FROM events") == [
                [log.head().ordinal] * 2
            ]

            server.kill()
            before = log.head().ordinal
            last = await append(log, range(6, 12))
            behind = await figures(client)
            assert behind["callfold_stream_lag_events", "tables"] == last.ordinal - before
            assert behind["callfold_stream_lag_seconds", "tables"] > 0
            # It cannot do its work, but waits for when it can: to start it again would mend nothing.
            waiting = await until_not_ready(client)
            assert waiting["reason"].startswith("the pipeline tables waits: the projection tables took no rows")
            assert "not-shown" not in waiting["reason"]
            assert (await client.get("/health/live")).status_code == 200
            refused = await client.post("/operator/sql", json={"statement": "SELECT 1"})
            assert refused.status_code >= 400
            assert "not-shown" not in refused.text

            server.start()
            await process.drain(SECONDS)
            assert (await client.get("/health/ready")).json()["reason"] == "ready"
            assert await rows(client, "SELECT count(), uniqExact(log_ordinal) FROM events") == [[last.ordinal] * 2]
            rebuilt = (await client.post("/operator/rebuild", json={"projection": "calls"})).json()
            assert rebuilt["equal"]
            assert [(table["table"], table["newestRows"]) for table in rebuilt["tables"]] == [
                ("calls", False),
                ("events", False),
                ("calls", True),
            ]
            for action in ("retry", "drop"):
                misspelt = {"processor": "call-table", "originator": "call-1"}
                refused = await client.post(f"/operator/dead-letters/{action}", json=misspelt)
                assert "There is no processor call-table." in refused.text
                none_held = {"processor": "call-tables", "originator": "call-1"}
                assert (await client.post(f"/operator/dead-letters/{action}", json=none_held)).status_code == 200


def test_a_server_that_is_not_there_is_named_without_its_password(server: Server) -> None:
    nowhere = server.url.rpartition(":")[0] + ":1/default"
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1") as refused:
        AnalyticsStore.open(nowhere)
    assert "not-shown" not in str(refused.value)
