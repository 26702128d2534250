"""Stream processors: pure functions over events whose effects are data. The runner owns everything else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from domain.log.ports import Positioned
from domain.log.position import Position

S = TypeVar("S")


class Rows(msgspec.Struct, frozen=True, gc=False):
    """Rows for one projection table, column order as its definition says."""

    table: str
    rows: tuple[tuple[Any, ...], ...]


Effect = Rows
"""What a processor may ask for. Grows by variants (append a commit, deliver a webhook, schedule at a time)."""


class Processor(Protocol[S]):
    """``apply`` is pure: the same state and event give the same effects, for live running and for a rebuild.

    State is per originator. ``initial`` is used where nothing was folded yet. The caller must not assume that
    ``apply`` is called once per event: after a crash the same range is replayed, with the same outcome.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def handles(self) -> frozenset[str] | None:
        """Dotted types this processor reads; ``None`` means every event."""

    def initial(self) -> S: ...

    def apply(self, state: S, event: Positioned) -> tuple[S, Iterable[Effect]]: ...


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """An event whose processor failed, and every later one of its originator, in order."""

    processor: str
    originator_id: str
    position: Position
    reason: str
    attempt: int


class SinkUnavailable(Exception):
    """The sink cannot take rows now; perhaps it took some. Send the same range again, after a pause."""


class RunnerStopped(RuntimeError):
    """Whoever was asked does not work on the shard any more, or ends. What was asked for was not done here."""


class RowsRejected(Exception):
    """Rows that can never be stored, by the position of their event. ``reasons`` names table, column and fault.

    Perhaps other rows of the range were stored. Park those events and send the same range again without them.
    """

    def __init__(self, reasons: Mapping[Position, str]) -> None:
        super().__init__("; ".join(f"{position}: {reason}" for position, reason in reasons.items()))
        self.reasons = dict(reasons)


class RowSink(Protocol):
    """Takes the rows of one contiguous range exactly once, also when the same range is sent again."""

    def write(self, first: Position, last: Position, rows: Sequence[Rows]) -> None:
        """Store the rows of a range. Raises ``SinkUnavailable`` and ``RowsRejected``.

        A range is new (it begins where the last one ended) or late (all of it was passed before): late rows, say of
        an event that was parked, are added unless they are there.
        """

    def resume_from(self, shard: int) -> Position:
        """The last position whose rows are surely in the tables, read from the tables themselves."""

    def planned_end(self, shard: int) -> Position | None:
        """Where the range ends that was begun before a crash; it must be sent again whole. ``None`` if none was."""


class EncodedRows(msgspec.Struct, frozen=True, gc=False):
    """``count`` rows of one table in the sink's own form, and the ordinal of the last event that has one."""

    data: bytes
    last: int
    count: int


class EncodedRowSink(RowSink, Protocol):
    """A sink whose rows can be prepared in another process."""

    def write_encoded(self, first: Position, last: Position, rows: Mapping[str, EncodedRows]) -> None:
        """Store the rows of a new range, by table. Raises ``SinkUnavailable``, also where a row is at fault: send the
        range again with ``write``, which says which one."""


class Replay(Protocol):
    """Folds the log again into a sink, effects off: how projections are rebuilt without knowing who reads the log."""

    def __call__(self, sink: EncodedRowSink, until: Position, progress: Callable[[Position], None]) -> int:
        """From where the sink stands up to ``until``; how many events were passed over because they failed."""
