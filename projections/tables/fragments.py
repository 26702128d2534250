"""The ``fragments`` table: what went on inside calls between their events, for questions about the pipeline.

Partial transcripts, the language model's pieces of text, measuring points and every input of the call machine come 20
to 60 times a second in a call. They are kept for some days only, and without the words that were said unless the
operator wants them: numbers and truth values stay, texts become their lengths.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec

from domain.fragments import Fragment, PlacedBatch
from domain.processing import Effect, Rows
from projections.table import Column, Row, Table, View
from projections.tables.columns import CALL_ID, NOT_DELETED, ORG

HAPPENED = Column("happened_at", "DateTime64(6, 'UTC')", "When it happened (UTC); rows expire by it")
AT = Column("at_ms", "Float64", "When it happened, on the call's own clock (ms)")
TURN = Column("turn", "Nullable(UInt32)", "Turn of the conversation, where the fragment names one")

TABLE = Table(
    name="fragments",
    version=1,
    comment="Media facts of calls, many a second: partial transcripts, measuring points, inputs of the call machine",
    columns=(
        ORG,
        Column("feed_partition", "UInt16", "Partition of the fragment log that holds it; 0 in an embedded one"),
        Column("feed_number", "UInt64", "Number of its batch there"),
        CALL_ID,
        Column("source", "LowCardinality(String)", "Process that noted it, in a call that several have served"),
        Column("seq", "UInt64", "Gapless number of the fragment within call and source"),
        Column("type", "LowCardinality(String)", "Dotted type: mark.t4, machine.input, turn.state, ..."),
        Column("input", "LowCardinality(String)", "Which input of the machine, as PartialHeard; empty for other types"),
        TURN,
        HAPPENED,
        AT,
        Column("noted_ms", "Float64", "When it was noted, on the call's own clock (ms); a mark is noted afterwards"),
        Column(
            "data", "String", "The fragment's own values as a JSON object; words only where the operator keeps them"
        ),
        Column("dropped", "UInt32", "Fragments of the call that were shed before its batch"),
    ),
    order_by=("org_id", "call_id", "source", "seq"),
    engine="ReplacingMergeTree",
    partition_by="toYYYYMM(happened_at)",
    view="\n".join(("SELECT * FROM {source} AS s FINAL", f"WHERE {NOT_DELETED}")),
)
"""A fragment that comes again is the same row under the same key, of which the view shows one."""

MARKS = View(
    name="marks",
    comment="Measuring points of turns as they were noted, one row each",
    columns=(ORG, CALL_ID, TURN, Column("point", "String", "Measuring point, t0 to t7"), HAPPENED, AT),
    select="SELECT org_id, call_id, turn, substring(type, 6) AS point, happened_at, at_ms\n"
    "FROM fragments\nWHERE startsWith(type, 'mark.')",
)

PARTIALS = View(
    name="partials",
    comment="Partial transcripts as they formed, one row each",
    columns=(
        ORG,
        CALL_ID,
        Column("seq", "UInt64", "Gapless number of the fragment within call and source"),
        HAPPENED,
        AT,
        Column("characters", "UInt32", "Length of what had been recognised so far"),
        Column("text", "String", "What had been recognised; empty unless the operator keeps the words of fragments"),
    ),
    select="SELECT org_id, call_id, seq, happened_at, at_ms,\n"
    "    toUInt32(JSONExtractUInt(data, 'text_characters') + lengthUTF8(JSONExtractString(data, 'text')))"
    " AS characters,\n"
    "    JSONExtractString(data, 'text') AS text\n"
    "FROM fragments\nWHERE input = 'PartialHeard'",
)

VIEWS = (MARKS, PARTIALS)

_encode = msgspec.json.Encoder(order="sorted").encode
_WORDLESS = ("mark.", "turn.state")
"""Types whose texts are names out of our own code."""
_LONGEST = timedelta(days=3650)
_MOST = 1 << 32


@dataclass(frozen=True)
class FragmentTable:
    """The processor that fills the table. ``keep_words`` keeps what was said in partials and pieces of text."""

    keep_words: bool = False
    name: str = "fragment-table"
    version: int = TABLE.version

    def apply(self, partition: int, placed: PlacedBatch) -> Iterable[Effect]:
        """One row a fragment."""
        return (Rows(TABLE.name, tuple(rows(partition, placed, keep_words=self.keep_words))),)


def rows(partition: int, placed: PlacedBatch, *, keep_words: bool) -> list[Row]:
    """One row a fragment."""
    batch = placed.batch
    return [
        (
            batch.org_id,
            partition,
            placed.number,
            batch.call_id,
            batch.source,
            fragment.seq,
            fragment.type,
            _word(fragment.data.get("input")) if fragment.type == "machine.input" else "",
            _turn(fragment.data.get("turn")),
            batch.started_at + min(timedelta(milliseconds=(at_ms := _instant(fragment))), _LONGEST),
            at_ms,
            fragment.at_ms,
            _data(fragment, keep_words),
            batch.dropped,
        )
        for fragment in batch.fragments
    ]


def _data(fragment: Fragment, keep_words: bool) -> str:
    whole = keep_words or fragment.type.startswith(_WORDLESS)
    return _encode(fragment.data if whole else _wordless(fragment.data)).decode()


def _wordless(data: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in data.items():
        match value:
            case bool() | int() | float() | None:
                kept[name] = value
            case str() if name != "input":
                kept[f"{name}_characters"] = len(value)
    return kept


def _instant(fragment: Fragment) -> float:
    """A mark tells of an instant before it was noted."""
    at_ms = fragment.data.get("at_ms")
    return float(at_ms) if isinstance(at_ms, int | float) and not isinstance(at_ms, bool) else fragment.at_ms


def _turn(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST else None


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""
