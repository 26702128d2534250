"""The ``events`` table: every event of the log as it was recorded, for auditors and for questions nobody foresaw."""

from __future__ import annotations

import msgspec

from domain.log.ports import Positioned
from domain.registry import EVENT_TYPES, EventType
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
        Column(
            "originator_kind",
            "LowCardinality(String)",
            "What the event happened to: call, chat, session, assistant, organization, …",
        ),
        Column("originator_id", "String", "Id of the call, chat, assistant, … that the event happened to"),
        Column("originator_version", "UInt32", "Gapless number of the event in the originator's own history, from 1"),
        Column("data", "String", "Fields of the event as a JSON object; read them with JSONExtractString and the like"),
    ),
    order_by=("org_id", "log_shard", "log_ordinal"),
    view="SELECT * FROM {source}",
    indexes=("originator originator_id TYPE bloom_filter GRANULARITY 4",),
)

_encode = msgspec.json.Encoder().encode


class _Kind(msgspec.Struct, frozen=True, gc=False):
    """What is the same in every row of a type of event. Configurations hold secrets, which are not shown."""

    type: str
    version: int
    originator: str
    configuring: bool

    @classmethod
    def of(cls, kind: EventType) -> _Kind:
        return cls(kind.name, kind.version, kind.kind, holds_configuration(kind.event_class))


_KINDS = {kind.event_class: _Kind.of(kind) for kind in EVENT_TYPES.values()}


def rows(org_id: str, event: Positioned) -> tuple[Row, ...]:
    """One row, whatever the event."""
    recorded, position = event.recorded, event.position
    fact = recorded.event
    kind = _KINDS[type(fact)]
    row = (
        org_id,
        position.shard,
        position.ordinal,
        recorded.time,
        recorded.id,
        kind.type,
        kind.version,
        kind.originator,
        recorded.originator_id,
        recorded.originator_version,
        _encode(shown_event(fact) if kind.configuring else fact),
    )
    return (row,)
