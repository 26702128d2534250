"""What a request costs: reads and lists of 100 among many objects, a mixture under load, and the import of the API.

Run ``python -m tests.benchmarks.api_requests [--objects 100000] [--seconds 5]``. The server is a process of its own
over the embedded log; the baseline is a bare FastAPI route of that process that answers the same bytes.
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
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from api.app import create_app
from api.dependencies import ApiLimits
from domain.assistant.aggregate import ASSISTANT
from domain.configuration.commands import CreateConfiguration
from streams.log.embedded import EmbeddedLog
from tests.end_to_end.serving import listening
from tests.unit.api.installation import install, new_id

WARM_UP = 50
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
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--reads", type=int, default=300, help="a second, under load")
    parser.add_argument("--writes", type=int, default=50, help="a second, under load")
    arguments = parser.parse_args()
    for name, code in (("import of the API", "import api.app"), ("  of FastAPI alone", "import fastapi")):
        wall, cpu = _import_seconds(code)
        print(f"{name}: {wall:.2f} s, {cpu:.2f} s of them computing")
    with tempfile.TemporaryDirectory() as folder, _served(Path(folder), arguments.objects) as target:
        asyncio.run(_measure(target, arguments))


async def _measure(target: Target, arguments: argparse.Namespace) -> None:
    headers = {"authorization": f"Bearer {target.key}"}
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx.AsyncClient(base_url=target.url, headers=headers, limits=limits, timeout=30) as client:
        one, many = f"/assistant/{target.some_id}", "/assistant?limit=100"
        (await client.put("/bare/one", content=(await client.get(one)).content)).raise_for_status()
        (await client.put("/bare/many", content=(await client.get(many)).content)).raise_for_status()
        for name, path, bare, times in (
            ("GET by id", one, "/bare/one", 400),
            ("a list of 100", many, "/bare/many", 150),
        ):
            print(f"{name:14} {await _one_by_one(client, path, times)}")
            print(f"{'  a bare route':14} {await _one_by_one(client, bare, times)}")
        before = await _server_cpu_seconds(client)
        asked = await _load(client, one, arguments)
        spent = (await _server_cpu_seconds(client) - before) * 1000 / asked
        print(f"under load the server computed {spent:.2f} ms for each request")


async def _server_cpu_seconds(client: httpx.AsyncClient) -> float:
    return float((await client.get("/bare-cpu")).text)


async def _one_by_one(client: httpx.AsyncClient, path: str, times: int) -> str:
    taken = []
    for number in range(WARM_UP + times):
        begun = time.perf_counter()
        (await client.get(path)).raise_for_status()
        if number >= WARM_UP:
            taken.append((time.perf_counter() - begun) * 1000)
    return _summary(taken)


async def _load(client: httpx.AsyncClient, path: str, arguments: argparse.Namespace) -> int:
    """How many requests were answered."""
    taken: dict[str, list[float]] = {"read": [], "write": []}

    async def read() -> httpx.Response:
        return await client.get(path)

    async def write() -> httpx.Response:
        return await client.post("/assistant", json=CONFIG)

    async def paced(kind: str, ask: Callable[[], Awaitable[httpx.Response]], rate: int) -> None:
        """Requests at a fixed pace, whatever became of the ones before: waiting in line counts."""
        begun = time.perf_counter()

        async def one(due: float) -> None:
            (await ask()).raise_for_status()
            taken[kind].append((time.perf_counter() - due) * 1000)

        async with asyncio.TaskGroup() as asking:
            for number in range(int(rate * arguments.seconds)):
                due = begun + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                asking.create_task(one(due))

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as load:
        load.create_task(paced("read", read, arguments.reads))
        load.create_task(paced("write", write, arguments.writes))
    elapsed = time.perf_counter() - begun
    for kind, times in taken.items():
        print(f"under load, {kind}s: {len(times) / elapsed:.0f}/s, {_summary(times)}")
    return sum(map(len, taken.values()))


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
def _served(folder: Path, objects: int) -> Iterator[Target]:
    here, there = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(folder, objects, there))
    server.start()
    try:
        yield Target(**json.loads(here.recv()))
    finally:
        server.terminate()
        server.join(10)


def _serve(folder: Path, objects: int, told: Connection) -> None:
    with listening() as (bound, url):
        limits = ApiLimits(private_requests_per_minute=0)
        built = install(folder, public_url=url, limits=limits)
        founding = asyncio.run(built.found("Acme"))
        ids = asyncio.run(_filled(built.log, founding.organization_id, objects))
        app = create_app(built.dependencies)
        _add_bare_routes(app)
        told.send(json.dumps({"url": url, "key": founding.private_key, "some_id": ids}))
        uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off")).run([bound])


async def _filled(log: EmbeddedLog, org_id: str, objects: int) -> str:
    """Assistants by their own commands, some at a time; the id of one in the middle."""
    begun, ids = time.perf_counter(), [new_id() for _ in range(objects)]
    command = CreateConfiguration(org_id=org_id, config=CONFIG, actor="benchmark")
    for first in range(0, objects, 200):
        await asyncio.gather(*(log.execute(ASSISTANT, object_id, command) for object_id in ids[first : first + 200]))
    print(f"{objects} assistants made in {time.perf_counter() - begun:.1f} s", flush=True)
    return ids[objects // 2]


def _add_bare_routes(app: FastAPI) -> None:
    kept: dict[str, bytes] = {}

    @app.put("/bare/{name}")
    async def keep(name: str, request: Request) -> Response:
        kept[name] = await request.body()
        return Response()

    @app.get("/bare-cpu")
    async def cpu() -> Response:
        return Response(str(time.process_time()))

    @app.get("/bare/{name}")
    async def bare(name: str) -> Response:
        return Response(kept[name], media_type="application/json")


if __name__ == "__main__":
    main()
