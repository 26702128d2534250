"""Taking apart what a broker hands out with aiokafka's compiled reader: a seventh of the time of kafka-python's own.

kafka-python fetches, follows leaders, keeps offsets and checks each batch's sum as before; only the records of a batch
are read by other code, which Faust's client brings along.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch
from kafka import KafkaConsumer
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError

CURRENT_MAGIC = 2
"""The format of batches since Kafka 0.11; brokers of version 4 store no other."""


class FetchedRecord(msgspec.Struct, frozen=True, gc=False):
    """Implements ``streams.kafka.clients.Fetched``."""

    leader_epoch: int
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


class CompiledConsumer(KafkaConsumer):  # type: ignore[misc]  # kafka-python has no types
    """A ``KafkaConsumer`` without deserializers whose records are ``FetchedRecord``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # The library offers no other way to say how batches are read; its version is pinned for this.
        self._fetcher.PartitionRecords = _CompiledRecords


class _CompiledRecords(Fetcher.PartitionRecords):  # type: ignore[misc]  # kafka-python has no types
    """The records of one partition in one answer of a broker."""

    def _unpack_records(self, tp: Any, records: Any, *_: object) -> Iterator[FetchedRecord]:
        """Batch after batch, none before its sum was checked. Raises ``CorruptRecordError``."""
        partition = tp.partition
        while (batch := records.next_batch()) is not None:
            if batch.magic != CURRENT_MAGIC:
                raise CorruptRecordError(f"batch at offset {batch.base_offset} of {tp} has format {batch.magic}")
            epoch = self.leader_epoch = batch.leader_epoch
            if not batch.is_control_batch:
                # kafka-python's batch is at the same bytes, for its header alone.
                compiled = DefaultRecordBatch(batch._buffer)
                if not compiled.validate_crc():
                    raise CorruptRecordError(f"batch at offset {batch.base_offset} of {tp} does not have its sum")
                try:
                    for record in compiled:
                        self.records_read += 1
                        self.next_fetch_offset = record.offset + 1
                        yield FetchedRecord(
                            epoch, partition, record.offset, record.timestamp, record.key, record.value, record.headers
                        )
                except (CorruptRecordException, ValueError) as problem:
                    # A name of a header that is not UTF-8 is a ValueError.
                    raise CorruptRecordError(f"batch at offset {batch.base_offset} of {tp}: {problem}") from problem
            # Behind the last offset that the batch had, also where compaction took its last record.
            self.next_fetch_offset = batch.next_offset
        self.drain()
