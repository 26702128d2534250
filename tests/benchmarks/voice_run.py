"""One run of the voice benchmarks: a server on a core of its own, callers on the others, and what came of it."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import uvloop

from tests.benchmarks.voice_callers import Heard, run_calls
from tests.benchmarks.voice_server import BenchmarkServer, Figures, Kind

KINDS: tuple[Kind, ...] = ("baseline", "callfold")
COLUMNS = (
    "server",
    "p50 ms",
    "p95 ms",
    "max ms",
    "core",
    "others",
    "lag p50",
    "p99",
    "max ms",
    "held ms",
    "lost",
    "late",
    "missed",
    "callers' lag p99",
    "MB",
)
OWN_LAG_LIMIT_MS = 8.0
"""Callers that are later than this at the 99th percentile measure themselves: such a run does not count."""
_FRAMES_UNDER_WAY = 2


@dataclass(frozen=True)
class Run:
    """What the callers heard and what the server process saw."""

    heard: Heard
    figures: Figures

    @property
    def trustworthy(self) -> bool:
        """Whether the callers kept up with themselves."""
        return float(np.percentile(self.heard.own_lag_ms, 99)) <= OWN_LAG_LIMIT_MS

    def added_ms(self, percent: float) -> float:
        """A percentile of the added latency; infinite where nothing was answered."""
        return float(np.percentile(self.heard.added_ms, percent)) if self.heard.added_ms else float("inf")

    def lag_ms(self, percent: float) -> float:
        """A percentile of the delay of the server's loop."""
        return float(np.percentile(self.figures.loop_lag_ms, percent))

    def lost(self, calls: int) -> int:
        """Frames of either direction that were sent or due and never arrived."""
        on_the_way = calls * _FRAMES_UNDER_WAY
        return max(0, self.heard.sent - self.figures.heard - on_the_way) + self.heard.lost


def run(kind: Kind, core: int, calls: int, turns: int) -> Run:
    """One run of so many calls at once, each with so many turns that count."""
    server = BenchmarkServer(kind, core)
    try:
        ids = server.calls(calls)
        server.figures()
        figures: list[Figures] = []
        heard = uvloop.run(run_calls(server.port, ids, turns + 1, lambda: figures.append(server.figures())))
    finally:
        server.close()
    return Run(heard, figures[0])


def runs(kind: Kind, core: int, calls: int, turns: int, wanted: int) -> list[Run]:
    """That many runs whose callers kept up; after twice as many tries, those that there are."""
    kept: list[Run] = []
    for _ in range(2 * wanted):
        latest = run(kind, core, calls, turns)
        if latest.trustworthy:
            kept.append(latest)
        if len(kept) == wanted:
            break
    return kept


def row(kind: Kind, calls: int, kept: list[Run]) -> list[str]:
    """Medians over the runs, in the order of ``COLUMNS``."""
    if not kept:
        return [kind, "no run in which the callers kept up"]

    def middle(figure: Callable[[Run], float]) -> float:
        return statistics.median(figure(one) for one in kept)

    return [
        kind,
        *(f"{statistics.median(one.added_ms(percent) for one in kept):.1f}" for percent in (50, 95, 100)),
        f"{middle(lambda one: one.figures.cpu_s / one.figures.wall_s):.0%}",
        f"{middle(lambda one: one.figures.others_s / one.figures.wall_s):.0%}",
        *(f"{statistics.median(one.lag_ms(percent) for one in kept):.1f}" for percent in (50, 99, 100)),
        f"{middle(lambda one: one.figures.held_ms):.1f}",
        f"{middle(lambda one: one.lost(calls)):.0f}",
        f"{middle(lambda one: one.heard.late):.0f}",
        f"{middle(lambda one: one.heard.missed):.0f}",
        f"{middle(lambda one: float(np.percentile(one.heard.own_lag_ms, 99))):.1f}",
        f"{middle(lambda one: one.figures.peak_mb):.0f}",
    ]
