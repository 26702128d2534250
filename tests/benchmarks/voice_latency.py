"""Latency that the call machinery adds to a spoken turn, beside a bare server that only waits the same times.

    python -m tests.benchmarks.voice_latency [--calls 1 10] [--turns 12] [--runs 3]

Measured at the caller's socket: from the frame of silence that ends the caller's speech to the first byte of the
answer, less what the scripted providers take. The server is one process on one core with the log on; callers are in
another process on another core, and runs in which they were late themselves do not count. "others" is what everything
else took of the server's core, "lag" the delay of a 5 ms timer on the server's loop, "held"
what the loop's own thread computed of the longest one.
"""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table

from tests.benchmarks.voice_run import COLUMNS, KINDS, row, runs
from tests.benchmarks.voice_server import split_cores


def main() -> None:
    """Print a row per load and kind: medians over the runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--turns", type=int, default=12)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    core = split_cores()
    table = Table(title=f"added per turn, {options.turns} turns a call, median of {options.runs} runs")
    for column in ("calls", *COLUMNS):
        table.add_column(column, justify="right")
    for calls in options.calls:
        for kind in KINDS:
            table.add_row(str(calls), *row(kind, calls, runs(kind, core, calls, options.turns, options.runs)))
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
