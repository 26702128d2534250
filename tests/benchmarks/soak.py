"""Calls for as long as you like, and whether anything of the server grows: memory, tasks, open files, threads.

    python -m tests.benchmarks.soak [--minutes 60] [--calls 20] [--samples 60] [--seed 1]

The server is that of ``voice_latency``: one process, the log on a disk, real call machine and voice detector, scripted
providers. So many calls run all the time; each lasts between seconds and three minutes, is ended by its caller in one
of two ways (a close, or a connection that breaks), and another takes its place. What grows is told by the slope of a
line through all samples after the first tenth, which fills caches. Of the C library's heap "heap" is in use, "SQLite"
of that by SQLite, whose pages of the growing logs are kept up to a bound, and "free" kept for later. "live files" are
those on disk that running calls need; the logs grow by design.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np
import uvloop
from rich.console import Console
from rich.table import Table

from media.audio.framing import FRAME_MS
from tests.benchmarks.voice_callers import TURN_MS, Caller, Callers, dialled
from tests.benchmarks.voice_server import BenchmarkServer, Resources

SHORTEST_S, LONGEST_S = 5.0, 180.0
WARM_UP = 0.1
"""Share of the time whose samples say nothing about growth."""
MEASURES = ("rss_mb", "heap_mb", "sqlite_mb", "free_mb", "blocks", "tasks", "files", "threads", "live_files")


@dataclass(frozen=True)
class Sample:
    """The server at one instant. ``ended`` counts the calls that were over by then, ``added_ms`` the turns since the
    sample before."""

    at_s: float
    ended: int
    resources: Resources
    added_ms: tuple[float, ...]


async def hold_calls(
    server: BenchmarkServer, callers: Callers, asking: asyncio.Lock, chance: random.Random, until_s: float
) -> None:
    """One call after the other, until the time is up."""
    while monotonic() < until_s:
        length_s = min(chance.uniform(SHORTEST_S, LONGEST_S), max(SHORTEST_S, until_s - monotonic()))
        async with asking:
            (call_id,) = await asyncio.to_thread(server.calls, 1)
        turns = max(1, int(length_s * 1000 / TURN_MS))
        caller = await dialled(server.port, call_id, Caller(turns, chance.randrange(FRAME_MS)))
        callers.join(caller)
        await caller.over.wait()
        callers.leave(caller)
        if chance.random() < 0.5:
            caller.hang_up()
        else:
            caller.vanish()


async def soak(
    server: BenchmarkServer, calls: int, minutes: float, wanted: int, seed: int
) -> tuple[Callers, list[Sample]]:
    """Hold the calls and look at the server ``wanted`` times; the last sample is of the idle server afterwards."""
    callers, asking, samples = Callers(), asyncio.Lock(), list[Sample]()
    began_s = monotonic()
    until_s = began_s + minutes * 60

    async def look() -> None:
        async with asking:
            resources = await asyncio.to_thread(server.resources)
        added = tuple(callers.added_ms)
        callers.added_ms.clear()
        samples.append(Sample(monotonic() - began_s, callers.ended, resources, added))

    beating = asyncio.create_task(callers.beat())
    async with asyncio.TaskGroup() as group:
        for slot in range(calls):
            group.create_task(hold_calls(server, callers, asking, random.Random(seed * 1_000 + slot), until_s))
        for number in range(1, wanted + 1):
            await asyncio.sleep(max(0.0, began_s + number * minutes * 60 / wanted - monotonic()))
            await look()
    beating.cancel()
    async with asking:
        await asyncio.to_thread(server.settled)
    await look()
    return callers, samples


def slope_per_hour(samples: Sequence[Sample], measure: str) -> float:
    """Of the line through the samples after the warm-up."""
    kept = samples[int(len(samples) * WARM_UP) :]
    at_h = np.array([sample.at_s / 3600 for sample in kept])
    values = np.array([float(getattr(sample.resources, measure)) for sample in kept])
    return float(np.polyfit(at_h, values, 1)[0])


def report(console: Console, calls: int, callers: Callers, samples: Sequence[Sample]) -> None:
    """A row for some of the samples, the slopes, and the server once nobody calls any more."""
    *running, idle = samples
    table = Table(title=f"{calls} calls at once, {running[-1].at_s / 60:.1f} minutes, {callers.ended} calls in all")
    memory = ("RSS MB", "heap MB", "SQLite MB", "free MB", "blocks")
    columns = ("minute", "calls ended", *memory, "tasks", "files", "threads", "live files", "core", "p95 ms")
    for column in columns:
        table.add_column(column, justify="right")
    shown = running[:: max(1, len(running) // 12)]
    for sample in (*shown, idle):
        found = sample.resources
        table.add_row(
            "idle" if sample is idle else f"{sample.at_s / 60:.1f}",
            str(sample.ended),
            *(f"{size:.1f}" for size in (found.rss_mb, found.heap_mb, found.sqlite_mb, found.free_mb)),
            f"{found.blocks:,}",
            *(str(count) for count in (found.tasks, found.files, found.threads, found.live_files)),
            f"{found.core:.0%}",
            f"{np.percentile(sample.added_ms, 95):.1f}" if sample.added_ms else "",
        )
    console.print(table)
    slopes = ", ".join(f"{measure} {slope_per_hour(running, measure):+,.1f}" for measure in MEASURES)
    console.print(f"growth per hour: {slopes}; turns without an answer: {callers.missed}")


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--samples", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    server = BenchmarkServer("callfold", core=None)
    try:
        outcome = uvloop.run(soak(server, options.calls, options.minutes, options.samples, options.seed))
    finally:
        server.close()
    report(Console(width=150), options.calls, *outcome)


if __name__ == "__main__":
    main()
