"""Past capacity: more and more callers ring one server, and those that it takes are to be served as well as before.

    python -m tests.benchmarks.call_admission [--offered 60 200 400] [--every-ms 40] [--turns 6]
        [--max-lag-ms 50] [--max-busy 0.85] [--max-start-wait-ms 500] [--max-log-wait-ms 1000]

The set-up of ``voice_latency``: one server process on one core, the log on, scripted providers. A caller rings every
so many milliseconds and speaks at once, in turns that never pause: far denser than people talk. A call is refused with
close code 1013 as ``media.call.admission`` judges: by the clock of those that run, the work of the thread that serves
them and would serve the new one, the line of those that begin, and the log. Latencies are those that callfold adds to
the turns of the calls that were taken, the first one included, for which the call may still have to begin. With
``--all`` nobody is refused, for comparison.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter

import numpy as np
import uvloop
from rich.console import Console
from rich.table import Table

from media.audio.framing import FRAME_MS
from tests.benchmarks.voice_callers import Caller, Callers, dialled
from tests.benchmarks.voice_server import BenchmarkServer, Figures, Limits, split_cores

COLUMNS = (
    *("offered", "served", "refused", "other ends", "missed turns"),
    *("p50 ms", "p95 ms", "max ms", "lag p99", "max ms", "core", "callers' lag p99"),
)


async def ring(
    server: BenchmarkServer, offered: int, every_s: float, turns: int
) -> tuple[Callers, Counter[int | None]]:
    """All callers, one after the other; how they ended: ``None`` is a caller who had all turns."""
    callers, ends = Callers(), Counter[int | None]()
    ids = await asyncio.to_thread(server.calls, offered)

    async def call(number: int, call_id: str) -> None:
        await asyncio.sleep(number * every_s)
        caller = await dialled(server.port, call_id, Caller(turns, number % FRAME_MS))
        callers.join(caller)
        await caller.over.wait()
        callers.leave(caller)
        ends[None if caller.finished else caller.close_code] += 1
        caller.hang_up()

    beating = asyncio.create_task(callers.beat())
    async with asyncio.TaskGroup() as group:
        for number, call_id in enumerate(ids):
            group.create_task(call(number, call_id))
    beating.cancel()
    return callers, ends


def main() -> None:
    """A row per number of callers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--offered", type=int, nargs="+", default=[60, 200, 400])
    parser.add_argument("--every-ms", type=float, default=40.0)
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--max-lag-ms", type=float, default=50.0)
    parser.add_argument("--max-busy", type=float, default=0.85)
    parser.add_argument("--max-start-wait-ms", type=float, default=500.0)
    parser.add_argument("--max-log-wait-ms", type=float, default=1_000.0)
    parser.add_argument("--all", action="store_true", help="refuse nobody")
    options = parser.parse_args()
    limits = Limits(options.max_lag_ms, options.max_busy, options.max_start_wait_ms, options.max_log_wait_ms)
    core = split_cores()
    table = Table(title=f"a caller every {options.every_ms:g} ms, {options.turns} turns each, one core")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for offered in options.offered:
        server = BenchmarkServer("callfold", core, limits=Limits() if options.all else limits)
        try:
            server.figures()
            callers, ends = uvloop.run(ring(server, offered, options.every_ms / 1000, options.turns))
            figures = server.figures()
        finally:
            server.close()
        table.add_row(*row(offered, callers, ends, figures))
    Console(width=130).print(table)


def row(offered: int, callers: Callers, ends: Counter[int | None], figures: Figures) -> list[str]:
    """In the order of the columns."""
    added = [f"{np.percentile(callers.added_ms, percent):.1f}" for percent in (50, 95, 100)] if callers.added_ms else []
    others = sum(ends.values()) - ends[None] - ends[1013]
    return [
        *(str(count) for count in (offered, ends[None], ends[1013], others, callers.missed)),
        *(added or ["", "", ""]),
        *(f"{np.percentile(figures.loop_lag_ms, percent):.1f}" for percent in (99, 100)),
        f"{figures.cpu_s / figures.wall_s:.0%}",
        f"{np.percentile(callers.late_ms, 99):.1f}",
    ]


if __name__ == "__main__":
    main()
