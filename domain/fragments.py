"""High-volume media facts: partial transcripts, token deltas, audio-pipeline marks, machine inputs.

They go to ``callfold.media``, one record per 100 to 200 ms batch, written only by the process that owns the call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from domain.processing import Effect


class Fragment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One media fact. ``at_ms`` is the call's own monotonic clock (ms since the call was claimed).

    ``seq`` is gapless per ``(call_id, source)``; readers drop a seq they have seen. ``type`` is dotted, for example
    ``transcript.partial``, ``model.delta``, ``mark.t4``, ``machine.input``, ``machine.output``.
    """

    seq: int
    type: str
    at_ms: float
    data: dict[str, Any] = msgspec.field(default_factory=dict)


class FragmentBatch(msgspec.Struct, frozen=True, kw_only=True):
    """The record on ``callfold.media``. ``dropped`` counts partials shed before this batch, never finals."""

    call_id: str
    source: str
    org_id: str
    started_at: datetime
    fragments: tuple[Fragment, ...]
    dropped: int = 0


class FragmentLog(Protocol):
    """Append-only store of fragment batches."""

    def append(self, batches: Sequence[FragmentBatch]) -> None:
        """Durable in order when it returns. Blocking: call it from a flusher thread."""

    def read(self, call_id: str, *, source: str | None = None, types: Iterable[str] = ()) -> list[Fragment]:
        """Fragments of one call in order, duplicates removed."""


class PlacedBatch(msgspec.Struct, frozen=True):
    """A batch and its place: ``number`` rises within a partition, from 1, not always by one."""

    number: int
    batch: FragmentBatch


class FragmentFeed(Protocol):
    """The batches of all calls in the order they were kept, partition by partition. One may come twice."""

    @property
    def partitions(self) -> Sequence[int]: ...

    def after(self, partition: int, number: int, limit: int) -> Sequence[PlacedBatch]:
        """At most ``limit`` of the batches behind ``number``; none where there are none yet. Raises ``LogUnavailable``.

        What the store no longer holds is passed over.
        """

    def end(self, partition: int) -> int:
        """The number of the last batch, 0 where there is none. Raises ``LogUnavailable``."""


class FragmentProcessor(Protocol):
    """A pure function from a batch of fragments to effects, without state: a batch says what it is about.

    As with ``domain.processing.Processor``, the caller must not assume that a batch is given once: after a crash some
    come again, and a sender that heard no answer sends what it had under later numbers. So rows carry the identity of
    their fragments (call, source, seq), by which a sink tells what it has.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int: ...

    def apply(self, partition: int, placed: PlacedBatch) -> Iterable[Effect]: ...
