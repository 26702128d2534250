"""A history of operations against a log, and the offline check of what the log made of them.

The idea is that of Jepsen's histories (https://jepsen.io): clients write down each operation when it is invoked and
again when it ends, and a checker that knows nothing of the system compares these records with what the log holds.
Each process writes its own file of JSON lines, one flushed line per step, so that a killed one leaves all it did.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Literal

import msgspec

Ending = Literal["ok", "fail", "unknown"]
"""``ok``: acknowledged. ``fail``: refused, nothing was appended and nothing ever will be. ``unknown``: either."""


class Claimed(msgspec.Struct, frozen=True):
    """One event as its writer meant it: where it was to stand and what it says."""

    originator_id: str
    version: int
    content: str


class Invoked(msgspec.Struct, frozen=True, tag="invoke"):
    """An append begins. ``claims`` may be empty where the log chooses the versions."""

    commit_id: str
    claims: tuple[Claimed, ...] = ()


class Ended(msgspec.Struct, frozen=True, tag="end"):
    """An append has ended. ``events`` are those that an acknowledgement named; ``at_s`` is the system's monotonic time,
    one for all processes."""

    commit_id: str
    ending: Ending
    events: tuple[Claimed, ...] = ()
    detail: str = ""
    at_s: float = 0.0


Step = Invoked | Ended


class Held(msgspec.Struct, frozen=True):
    """An accepted event as a reader of the log finds it, in log order."""

    commit_id: str
    originator_id: str
    version: int
    content: str


class HistoryFile:
    """Writes the steps of one process. Not for several threads at once."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self._encode = msgspec.json.Encoder().encode

    def write(self, step: Step) -> None:
        """Hand one line to the system: from there it survives the process."""
        self._file.write(self._encode(step) + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_history(paths: Iterable[Path]) -> Iterator[Step]:
    """The steps of several processes; a line that a kill cut short is left out."""
    decode = msgspec.json.Decoder(Invoked | Ended).decode
    for path in paths:
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                yield decode(line)


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What was checked. ``unknown`` counts appends without a definite end, ``settled`` those of them on the log."""

    acknowledged: int
    refused: int
    unknown: int
    settled: int
    held: int


class Judgement(msgspec.Struct, frozen=True):
    """``violations`` in words; none means that the log kept its word."""

    tally: Tally
    violations: tuple[str, ...]


def check(history: Iterable[Step], log: Sequence[Held]) -> Judgement:
    """Compare what clients were told with what one reader of the log found.

    Found are: acknowledged events that are lost or changed, refused ones that are there, commits that were accepted
    twice or in part, versions that are missing or taken twice, and events that nobody sent.
    """
    invoked: dict[str, Invoked] = {}
    endings: dict[str, list[Ended]] = {}
    for step in history:
        if isinstance(step, Invoked):
            invoked.setdefault(step.commit_id, step)
        else:
            endings.setdefault(step.commit_id, []).append(step)
    by_commit: dict[str, list[Held]] = {}
    for event in log:
        by_commit.setdefault(event.commit_id, []).append(event)
    violations = [
        *_version_faults(log),
        *(f"{commit_id} is on the log, but nobody sent it" for commit_id in by_commit if commit_id not in invoked),
    ]
    acknowledged = refused = unknown = settled = 0
    for commit_id, begun in invoked.items():
        held = tuple(
            Claimed(event.originator_id, event.version, event.content) for event in by_commit.get(commit_id, ())
        )
        ends = endings.get(commit_id, [])
        told = next((end for end in ends if end.ending == "ok"), None)
        if held and begun.claims and held != begun.claims:
            violations.append(f"{commit_id} was to be {_words(begun.claims)}, the log holds {_words(held)}")
        if told is not None:
            acknowledged += 1
            violations.extend(_broken_promises(told, ends, held))
        elif any(end.ending == "unknown" for end in ends) or not ends:
            unknown += 1
            settled += bool(held)
        else:
            refused += 1
            if held:
                violations.append(f"{commit_id} was refused, yet the log holds {_words(held)}")
    tally = Tally(acknowledged=acknowledged, refused=refused, unknown=unknown, settled=settled, held=len(log))
    return Judgement(tally, tuple(violations))


def silences(history: Iterable[Step], faults_s: Sequence[float]) -> tuple[float, ...]:
    """After each fault, up to the next one: the longest time in seconds without an acknowledgement to anybody."""
    acknowledged = sorted(step.at_s for step in history if isinstance(step, Ended) and step.ending == "ok")
    found = []
    for begin, end in pairwise([*faults_s, inf]):
        heard = [at_s for at_s in acknowledged if begin < at_s <= end]
        found.append(max((later - before for before, later in pairwise([begin, *heard])), default=inf))
    return tuple(found)


def _broken_promises(told: Ended, ends: Sequence[Ended], held: tuple[Claimed, ...]) -> Iterator[str]:
    if not held:
        yield f"{told.commit_id} was acknowledged and is lost"
    elif held != told.events:
        yield f"{told.commit_id} was acknowledged as {_words(told.events)}, the log holds {_words(held)}"
    for other in ends:
        if other.ending == "ok" and other.events != told.events:
            both = f"{_words(told.events)}, {_words(other.events)}"
            yield f"{told.commit_id} was acknowledged twice and differently: {both}"
        if other.ending == "fail":
            yield f"{told.commit_id} was both acknowledged and refused ({other.detail})"


def _version_faults(log: Sequence[Held]) -> Iterator[str]:
    heads: dict[str, int] = {}
    for event in log:
        expected = heads.get(event.originator_id, 0) + 1
        if event.version < expected:
            place = f"{event.originator_id} version {event.version}"
            yield f"{place} was accepted twice, the second time in {event.commit_id}"
        elif event.version > expected:
            yield f"{event.originator_id} lacks version {expected} before {event.version} in {event.commit_id}"
        heads[event.originator_id] = max(event.version, expected - 1)


def _words(claims: Sequence[Claimed]) -> str:
    return ", ".join(f"{claim.originator_id}@{claim.version}={claim.content!r}" for claim in claims) or "nothing"
