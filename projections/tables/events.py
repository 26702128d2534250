"""The ``events`` table: every event of the log as it was recorded, for auditors and for questions nobody foresaw."""

from __future__ import annotations

import msgspec

from domain.log.ports import Positioned
from domain.registry import EVENT_TYPES, kind_of
from domain.write_only import holds_configuration, shown_event
from projections.table import Column, Row, Table
from projections.tables.columns import PLACE

TABLE = Table(
    name="events",
    version=1,
    comment="Every event of the log, in order, one row each",
    columns=(
        *PLACE,
        Column("event_id", "String", "Unique id of the event: id of its commit and index within it"),
        Column("type", "LowCardinality(String)", "Dotted event type, aggregate first, as call.ended"),
        Column("schema_version", "UInt16", "Version of the event type's schema that data follows"),
        Column("originator_kind", "LowCardinality(String)", "organization, assistant or call"),
        Column("originator_id", "String", "Organisation, assistant or call that the event happened to"),
        Column("originator_version", "UInt32", "Gapless number of the event in the originator's own history, from 1"),
        Column("data", "String", "Fields of the event as a JSON object; read them with JSONExtractString and the like"),
    ),
    order_by=("org_id", "log_shard", "log_ordinal"),
    view="SELECT * FROM {source}",
    indexes=("originator originator_id TYPE bloom_filter GRANULARITY 4",),
)

_encode = msgspec.json.Encoder().encode
_KINDS = {name: kind_of(name) for name in EVENT_TYPES}
_CONFIGURING = frozenset(kind.event_class for kind in EVENT_TYPES.values() if holds_configuration(kind.event_class))
"""Events with a configuration inside, whose secrets are not shown."""


def rows(org_id: str, event: Positioned) -> tuple[Row, ...]:
    """One row, whatever the event."""
    recorded, position = event.recorded, event.position
    fact = recorded.event
    row = (
        org_id,
        position.shard,
        position.ordinal,
        recorded.time,
        recorded.id,
        fact.TYPE,
        fact.VERSION,
        _KINDS[fact.TYPE],
        recorded.originator_id,
        recorded.originator_version,
        str(_encode(shown_event(fact) if type(fact) in _CONFIGURING else fact), "utf-8"),
    )
    return (row,)
