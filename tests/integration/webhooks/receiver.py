"""A tenant's server on loopback that answers as it is told and remembers what it was sent."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

Answer = Callable[[web.Request, int], Awaitable[web.StreamResponse]]
"""Gets the request and how often this message has come, counted from 1."""


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def message(self) -> dict[str, Any]:
        return dict(msgspec.json.decode(self.body)["message"])

    @property
    def type(self) -> str:
        return str(self.message["type"])


async def accepted(request: web.Request, times: int) -> web.StreamResponse:
    return web.Response()


@dataclass
class Receiver:
    answer: Answer = accepted
    received: list[Received] = field(default_factory=list)
    origins: int = 1
    """So many addresses of loopback, each an endpoint of its own."""
    urls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._times: dict[str, int] = defaultdict(int)
        self._grown = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Receiver:
        app = web.Application(client_max_size=8 << 20)
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        for number in range(1, self.origins + 1):
            await web.TCPSite(self._runner, f"127.0.0.{number}", 0).start()
        self.urls = [f"http://{host}:{port}" for host, port in self._runner.addresses]
        return self

    @property
    def url(self) -> str:
        """The first one."""
        return self.urls[0]

    async def __aexit__(self, *failure: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): text for name, text in request.headers.items()}
        one = Received(request.path, headers, body)
        times = 0
        if "webhook-id" in headers:
            self._times[one.id] += 1
            times = self._times[one.id]
        async with self._grown:
            self.received.append(one)
            self._grown.notify_all()
        return await self.answer(request, times)

    async def until(self, done: Callable[[list[Received]], bool], seconds: float = 60.0) -> list[Received]:
        """Wait until what was received satisfies ``done``."""
        async with asyncio.timeout(seconds), self._grown:
            await self._grown.wait_for(lambda: done(self.received))
        return self.received

    def assert_the_same_when_it_comes_twice(self) -> None:
        """Each id names one body."""
        bodies = defaultdict(set)
        for one in self.received:
            bodies[one.id].add(one.body)
        assert {len(versions) for versions in bodies.values()} == {1}

    def assert_in_order(self) -> None:
        """First appearances of the messages of a call ascend, and none is left out."""
        seen: set[str] = set()
        last: Counter[str] = Counter()
        for one in self.received:
            if one.id in seen:
                continue
            seen.add(one.id)
            about, sequence = one.headers["callfold-call-id"], int(one.headers["callfold-sequence"])
            assert sequence == last[about] + 1
            last[about] = sequence
