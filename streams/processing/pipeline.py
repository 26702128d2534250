"""What a pipeline is: processors that share a sink, and so a position. ``pipeline_worker`` runs one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from domain.log.position import Position
from domain.processing import EncodedRows, Processor, RowSink
from streams.processing.fold_workers import Workers
from streams.processing.folded_range import RANGE_EVENTS, Encode
from streams.processing.folding import STATE_CAPACITY

BATCH_EVENTS = 32_768
"""Events after which a batch is full. Only catching up fills one: an insert costs the engine about 10 ms of processor
time whatever its size, which was half of all inserting at 8,192 events a batch. More make a catching-up row wait."""

WINDOW_SECONDS = 0.1
"""How long a batch that is not full waits for more events. Most of the time until a row can be seen is this."""

BACK_OFF_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses between attempts at a sink or log that is away; the last one repeats."""


class Counters(msgspec.Struct):
    """What a pipeline has done since it was started."""

    events: int = 0
    batches: int = 0
    rows: int = 0
    retries: int = 0
    refused: str = ""
    """What the sink said when it last took nothing; empty since it took rows again."""


@dataclass(frozen=True)
class Bulk:
    """How a sink takes long ranges in its own form, for catching up: see ``EncodedRowSink``."""

    encode: Encode
    write: Callable[[Position, Position, Mapping[str, EncodedRows]], None]
    range_events: int = RANGE_EVENTS
    workers: Workers | None = None
    """Who folds where very much is to be caught up; nobody else where there are none."""


@dataclass(frozen=True)
class Pipeline:
    """``processors`` see every event in order; their rows of one range go to ``sink`` in one write.

    With ``bulk`` a pipeline that is more than a batch behind writes long ranges by it; ``sink`` takes the rest.
    """

    name: str
    processors: tuple[Processor[Any], ...]
    sink: RowSink
    bulk: Bulk | None = None
    batch_events: int = BATCH_EVENTS
    window_seconds: float = WINDOW_SECONDS
    state_capacity: int = STATE_CAPACITY
