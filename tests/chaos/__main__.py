"""The long drills, with a progress bar and a report: ``make chaos`` or ``python -m tests.chaos``.

What ``make test`` does for seconds goes on for minutes here: hundreds of killed writers, and brokers lost every ten
seconds while writing goes on. Ends with 1 when the log broke its word anywhere.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import ceil
from pathlib import Path
from statistics import median

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from infra.kafka.cluster import DevCluster
from infra.kafka.installation import installed
from infra.settings import load
from streams.kafka.location import KafkaLocation
from tests.chaos.drill import Outcome, Workers
from tests.chaos.kafka_drills import Faults, Plan, die_at_every_step, kill_everybody, leader_of, run

LOSS_EVERY_SECONDS = 10.0
REPORT_COLUMNS = 140


class Drill(msgspec.Struct, frozen=True):
    """``steps`` is what the progress bar counts: killed writers, or lost leaders."""

    name: str
    plan: Plan
    steps: int
    faults: Callable[[DevCluster, Callable[[], None]], Callable[[str], Faults]]


def drills(kills: int, minutes: float) -> Sequence[Drill]:
    """All of them, on three brokers with every record on three."""
    losses = max(1, round(minutes * 60 / LOSS_EVERY_SECONDS))
    race = Plan(processes=4, replication=3)
    swarm = Plan(processes=3, shards=4, organizations=8, tallies=200, replication=3)
    few = Plan(processes=3, tallies=20, replication=3)
    return (
        Drill("writers die at every step", race, kills, lambda _, step: die_at_every_step(kills, after_each=step)),
        Drill("writers killed, four shards", swarm, *_kills(swarm, kills)),
        Drill("leader killed every 10 s", few, losses, lambda on, step: _lost(on, losses, step, pause=False)),
        Drill("leader paused every 10 s", few, losses, lambda on, step: _lost(on, losses, step, pause=True)),
    )


def _kills(plan: Plan, kills: int) -> tuple[int, Callable[[DevCluster, Callable[[], None]], Callable[[str], Faults]]]:
    """How often all writers are killed at once, and the faults that do it."""
    rounds = ceil(kills / plan.processes)
    return rounds, lambda _, step: kill_everybody(rounds, every=40, after_each=step)


def _lost(cluster: DevCluster, times: int, step: Callable[[], None], *, pause: bool) -> Callable[[str], Faults]:
    def on(url: str) -> Faults:
        def faults(workers: Workers) -> None:
            for _ in range(times):
                until = time.monotonic() + LOSS_EVERY_SECONDS
                leader = leader_of(KafkaLocation.parse(url))
                workers.note_fault()
                (cluster.pause if pause else cluster.kill)(leader)
                workers.await_operations(40)
                (cluster.resume if pause else cluster.restart)(leader)
                while time.monotonic() < until:
                    workers.await_operations(10)
                step()

        return faults

    return on


@contextlib.contextmanager
def _started(cluster: DevCluster) -> Iterator[None]:
    try:
        cluster.start()
        yield
    finally:
        cluster.destroy()


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    options.add_argument("--kills", type=int, default=200, help="writers killed in each drill that kills writers")
    options.add_argument("--minutes", type=float, default=3.0, help="length of each drill that loses brokers")
    options.add_argument("--only", default="", help="only drills whose name contains this")
    options.add_argument("--json", action="store_true", help="the report as JSON on standard output")
    chosen = options.parse_args()
    # What goes wrong is the point here; the report says whether it should have.
    logging.getLogger().addHandler(logging.NullHandler())
    console = Console(stderr=chosen.json, width=None if sys.stderr.isatty() else REPORT_COLUMNS)
    outcomes: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="callfold-chaos-") as root:
        folder = Path(root)
        program = installed(load().cache_folder())
        cluster = DevCluster(folder / "cluster", install=lambda: program, brokers=3)
        with (
            _started(cluster),
            Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.completed}/{task.total}"),
                TimeElapsedColumn(),
                console=console,
            ) as progress,
        ):
            for drill in drills(chosen.kills, chosen.minutes):
                if chosen.only not in drill.name:
                    continue
                bar = progress.add_task(drill.name, total=drill.steps)
                faults = drill.faults(cluster, partial(progress.advance, bar))
                outcomes[drill.name] = run(cluster, folder / drill.name.replace(" ", "-"), drill.plan, faults)
                cluster.start()
    _report(console, outcomes)
    if chosen.json:
        sys.stdout.write(json.dumps(msgspec.to_builtins(outcomes), indent=2) + "\n")
    return 0 if all(kept_its_word(outcome) for outcome in outcomes.values()) else 1


def kept_its_word(outcome: Outcome) -> bool:
    """No violation, and every replica equal to the one made anew."""
    return not outcome.judgement.violations and len(set(outcome.replicas)) == 1


def _report(console: Console, outcomes: dict[str, Outcome]) -> None:
    table = Table(
        "drill", "acknowledged", "refused", "unknown", "killed", "seconds", "silence s", "violations", "replicas"
    )
    for name, outcome in outcomes.items():
        tally = outcome.judgement.tally
        table.add_row(
            name,
            str(tally.acknowledged),
            str(tally.refused),
            str(tally.unknown),
            str(outcome.killed),
            f"{outcome.seconds:.0f}",
            _silence(outcome.silences),
            str(len(outcome.judgement.violations)),
            "equal" if len(set(outcome.replicas)) == 1 else "DIFFERENT",
            style="" if kept_its_word(outcome) else "red",
        )
    console.print(table)
    for name, outcome in outcomes.items():
        for violation in outcome.judgement.violations[:20]:
            console.print(f"[red]{name}: {violation}")


def _silence(silences: Sequence[float]) -> str:
    """How long nobody was acknowledged anything after a broker was lost: the median and the worst."""
    return f"{median(silences):.1f}, at most {max(silences):.1f}" if silences else ""


if __name__ == "__main__":
    sys.exit(main())
