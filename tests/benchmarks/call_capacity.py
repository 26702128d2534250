"""How many calls one core carries: raise their number until the 95th percentile of added latency passes 100 ms.

    python -m tests.benchmarks.call_capacity [--start 25] [--step 25] [--most 300] [--turns 4] [--limit-ms 100]

Same set-up as ``voice_latency``: one server process pinned to one core, log on, WebSockets, scripted providers. The
callers share the remaining cores; with a single other core they are the bottleneck at some point, which the column
"own lag" shows (it is the lag of the callers' own loop).
"""

from __future__ import annotations

import argparse
import asyncio

import numpy as np
import uvloop
from rich.console import Console
from rich.table import Table

from tests.benchmarks.voice_callers import Caller, run_calls
from tests.benchmarks.voice_server import BenchmarkServer, Figures, Kind, split_cores


async def with_own_lag(port: int, ids: list[str], turns: int) -> tuple[list[Caller], list[float]]:
    """The calls, and how late this process itself was meanwhile."""
    lag: list[float] = []

    async def watch() -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + 0.005
            await asyncio.sleep(0.005)
            lag.append((loop.time() - due) * 1000)

    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watch())
        callers = await run_calls(port, ids, turns)
        watching.cancel()
    return callers, lag


def measure(kind: Kind, core: int, calls: int, turns: int) -> tuple[list[float], int, Figures, list[float]]:
    """Added latencies, unanswered turns, the server's figures, the callers' own lag."""
    server = BenchmarkServer(kind, core)
    try:
        ids = server.calls(calls)
        server.figures()
        callers, own_lag = uvloop.run(with_own_lag(server.port, ids, turns + 1))
        figures = server.figures()
    finally:
        server.close()
    added = [value for caller in callers for value in caller.added_ms[1:]]
    return added, sum(caller.missed for caller in callers), figures, own_lag


def main() -> None:
    """Print a row per number of calls, for us and for the bare server."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--start", type=int, default=25)
    parser.add_argument("--step", type=int, default=25)
    parser.add_argument("--most", type=int, default=300)
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--limit-ms", type=float, default=100.0)
    options = parser.parse_args()
    core = split_cores()
    console = Console()
    table = Table(title=f"calls on one core, p95 of added latency at most {options.limit_ms:g} ms")
    for column in ("server", "calls", "p50 ms", "p95 ms", "missed", "core", "loop lag p99 ms", "own lag p99 ms", "MB"):
        table.add_column(column, justify="right")
    for kind in ("callfold", "baseline"):
        carried = 0
        for calls in range(options.start, options.most + 1, options.step):
            added, missed, figures, own_lag = measure(kind, core, calls, options.turns)
            p50, p95 = (float(np.percentile(added, percent)) for percent in (50, 95)) if added else (np.inf, np.inf)
            table.add_row(
                kind,
                str(calls),
                f"{p50:.1f}",
                f"{p95:.1f}",
                str(missed),
                f"{figures.cpu_s / figures.wall_s:.0%}",
                f"{np.percentile(figures.loop_lag_ms, 99):.1f}",
                f"{np.percentile(own_lag, 99):.1f}",
                f"{figures.peak_mb:.0f}",
            )
            if missed or p95 > options.limit_ms:
                break
            carried = calls
        console.print(f"{kind}: {carried} calls")
    console.print(table)


if __name__ == "__main__":
    main()
