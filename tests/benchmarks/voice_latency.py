"""Latency that the call machinery adds to a spoken turn, beside a bare server that only waits the same times.

    python -m tests.benchmarks.voice_latency [--calls 1 10] [--turns 12] [--runs 3]

Measured at the caller's socket: from the frame of silence that ends the caller's speech to the first byte of the
answer, less what the scripted providers take. The server is one process on one core with the log on; callers are in
another process. The first turn of each call warms up and does not count.
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np
import uvloop
from rich.console import Console
from rich.table import Table

from tests.benchmarks.voice_callers import run_calls
from tests.benchmarks.voice_server import BenchmarkServer, Kind, split_cores

KINDS: tuple[Kind, ...] = ("baseline", "callfold")


def measure(kind: Kind, core: int, calls: int, turns: int) -> tuple[list[float], float]:
    """Added latencies of every turn, and the share of a core that the server used."""
    server = BenchmarkServer(kind, core)
    try:
        ids = server.calls(calls)
        server.figures()
        callers = uvloop.run(run_calls(server.port, ids, turns + 1))
        figures = server.figures()
    finally:
        server.close()
    missed = sum(caller.missed for caller in callers)
    if missed:
        raise SystemExit(f"{kind}: {missed} of {calls * (turns + 1)} turns got no answer")
    return [added for caller in callers for added in caller.added_ms[1:]], figures.cpu_s / figures.wall_s


def main() -> None:
    """Print a row per load and kind: medians over the runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--turns", type=int, default=12)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    core = split_cores()
    table = Table(title=f"added per turn, {options.turns} turns a call, median of {options.runs} runs")
    for column in ("calls", "server", "p50 ms", "p95 ms", "max ms", "core"):
        table.add_column(column, justify="right")
    for calls in options.calls:
        for kind in KINDS:
            runs = [measure(kind, core, calls, options.turns) for _ in range(options.runs)]
            row = [
                statistics.median(float(np.percentile(added, percent)) for added, _ in runs)
                for percent in (50, 95, 100)
            ]
            used = statistics.median(share for _, share in runs)
            table.add_row(str(calls), kind, *(f"{value:.1f}" for value in row), f"{used:.0%}")
    Console().print(table)


if __name__ == "__main__":
    main()
