"""A drill: several processes append to one log while something goes wrong, then the log is held to its word."""

from __future__ import annotations

import contextlib
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Semaphore
from pathlib import Path

import msgspec

from tests.chaos.appending import NodeAddress, Work, append_until_stopped, held
from tests.chaos.crash_points import CrashPoint, Death, deaths
from tests.chaos.history import Held, Judgement, check, read_history, silences
from tests.chaos.log_processes import PROCESSES
from tests.contracts.log_contract import Node

READY_SECONDS = 180
STOP_SECONDS = 120
"""Long, for busy machines."""
LATEST_DEATH = 4
"""How often a process passes a step before it dies there, at most: deaths are the point, not what lies between."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """``operations`` that processes counted themselves (killed ones count nothing), over ``seconds``."""

    judgement: Judgement
    operations: int
    seconds: float
    killed: int
    silences: tuple[float, ...]
    """Seconds without an acknowledgement to anybody after each fault that was noted."""
    replicas: tuple[str, ...]
    """What each node, and the auditor, holds at the end; all equal where all is well."""


class Workers:
    """The running processes. ``kill`` ends some with SIGKILL and starts successors on the same nodes' files."""

    def __init__(self, folder: Path, addresses: Sequence[NodeAddress], originators: Sequence[tuple[str, str]]) -> None:
        self._folder = folder
        self._addresses = addresses
        self._originators = tuple(originators)
        self._done = PROCESSES.Semaphore(0)
        self._unsure = PROCESSES.Semaphore(0)
        self._incarnations = [0] * len(addresses)
        self._running = [self._start(index) for index in range(len(addresses))]
        self.killed = 0
        self.faults_s: list[float] = []
        self.count = len(addresses)
        for index in range(len(addresses)):
            self._await_ready(index)

    def kill(self, *indices: int) -> None:
        """Kill processes at whatever they are doing, and start the next ones."""
        for index in indices:
            self._succeed(index)
        for index in indices:
            self._await_ready(index)

    def die_by_themselves(
        self, times: int, points: tuple[CrashPoint, ...], after_each: Callable[[], None] = lambda: None
    ) -> None:
        """Let every process kill itself at one step after the other, and succeed it at once, until so many are dead.

        Nobody waits for anybody: while some start, others write.
        """
        ends = deaths(points, random.Random(times), latest=LATEST_DEATH)
        for index in range(self.count):
            self._succeed(index, next(ends))
        to_die = times - self.count
        for died in range(times):
            dead = wait([process.sentinel for process, _ in self._running], timeout=READY_SECONDS)
            assert dead, f"nobody dies any more, after {died} of {times}"
            index = next(index for index, (process, _) in enumerate(self._running) if process.sentinel in dead)
            process, _ = self._running[index]
            process.join()
            assert process.exitcode == -signal.SIGKILL, f"{process.name} ended with {process.exitcode}"
            self._succeed(index, next(ends) if died < to_die else None)
            after_each()
        for index in range(self.count):
            self._await_ready(index)

    def note_fault(self) -> None:
        """Something is taken away now: how long nobody is acknowledged anything after it will be told."""
        self.faults_s.append(time.monotonic())

    def await_operations(self, count: int) -> None:
        """Wait until so many further operations have ended, whoever did them."""
        _await(self._done, count)

    def await_unknown(self, count: int) -> None:
        """Wait until so many further outcomes were unknown: the log takes nothing, or nobody says that it does."""
        _await(self._unsure, count)

    def stop(self) -> int:
        """Let every process end its operation; the number of operations they did."""
        for _, pipe in self._running:
            pipe.send("stop")
        operations = 0
        for process, pipe in self._running:
            if not pipe.poll(STOP_SECONDS):
                process.kill()
                raise AssertionError(f"{process.name} does not end")
            operations += pipe.recv()
            process.join(STOP_SECONDS)
        return operations

    def abandon(self) -> None:
        """Kill whatever still runs."""
        for process, pipe in self._running:
            process.kill()
            process.join()
            pipe.close()

    def histories(self) -> Iterator[Path]:
        """What all processes wrote down, those killed too."""
        return self._folder.glob("*.jsonl")

    def _succeed(self, index: int, death: Death | None = None) -> None:
        """Kill a process, if it still lives, and start the next on its files."""
        process, pipe = self._running[index]
        process.kill()
        process.join()
        pipe.close()
        self.killed += 1
        self._incarnations[index] += 1
        self._running[index] = self._start(index, death)

    def _start(self, index: int, death: Death | None = None) -> tuple[BaseProcess, Connection]:
        name = f"p{index}.{self._incarnations[index]}"
        work = Work(
            name=name,
            originators=self._originators,
            seed=index,
            history=self._folder / f"{name}.jsonl",
            death=death,
        )
        here, there = PROCESSES.Pipe()
        process = PROCESSES.Process(
            target=append_until_stopped,
            args=(self._addresses[index], work, there, self._done, self._unsure),
            name=name,
        )
        process.start()
        there.close()
        return process, here

    def _await_ready(self, index: int) -> None:
        process, pipe = self._running[index]
        assert pipe.poll(READY_SECONDS), f"{process.name} does not start"
        assert pipe.recv() == "ready"


def _await(happened: Semaphore, count: int) -> None:
    while happened.acquire(block=False):
        pass  # what happened before does not count
    for _ in range(count):
        assert happened.acquire(timeout=READY_SECONDS), "the processes do nothing any more"


def drill(
    addresses: Sequence[NodeAddress],
    originators: Sequence[tuple[str, str]],
    faults: Callable[[Workers], None],
    *,
    auditor: NodeAddress,
    shards: int = 1,
    fingerprint: Callable[[Node], str] = lambda node: "",
) -> Outcome:
    """Run a process per address while ``faults`` does its worst; its return ends the drill.

    ``auditor`` opens a node that took no part, whose reading of the log is what the histories are checked against.
    ``fingerprint`` tells everything a node holds.
    """
    with tempfile.TemporaryDirectory(prefix="callfold-drill-") as folder, contextlib.ExitStack() as undo:
        workers = Workers(Path(folder), addresses, originators)
        undo.callback(workers.abandon)
        began = time.monotonic()
        faults(workers)
        operations = workers.stop()
        seconds = time.monotonic() - began
        with closing(auditor.open()) as node:
            log: list[Held] = [event for shard in range(shards) for event in held(node, shard)]
            replicas = [fingerprint(node)]
        for address in addresses:
            with closing(address.open()) as node:
                replicas.append(fingerprint(node))
        return Outcome(
            judgement=check(read_history(workers.histories()), log),
            operations=operations,
            seconds=seconds,
            killed=workers.killed,
            silences=silences(read_history(workers.histories()), workers.faults_s),
            replicas=tuple(replicas),
        )
