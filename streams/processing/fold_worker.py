"""A process that reads the log and folds its share of the originators, for whoever inserts the rows.

Folding is bound to one core by the interpreter's lock. Originators are folded apart from each other anyway, so two
processes fold a history almost twice as fast, and the process that serves calls is not held up by it.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Protocol
from zlib import crc32

from msgspec.structs import replace

from domain.log.ports import EventLog, Positioned
from domain.log.position import Position
from domain.processing import Processor
from streams.processing.dead_letters import DeadLetters
from streams.processing.folded_range import Encode, FoldedRange, fold_range
from streams.processing.group import ProcessorGroup

NICENESS = 10
"""Calls come first where they share the cores."""

END_SECONDS = 5.0
"""How long a worker that closed its end of the pipe may take to be gone."""


class SharedLog(EventLog, Protocol):
    """A log of which a reader can take a share without decoding the rest."""

    def read_share(
        self, after: Position, limit: int, holds: Callable[[str], bool]
    ) -> tuple[Sequence[Positioned], Position]:
        """Of the next ``limit`` events those of the originators that ``holds`` says, and the last one's position."""


OpenLog = Callable[[int], AbstractContextManager[SharedLog]]
"""Of a shard."""


@dataclass(frozen=True)
class Share:
    """What a worker needs to know; all of it can be pickled. ``number`` of ``workers`` counts from 0."""

    open_log: OpenLog
    processors: tuple[Processor[Any], ...]
    encode: Encode
    dropped: frozenset[tuple[str, int, int]]
    number: int
    workers: int

    def holds(self, originator_id: str) -> bool:
        """Whether this worker folds the originator."""
        return crc32(originator_id.encode()) % self.workers == self.number


class WorkerFailed(Exception):
    """A worker ended before its work did. The range in hand was not written; another attempt may go on from there."""


class FoldWorker:
    """Starts the process; use as a context. ``receive`` gives range after range, up to ``until``.

    The process is a new interpreter that loads what folding needs and nothing else. It ends with the pipe between
    them, however the process that started it ends.
    """

    def __init__(self, share: Share, after: Position, until: Position, range_events: int) -> None:
        self._name = f"fold worker {share.number}"
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter and this module, nothing from outside
                [sys.executable, "-c", f"from {__name__} import work; work({theirs.fileno()})"],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
                # A terminal's interruption is for the process that answers it.
                start_new_session=True,
            )
        with suppress(BrokenPipeError):
            self._connection.send((share, after, until, range_events))

    def receive(self) -> FoldedRange:
        """The next range; blocks until it is folded. Raises ``WorkerFailed``."""
        try:
            folded = self._connection.recv()
        except (EOFError, OSError) as ended:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(END_SECONDS)
            raise WorkerFailed(f"{self._name} ended with exit code {self._process.returncode}") from ended
        if not isinstance(folded, FoldedRange):
            raise WorkerFailed(f"{self._name} failed: {folded}")
        return folded

    def kill(self) -> None:
        """End the process, wherever it is in its work; ``receive`` raises then."""
        self._process.kill()

    def __enter__(self) -> FoldWorker:
        return self

    def __exit__(self, *failure: object) -> None:
        """End the process. It has nothing to lose."""
        self._connection.close()
        self.kill()
        self._process.wait()


def work(descriptor: int) -> None:
    """What the process does: send range after range. What goes wrong is sent as its text, and ends the work."""
    os.nice(NICENESS)
    # Events, states and rows never lead back to themselves; looking for such took a twelfth of the time.
    gc.disable()
    # Whoever asked has closed the other end: it has what it wants, or nobody is there any more.
    with suppress(BrokenPipeError, ConnectionResetError, EOFError), Connection(descriptor) as connection:
        try:
            for folded in _folded(*connection.recv()):
                connection.send(folded)
        except (BrokenPipeError, ConnectionResetError, EOFError):
            raise
        except Exception as error:
            connection.send(f"{type(error).__name__}: {error}")


def _folded(share: Share, after: Position, until: Position, range_events: int) -> Iterator[FoldedRange]:
    letters = DeadLetters(":memory:")
    letters.drop_all(share.dropped)
    with share.open_log(after.shard) as log:
        group = ProcessorGroup(share.processors, log, letters)
        failed = 0

        def read(position: Position, limit: int) -> tuple[Sequence[Positioned], Position]:
            return log.read_share(position, limit, share.holds)

        while after < until:
            end = Position(after.shard, min(after.ordinal + range_events, until.ordinal))
            folded = fold_range(read, group, share.encode, after, end)
            if folded.last < end:
                raise LookupError(f"the log ends at {folded.last}, before {until}")
            parked = len(letters.list())
            yield replace(folded, failed=parked - failed)
            after, failed = folded.last, parked
    letters.close()
