"""Deliveries a second to a fast server on loopback, beside bare POSTs by aiohttp of the same bytes.

``python -m tests.benchmarks.webhooks`` prints both (medians of rounds that take turns), and how long after its commit a
message arrives first: alone and beside a tenant whose server is dead, in turns as well.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import aiohttp
import uvloop
from aiohttp import web

from domain.call.events import CallCreated
from infra.identifiers import now, random_id
from tests.integration.webhooks.system import Delivering, delivering

MESSAGES = 4_000
ROUNDS = 3
PACED = 300
"""Messages of one measurement of delays; there are as many measurements as ``TURNS`` says, of each kind."""
TURNS = 5
DEAD = 500
ENDPOINTS = 10
IN_FLIGHT = 20


def serve(connection: Connection) -> None:
    """A receiver in a process of its own: counts, and keeps when each message came."""
    arrived: dict[str, float] = {}

    async def take(request: web.Request) -> web.Response:
        if request.path == "/arrived":
            return web.json_response(arrived)
        await request.read()
        about = request.headers.get("callfold-call-id", "")
        arrived.setdefault(about, time.time())
        return web.Response()

    async def run() -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        sites = [web.TCPSite(runner, f"127.0.0.{number + 1}", 0) for number in range(ENDPOINTS)]
        for site in sites:
            await site.start()
        connection.send([f"http://{host}:{port}" for host, port in runner.addresses])
        await asyncio.Event().wait()

    uvloop.run(run())


@dataclass(frozen=True)
class Taken:
    """Seconds by the clock and of this process's processor time."""

    seconds: float
    cpu_seconds: float

    @property
    def line(self) -> str:
        return f"{MESSAGES / self.seconds:8.0f} /s {self.cpu_seconds / MESSAGES * 1e6:8.0f} us of CPU each"


class Stopwatch:
    def __init__(self) -> None:
        self._began, self._cpu = time.perf_counter(), time.process_time()

    def taken(self) -> Taken:
        return Taken(time.perf_counter() - self._began, time.process_time() - self._cpu)


def middle(taken: list[Taken]) -> Taken:
    return Taken(statistics.median(one.seconds for one in taken), statistics.median(one.cpu_seconds for one in taken))


async def bare(urls: list[str], body: bytes) -> Taken:
    """As many POSTs of the same size, as many at once."""
    waiting = iter(range(MESSAGES))

    async def post(session: aiohttp.ClientSession, url: str) -> None:
        for _ in waiting:
            async with session.post(url, data=body) as answer:
                await answer.read()

    async with aiohttp.ClientSession() as session:
        began = Stopwatch()
        await asyncio.gather(*(post(session, url) for url in urls for _ in range(IN_FLIGHT)))
        return began.taken()


def created(system: Delivering, url: str, org_id: str = "") -> CallCreated:
    return CallCreated(
        org_id=org_id or system.org_id,
        type="vapi.websocketCall",
        request={"assistant": {"name": "Mary", "server": {"url": url}, "serverMessages": ["status-update"]}},
        transport={"provider": "vapi.websocket"},
    )


async def emptied(system: Delivering) -> None:
    """Wait until nothing is left to deliver."""
    store, empty, loop = system.webhooks.outbox.store, asyncio.Event(), asyncio.get_running_loop()
    tell = store.changed

    def changed(endpoints: Iterable[tuple[str, str]], settled: Iterable[str]) -> None:
        tell(endpoints, settled)
        if not system.webhooks.waiting.summary().pending:
            loop.call_soon_threadsafe(empty.set)

    store.changed = changed
    await empty.wait()


async def backlog(folder: Path, urls: list[str]) -> tuple[Taken, int]:
    """Until a backlog is delivered, on the delivery log, and the outbox knows it is; and the size of a body."""
    async with delivering(folder, paused=True) as system:
        org_id = system.org_id
        for start in range(0, MESSAGES, 200):
            await asyncio.gather(
                *(
                    system.record(random_id(), created(system, urls[number % len(urls)]))
                    for number in range(start, start + 200)
                )
            )
        await system.caught_up()
    async with delivering(folder, org_id) as system:
        began = Stopwatch()
        async with asyncio.timeout(120):
            await emptied(system)
        taken = began.taken()
        attempts = await system.attempts(MESSAGES)
        return taken, attempts[0].request_bytes


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that takes requests and never answers."""
    await reader.read()
    writer.close()


async def delays(folder: Path, url: str, *, dead: int = 0) -> list[float]:
    """Milliseconds from the commit of an event to the arrival of its message, at a steady rate; beside a tenant with
    as many messages as ``dead`` for a server that never answers."""
    committed: dict[str, float] = {}
    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server, delivering(folder) as system:
        port, other = server.sockets[0].getsockname()[1], random_id()
        await asyncio.gather(
            *(system.record(random_id(), created(system, f"http://127.0.0.1:{port}", other)) for number in range(dead))
        )
        await system.caught_up()
        for _ in range(PACED):
            call_id = random_id()
            await system.record(call_id, created(system, url))
            committed[call_id] = now().timestamp()
            await asyncio.sleep(0.005)
        await system.attempts(PACED)
    async with aiohttp.ClientSession() as session, session.get(f"{url}/arrived") as answer:
        arrived = await answer.json()
    return sorted((arrived[call_id] - at) * 1000 for call_id, at in committed.items())


async def main(urls: list[str]) -> None:
    # As `callfold up` does: what start-up made is never looked at again.
    gc.collect()
    gc.freeze()
    ours, base, size = [], [], 0
    delay: dict[str, list[float]] = {"commit to arrival": [], "beside a dead tenant": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            taken, size = await backlog(Path(folder) / f"backlog-{number}", urls)
            ours.append(taken)
            base.append(await bare(urls, b"x" * size))
        for number in range(TURNS):
            for (text, found), dead in zip(delay.items(), (0, DEAD), strict=True):
                found += await delays(Path(folder) / f"{text} {number}", urls[number % len(urls)], dead=dead)
    print(f"bodies of {size} bytes, {MESSAGES} messages to {ENDPOINTS} origins, medians of {ROUNDS} rounds")
    ratio = statistics.median(one.seconds / other.seconds for one, other in zip(base, ours, strict=True))
    print(f"bare aiohttp POSTs  {middle(base).line}")
    print(f"signed and recorded {middle(ours).line}   {ratio:.2f} of bare")
    for text, found in delay.items():
        quantiles = statistics.quantiles(found, n=100)
        print(f"{text:<20} p50 {quantiles[49]:.1f} ms   p99 {quantiles[98]:.1f} ms of {len(found)}")


if __name__ == "__main__":
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    receiver = context.Process(target=serve, args=(theirs,), daemon=True)
    receiver.start()
    try:
        uvloop.run(main(ours.recv()))  # as `callfold up` does
    finally:
        receiver.kill()
    sys.exit(0)
