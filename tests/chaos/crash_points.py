"""Named steps between a commit and its answer at which a writer's process kills itself with SIGKILL.

A point is a function of callfold, and whether the process dies before or after it. Set in the process that is to die;
it goes nowhere else.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from itertools import count, cycle
from typing import Any, Literal

import msgspec

from streams.kafka.renewal import RenewedProducer
from streams.log.append import AppendTransaction
from streams.log.kafka.applying import ReplicaTransaction
from streams.log.kafka.replica import Replica
from streams.log.kafka.writer import ShardWriter
from streams.log.proposals import ProposalQueue

KILLS = int(os.environ.get("CALLFOLD_TEST_KILLS", "200"))
"""How often writers die in one test. Thousands are fine."""

LONGEST_FLIGHT_SECONDS = 0.01
"""About what a broker takes to acknowledge: a death within it may come before the record, or after."""

CrashPoint = Literal[
    "judged, not sent",
    "on its way",
    "acknowledged, not applied",
    "within the transaction",
    "written, not answered",
    "read, not applied",
    "read and applied",
    "inserted, not committed",
    "committed, not answered",
]

_STEPS: dict[CrashPoint, tuple[type, str, Literal["before", "during", "after"]]] = {
    "judged, not sent": (ShardWriter, "_send", "before"),
    "on its way": (RenewedProducer, "flush", "during"),
    "acknowledged, not applied": (Replica, "adopt", "before"),
    "within the transaction": (ReplicaTransaction, "write_with", "after"),
    "written, not answered": (Replica, "adopt", "after"),
    "read, not applied": (Replica, "apply", "before"),
    "read and applied": (Replica, "apply", "after"),
    "inserted, not committed": (AppendTransaction, "write", "after"),
    "committed, not answered": (ProposalQueue, "_settle", "before"),
}

ON_KAFKA: tuple[CrashPoint, ...] = (
    "judged, not sent",
    "on its way",
    "acknowledged, not applied",
    "within the transaction",
    "written, not answered",
    "read, not applied",
    "read and applied",
)
IN_A_FILE: tuple[CrashPoint, ...] = ("inserted, not committed", "committed, not answered")


class Death(msgspec.Struct, frozen=True):
    """To die the ``nth`` time that ``point`` is passed."""

    point: CrashPoint
    nth: int


def deaths(points: tuple[CrashPoint, ...], dice: random.Random, *, latest: int) -> Iterator[Death]:
    """One after the other at every point in turn, for ever."""
    return (Death(point, dice.randint(1, latest)) for point in cycle(points))


def die() -> None:
    """As by ``kill -9``: nothing is flushed, closed or told."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(death: Death) -> None:
    """Let this process kill itself there."""
    owner, name, when = _STEPS[death.point]
    step: Callable[..., Any] = getattr(owner, name)
    passed = count(1)

    def counted(*arguments: Any, **options: Any) -> Any:
        last = next(passed) >= death.nth
        if last and when == "before":
            die()
        if last and when == "during":
            threading.Timer(random.uniform(0, LONGEST_FLIGHT_SECONDS), die).start()
        outcome = step(*arguments, **options)
        if last and when == "after":
            die()
        return outcome

    setattr(owner, name, counted)
