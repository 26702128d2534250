"""Kafka's records as the log's records, read in one way by all who hash them."""

from __future__ import annotations

from domain.log.envelope import Record
from streams.kafka.clients import Fetched


def to_record(fetched: Fetched) -> Record:
    """Headers and value. What a foreign writer left out counts as empty: it is poison in any case, but must hash."""
    headers = [(name, content or b"") for name, content in fetched.headers]
    return Record(tuple(headers), fetched.value or b"")
