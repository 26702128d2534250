"""What we add to a tool call: from the machine's order to the fed outcome, beside a bare POST of the same body.

    python -m tests.benchmarks.tool_round_trip [--calls 400]

The tool server is a real one in a process of its own. The baseline is the HTTP client alone, in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import socket
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx2
import msgspec
from rich.console import Console
from rich.table import Table

from media.egress.client import guarded_client
from media.machine.outputs import CallTool
from media.tools.api_request import ApiRequests
from media.tools.bench import ToolBench
from media.tools.function_call import ServerTools
from media.tools.reporting import report
from tests.unit.media.tools.calling import LOOPBACK, call_of, now, tenant_servers

ARGUMENTS = {"orderId": "K-204", "note": "as soon as possible"}


class _Answering(asyncio.Protocol):
    """The least server there can be: reads a request whole, and answers it in one write."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        if not found or len(body) < length:
            return
        self._received = b""
        calls = msgspec.json.decode(body).get("message", {}).get("toolCallList", [])
        answer = msgspec.json.encode({"results": [{"toolCallId": call["id"], "result": "Monday"} for call in calls]})
        assert isinstance(self._transport, asyncio.Transport)
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(answer) + answer)


def _serve(listening: socket.socket) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(_Answering, sock=listening)
        await server.serve_forever()

    asyncio.run(run())


def snapshot() -> Mapping[str, Any]:
    """As large as a call of a few turns."""
    message = {"role": "user", "message": "Where is my order?", "time": 1.0, "secondsFromStart": 1.0}
    return {"call": {"id": "c"}, "assistant": {"name": "Shop"}, "artifact": {"messages": [message] * 20}}


async def _timed(works: Mapping[str, Callable[[], Awaitable[object]]], count: int) -> dict[str, list[float]]:
    """In turns, so that whatever else the machine does meets all of them alike."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for number in range(20 + count):
        for name, work in works.items():
            began = time.perf_counter()
            await work()
            if number >= 20:
                taken[name].append((time.perf_counter() - began) * 1000)
    return {name: sorted(times) for name, times in taken.items()}


async def _measure(url: str, count: int) -> dict[str, list[float]]:
    body = msgspec.json.encode({"message": {"toolCallList": [{"id": "c1", "arguments": ARGUMENTS}], **snapshot()}})
    async with httpx2.AsyncClient(timeout=5.0) as bare, guarded_client(LOOPBACK, timeout_s=5.0) as guarded:
        servers = ServerTools(tenant_servers(guarded), lambda: {}, snapshot=snapshot, timeout_s=5.0, result_cap=8_192)
        requests = ApiRequests(guarded, tenant_servers(guarded), now=now, timeout_s=5.0, result_cap=8_192)
        bench = ToolBench(servers, {"apiRequest": requests})
        function = call_of({"type": "function", "function": {"name": "findOrder"}, "server": {"url": url}}, ARGUMENTS)
        request = call_of({"type": "apiRequest", "name": "findOrder", "url": url}, ARGUMENTS)

        async def carried_out(call: CallTool) -> None:
            report([call], await bench.run([call]), lambda _: None, lambda *_: None)

        return await _timed(
            {
                "bare POST": lambda: bare.post(url, content=body),
                "function tool": lambda: carried_out(function),
                "apiRequest tool": lambda: carried_out(request),
            },
            count,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=400)
    arguments = parser.parse_args()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/tools"
        server = multiprocessing.get_context("fork").Process(target=_serve, args=(listening,), daemon=True)
        server.start()
        try:
            taken = asyncio.run(_measure(url, arguments.calls))
        finally:
            server.kill()
            server.join()
    baseline = taken["bare POST"]
    table = Table("", "median ms", "p95 ms", "added median", "added p95", title=f"{arguments.calls} calls each")
    for name, times in taken.items():
        middle, high = statistics.median(times), times[int(len(times) * 0.95)]
        added = middle - statistics.median(baseline), high - baseline[int(len(baseline) * 0.95)]
        table.add_row(name, f"{middle:.2f}", f"{high:.2f}", f"{added[0]:+.2f}", f"{added[1]:+.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
