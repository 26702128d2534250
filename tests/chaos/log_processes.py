"""Processes that work on one log file until they are done or killed. They tell what happened through a pipe."""

from __future__ import annotations

import asyncio
import random
import resource
from contextlib import closing
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from domain.log.ports import LogUnavailable
from domain.log.position import Position
from streams.log.embedded import EmbeddedLog
from tests.chaos.crash_points import Death, die_at
from tests.contracts.log_contract import START, SteppingClock, new_id
from tests.contracts.tally import TALLIES, TALLY, TALLY_TYPES, Add, Added, Open

PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.chaos.warmed"])


def open_tally_log(path: Path) -> EmbeddedLog:
    return EmbeddedLog.open(path, clock=SteppingClock(), new_id=new_id, aggregates=TALLIES, types=TALLY_TYPES)


def write_until_killed(path: Path, told: Connection, name: str, death: Death | None) -> None:
    """Record facts and acknowledge each commit id, several at a time, until ``death``, or for ever."""
    log = open_tally_log(path)
    if death is not None:
        die_at(death)

    async def one_after_the_other(lane: int) -> None:
        number = 0
        while True:
            commit_id = f"{name}-{lane}-{number}"
            told.send(("sent", commit_id))
            await log.record(
                "a", [Added(amount=1, note=commit_id), Added(amount=1)], [START, START], commit_id=commit_id
            )
            told.send(("acknowledged", commit_id))
            number += 1

    async def lanes() -> None:
        await asyncio.gather(*(one_after_the_other(lane) for lane in range(4)))

    asyncio.run(lanes())


def race(path: Path, told: Connection, name: str, additions: int) -> None:
    """Decide and append on one aggregate against everybody else; tell version and note of each acceptance."""

    async def add() -> None:
        for number in range(additions):
            note = f"{name}-{number}"
            _, appended = await log.execute(TALLY, "a", Add(1, note))
            told.send((appended.events[0].originator_version, note))

    with closing(open_tally_log(path)) as log:
        told.send("ready")
        told.recv()
        asyncio.run(add())
    told.send("done")


def follow(path: Path, told: Connection, until: int) -> None:
    """Tell the ordinal of every event seen, up to one."""

    async def tell() -> None:
        async for batch in log.follow(Position(0, 0)):
            for positioned in batch:
                told.send(positioned.position.ordinal)
                if positioned.position.ordinal >= until:
                    return

    with closing(open_tally_log(path)) as log:
        told.send("ready")
        asyncio.run(tell())


def subscribe(path: Path, told: Connection, until: int) -> None:
    """The same through eventsourcing's blocking subscription."""
    with closing(open_tally_log(path)) as log, log.application.recorder.subscribe(gt=0) as subscription:
        told.send("ready")
        for notification in subscription:
            told.send(notification.id)
            if notification.id >= until:
                break


def meet_a_size_limit(path: Path, told: Connection) -> None:
    """Let the file system refuse to grow the file, then let it grow again; tell what happened."""

    async def run(log: EmbeddedLog) -> dict[str, Any]:
        await log.execute(TALLY, "a", Open("org-1"))
        largest = max(file.stat().st_size for file in path.parent.iterdir())
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 50_000, hard))
        accepted, refusal = await fill_until_refused(log)
        readable = log.get("tally", "a")
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        state, _ = await log.execute(TALLY, "a", Add(1, "after"))
        return {
            "accepted": accepted,
            "full": refusal.full,
            "readable": readable is not None and readable.state.total == accepted,
            "total": state.total,
            "broken": log.verify().broken,
        }

    with closing(open_tally_log(path)) as log:
        told.send(asyncio.run(run(log)))


async def fill_until_refused(log: EmbeddedLog) -> tuple[int, LogUnavailable]:
    """Record one fact after the other until the log has no space; gives the number accepted and the refusal."""
    accepted = 0
    while True:
        try:
            await log.record("a", [Added(amount=1, note=random.Random(accepted).randbytes(2000).hex())], [START])
        except LogUnavailable as refusal:
            return accepted, refusal
        accepted += 1
