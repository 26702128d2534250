"""A process that fetches a long stretch of a partition and takes its records apart, for the replica that applies them.

Fetching and decoding take as long as judging, folding and storing do, and one interpreter does one thing at a time. A
new node has millions of records before it, so there a second interpreter pays for its start many times over.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import msgspec
from kafka.errors import KafkaError

from domain.log.arbitration import UnknownEnvelopeVersion
from streams.kafka.clients import consumer, partition
from streams.kafka.location import KafkaLocation
from streams.kafka.records import to_record
from streams.kafka.unfit import UnfitCluster
from streams.log.kafka.applying import PlacedRecord, ReadRecord, read

LEAST_RECORDS = 100_000
"""Below this a process takes longer to start than it saves."""

PATIENCE_SECONDS = 15.0
"""How long a broker may give nothing; the replica's own reader is more patient, and says what is wrong."""

_POLL_MS = 500
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[ReadRecord]).decode


class ReadingAhead:
    """Starts the process; use as a context. Iterate for the records from ``begin`` to before ``end``, batch by batch.

    It ends early, and without a reason, at whatever is not plain: a newer writer's record, a broker that gives nothing,
    an offset that is gone. Reading on from there in this process tells what it is.
    """

    def __init__(self, location: KafkaLocation, shard: int, begin: int, end: int) -> None:
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter and this module, nothing from outside
                [sys.executable, "-c", f"from {__name__} import read_ahead; read_ahead({theirs.fileno()})"],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
                # A terminal's interruption is for the process that answers it.
                start_new_session=True,
            )
        with suppress(BrokenPipeError):
            self._connection.send((location, shard, begin, end))

    def __enter__(self) -> ReadingAhead:
        return self

    def __exit__(self, *failure: object) -> None:
        """End the process, wherever it is in its work. It has nothing to lose."""
        self._process.kill()
        self._process.wait()
        self._connection.close()

    def __iter__(self) -> Iterator[list[ReadRecord]]:
        """The next batch is taken from the pipe and decoded while the last one is applied, as far as the interpreter
        lets two threads do so: while one of them is in SQLite."""
        with ThreadPoolExecutor(1, thread_name_prefix="reading-ahead") as pool, suppress(EOFError, OSError):
            coming = pool.submit(self._next)
            while True:
                batch = coming.result()
                coming = pool.submit(self._next)
                yield batch

    def _next(self) -> list[ReadRecord]:
        return _decode(self._connection.recv_bytes())


def read_ahead(descriptor: int) -> None:
    """What the process does: send batch after batch, and end."""
    # Whoever asked has closed the other end: it has what it wants, or nobody is there any more.
    with (
        suppress(BrokenPipeError, ConnectionResetError, EOFError, KafkaError, UnfitCluster),
        Connection(descriptor) as connection,
    ):
        for batch in _batches(*connection.recv()):
            connection.send_bytes(_encode(batch))


def _batches(location: KafkaLocation, shard: int, begin: int, end: int) -> Iterator[list[ReadRecord]]:
    place = partition(location, "log", shard)
    with closing(consumer(location)) as reading:
        reading.assign([place])
        reading.seek(place, begin)
        silent_ms = 0
        while reading.position(place) < end and silent_ms < PATIENCE_SECONDS * 1000:
            fetched = reading.poll(timeout_ms=_POLL_MS).get(place, ())
            silent_ms = 0 if fetched else silent_ms + _POLL_MS
            batch: list[ReadRecord] = []
            try:
                batch.extend(read(PlacedRecord(record.offset, to_record(record))).in_short() for record in fetched)
            except UnknownEnvelopeVersion:
                yield batch
                return
            if batch:
                yield batch
