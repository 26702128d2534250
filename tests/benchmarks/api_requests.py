"""What a request costs: reads and lists of 100 among many objects, a mixture under load, and the import of the API.

Run ``python -m tests.benchmarks.api_requests [--objects 100000] [--seconds 5]``. The server is a process of its own
over the embedded log, set up as ``callfold up`` sets its own up; the baseline is a bare FastAPI route of that process
that answers the same bytes. This process only asks: aiohttp on uvloop, which costs it less than the answers cost the
server. It also says by how much the server's loop was late at most while it was asked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from api.app import create_app
from api.dependencies import ApiLimits
from domain.assistant.aggregate import ASSISTANT
from domain.configuration.aggregate import ConfigurationAggregate
from domain.configuration.commands import CreateConfiguration
from domain.session.aggregate import SESSION
from infra.application import build_routes
from infra.http_server import serving
from infra.listening import listen
from media.call.collector import CollectorPolicy
from streams.log.embedded import EmbeddedLog
from tests.benchmarks.lateness import Lateness, Stops, measured_lateness
from tests.unit.api.installation import install, new_id

WARM_UP = 50
CONNECTIONS = 64
BARE = "/bare"
CONFIG = {
    "name": "Reception",
    "firstMessage": "Dental practice, good morning!",
    "model": {"provider": "openai", "model": "gpt-4o", "messages": [{"role": "system", "content": "Be brief. " * 20}]},
    "voice": {"provider": "vapi", "voiceId": "Elliot"},
}


@dataclass(frozen=True)
class Target:
    """A server with objects in it."""

    url: str
    key: str
    some_id: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--sessions", type=int, default=5_000, help="that a filtered list looks through")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--reads", type=int, default=300, help="a second, under load")
    parser.add_argument("--writes", type=int, default=50, help="a second, under load")
    arguments = parser.parse_args()
    for name, code in (("import of the API", "import api.app"), ("  of FastAPI alone", "import fastapi")):
        wall, cpu = _import_seconds(code)
        print(f"{name}: {wall:.2f} s, {cpu:.2f} s of them computing")
    with (
        tempfile.TemporaryDirectory() as folder,
        _served(Path(folder), arguments.objects, arguments.sessions) as target,
    ):
        uvloop.run(_measure(target, arguments))


async def _measure(target: Target, arguments: argparse.Namespace) -> None:
    async with aiohttp.ClientSession(
        target.url,
        headers={"authorization": f"Bearer {target.key}"},
        connector=aiohttp.TCPConnector(limit=CONNECTIONS),
        raise_for_status=True,
    ) as client:
        one, many = f"/assistant/{target.some_id}", "/assistant?limit=100"
        for name, path, times in (("GET by id", one, 400), ("a list of 100", many, 150)):
            await _answer(client.put(BARE, data=await _answer(client.get(path))))
            for asked, measured in ((name, path), ("  a bare route", BARE)):
                async with _watched(client) as server:
                    taken = await _one_by_one(client, measured, times)
                print(f"{asked:14} {_summary(taken)}; {server.told(len(taken))}")
        async with _watched(client) as server:
            taken = await _one_by_one(client, "/session?squadId=" + target.some_id, 5, warm_up=0)
        print(f"a filtered list of {arguments.sessions}: p50 {statistics.median(taken):.0f} ms; {server.told(5)}")
        async with _watched(client) as server:
            asked_for = await _load(client, one, arguments)
        print(f"under load: {server.told(asked_for)}")


@dataclass
class _Server:
    """What a time of being asked cost the server."""

    cpu_s: float = 0.0
    stops: Stops | None = None

    def told(self, requests: int) -> str:
        """In words."""
        each = self.cpu_s * 1000 / requests
        return f"the server computed {each:.2f} ms for each request, {self.stops}"


@asynccontextmanager
async def _watched(client: aiohttp.ClientSession) -> AsyncIterator[_Server]:
    server, before = _Server(), json.loads(await _answer(client.get("/bare-cost")))
    yield server
    after = json.loads(await _answer(client.get("/bare-cost")))
    server.cpu_s, server.stops = after["cpu_s"] - before["cpu_s"], Stops(**after["stops"])


async def _answer(asked: AbstractAsyncContextManager[aiohttp.ClientResponse]) -> bytes:
    async with asked as response:
        return await response.read()


async def _one_by_one(client: aiohttp.ClientSession, path: str, times: int, warm_up: int = WARM_UP) -> list[float]:
    taken = []
    for number in range(warm_up + times):
        begun = time.perf_counter()
        await _answer(client.get(path))
        if number >= warm_up:
            taken.append((time.perf_counter() - begun) * 1000)
    return taken


async def _load(client: aiohttp.ClientSession, path: str, arguments: argparse.Namespace) -> int:
    """How many requests were answered."""
    taken: dict[str, list[float]] = {"read": [], "write": []}

    async def paced(kind: str, rate: int) -> None:
        """Requests at a fixed pace, whatever became of the ones before: waiting in line counts."""
        begun = time.perf_counter()

        async def one(due: float) -> None:
            await _answer(client.get(path) if kind == "read" else client.post("/assistant", json=CONFIG))
            taken[kind].append((time.perf_counter() - due) * 1000)

        async with asyncio.TaskGroup() as asking:
            for number in range(int(rate * arguments.seconds)):
                due = begun + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                asking.create_task(one(due))

    begun, used = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as load:
        load.create_task(paced("read", arguments.reads))
        load.create_task(paced("write", arguments.writes))
    elapsed = time.perf_counter() - begun
    for kind, times in taken.items():
        print(f"under load, {kind}s: {len(times) / elapsed:.0f}/s, {_summary(times)}")
    asked_for = sum(map(len, taken.values()))
    print(f"under load: asking took {(time.process_time() - used) * 1000 / asked_for:.2f} ms for each request")
    return asked_for


def _summary(taken: list[float]) -> str:
    cuts = statistics.quantiles(taken, n=100)
    return f"p50 {cuts[49]:.2f} ms, p95 {cuts[94]:.2f} ms, p99 {cuts[98]:.2f} ms"


def _import_seconds(code: str) -> tuple[float, float]:
    """The medians of three starts of Python that do this: on the clock, and of processor time."""
    taken = []
    for _ in range(3):
        begun, used = time.perf_counter(), _children_cpu_seconds()
        subprocess.run([sys.executable, "-c", code], check=True)
        taken.append((time.perf_counter() - begun, _children_cpu_seconds() - used))
    wall, cpu = zip(*taken, strict=True)
    return statistics.median(wall), statistics.median(cpu)


def _children_cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@contextmanager
def _served(folder: Path, objects: int, sessions: int) -> Iterator[Target]:
    here, there = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(folder, objects, sessions, there))
    server.start()
    try:
        yield Target(**json.loads(here.recv()))
    finally:
        server.terminate()
        server.join(10)


def _serve(folder: Path, objects: int, sessions: int, told: Connection) -> None:
    uvloop.run(_run(folder, objects, sessions, told))


async def _run(folder: Path, objects: int, sessions: int, told: Connection) -> None:
    """Until the process is ended."""
    with listen("127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        built = install(folder, public_url=url, limits=ApiLimits())
        founding = await built.found("Acme")
        some_id = await _filled(built.log, founding.organization_id, objects)
        await _sessions(built.log, founding.organization_id, some_id, sessions)
        app = create_app(built.dependencies)
        async with measured_lateness() as lateness:
            _add_bare_routes(app, lateness)
            build_routes(app)
            CollectorPolicy().started_up()
            async with serving(app, listener):
                told.send(json.dumps({"url": url, "key": founding.private_key, "some_id": some_id}))
                await asyncio.Event().wait()


async def _filled(log: EmbeddedLog, org_id: str, objects: int) -> str:
    """Assistants; the id of one in the middle."""
    begun = time.perf_counter()
    ids = await _created(log, ASSISTANT, org_id, CONFIG, objects)
    print(f"{objects} assistants made in {time.perf_counter() - begun:.1f} s", flush=True)
    return ids[objects // 2]


async def _sessions(log: EmbeddedLog, org_id: str, assistant_id: str, count: int) -> None:
    """Sessions of one assistant."""
    await _created(log, SESSION, org_id, {"name": "a", "assistantId": assistant_id}, count)


async def _created(
    log: EmbeddedLog, aggregate: ConfigurationAggregate, org_id: str, config: dict[str, Any], count: int
) -> list[str]:
    """By their own commands, some at a time."""
    ids = [new_id() for _ in range(count)]
    command = CreateConfiguration(org_id=org_id, config=config, actor="benchmark")
    for first in range(0, count, 200):
        await asyncio.gather(*(log.execute(aggregate, object_id, command) for object_id in ids[first : first + 200]))
    return ids


def _add_bare_routes(app: FastAPI, lateness: Lateness) -> None:
    kept = b""

    @app.put(BARE)
    async def keep(request: Request) -> Response:
        nonlocal kept
        kept = await request.body()
        return Response()

    @app.get(BARE)
    async def bare() -> Response:
        return Response(kept, media_type="application/json")

    @app.get("/bare-cost")
    async def cost() -> Response:
        return Response(json.dumps({"cpu_s": time.process_time(), "stops": asdict(lateness.taken())}))


if __name__ == "__main__":
    main()
