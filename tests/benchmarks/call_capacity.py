"""How many calls one core carries: raise their number until the 95th percentile of added latency passes 100 ms.

    python -m tests.benchmarks.call_capacity [--calls 50 100 150 200 250 300] [--turns 4] [--runs 1] [--limit-ms 100]

Same set-up as ``voice_latency``: one server process pinned to one core, log on, WebSockets, scripted providers. The
callers share the remaining cores; runs in which they were late themselves do not count, so that a figure is never
theirs. A number of calls is carried when no turn is missed and no frame lost either.
"""

from __future__ import annotations

import argparse
import statistics

from rich.console import Console
from rich.table import Table

from tests.benchmarks.voice_run import COLUMNS, KINDS, row, runs
from tests.benchmarks.voice_server import split_cores


def main() -> None:
    """Print a row per number of calls, for us and for the bare server."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, nargs="+", default=[50, 100, 150, 200, 250, 300])
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--limit-ms", type=float, default=100.0)
    options = parser.parse_args()
    core = split_cores()
    console = Console(width=150)
    table = Table(title=f"calls on one core, p95 of added latency at most {options.limit_ms:g} ms")
    for column in ("calls", *COLUMNS):
        table.add_column(column, justify="right")
    for kind in KINDS:
        carried = 0
        for calls in options.calls:
            kept = runs(kind, core, calls, options.turns, options.runs)
            table.add_row(str(calls), *row(kind, calls, kept))
            if not kept:
                break
            p95 = statistics.median(one.added_ms(95) for one in kept)
            if p95 > options.limit_ms or any(one.heard.missed or one.lost(calls) for one in kept):
                break
            carried = calls
        console.print(f"{kind}: {carried} calls")
    console.print(table)


if __name__ == "__main__":
    main()
