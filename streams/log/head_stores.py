"""Where signed checkpoints are kept: in a file beside an embedded log, and on ``callfold.heads``."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Protocol

from kafka.errors import KafkaError

from domain.log.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    UnreadableCheckpoint,
    content,
    decode,
    encode,
)
from domain.log.envelope import CONTENT_TYPE
from domain.log.ports import LogUnavailable
from streams.kafka.clients import REQUEST_MS, Producer, producer
from streams.kafka.location import KafkaLocation
from streams.kafka.scan import scanned

HEADS_PARTITION = 0
_TAIL_BYTES = 64 * 1024
_KEY_SHOWN = 16

Placed = tuple[str, SignedCheckpoint]
"""A checkpoint with the place where it stands, in words."""


class HeadStore(Protocol):
    """Takes checkpoints for good, and gives them back with the place where each stands."""

    def publish(self, checkpoint: SignedCheckpoint) -> None:
        """Durable when it returns. Raises ``LogUnavailable``."""

    def read(self) -> list[Placed]:
        """What is kept. Raises ``LogUnavailable`` and ``UnreadableCheckpoint``."""

    def close(self) -> None: ...


class HeadFile:
    """A file of one checkpoint per line, only ever appended to. Several processes may share it.

    Copies of it kept elsewhere are worth having: who can rewrite the log can cut this file as well.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def publish(self, checkpoint: SignedCheckpoint) -> None:
        """Append a line, unless another process has said as much already. Raises ``LogUnavailable``."""
        said = content(checkpoint)
        try:
            with open(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if self._covered(file.fileno(), said):
                    return
                file.write(encode(checkpoint) + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as problem:
            raise LogUnavailable(f"checkpoints cannot be written to {self._path}: {problem.strerror}") from problem

    def read(self) -> list[Placed]:
        """Every line. Raises ``LogUnavailable`` and ``UnreadableCheckpoint``."""
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        except OSError as problem:
            raise LogUnavailable(f"checkpoints cannot be read from {self._path}: {problem.strerror}") from problem
        return [_placed(f"{self._path.name} line {number}", line) for number, line in enumerate(lines, 1) if line]

    def close(self) -> None:
        """Nothing is held open."""

    @staticmethod
    def _covered(descriptor: int, said: Checkpoint) -> bool:
        size = os.fstat(descriptor).st_size
        tail = os.pread(descriptor, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
        for line in reversed(tail.splitlines()):
            try:
                written = content(decode(line))
            except UnreadableCheckpoint:
                continue
            if written.shard == said.shard:
                return written.records == said.records and written.chain == said.chain
        return False


class HeadTopic:
    """``callfold.heads``: compacted, so the last checkpoint of each shard and key stays for ever."""

    def __init__(self, location: KafkaLocation) -> None:
        self._location = location
        self._producer: Producer | None = None

    def publish(self, checkpoint: SignedCheckpoint) -> None:
        """Send and wait for all in-sync replicas. Raises ``LogUnavailable``."""
        if self._producer is None:
            self._producer = producer(self._location)
        key = f"{content(checkpoint).shard}/{checkpoint.public_key[:_KEY_SHOWN]}".encode()
        try:
            self._producer.send(
                self._location.topic("heads"),
                value=encode(checkpoint),
                key=key,
                headers=[("content-type", CONTENT_TYPE)],
                partition=HEADS_PARTITION,
            ).get(timeout=REQUEST_MS / 1000)
        except KafkaError as problem:
            raise LogUnavailable(f"Kafka does not take a checkpoint: {problem}") from problem

    def read(self) -> list[Placed]:
        """Everything on the topic now. Raises ``LogUnavailable`` and ``UnreadableCheckpoint``."""
        with scanned(self._location, "heads", HEADS_PARTITION) as records:
            return [
                _placed(f"{self._location.topic('heads')} offset {record.offset}", record.value or b"")
                for record in records
            ]

    def close(self) -> None:
        """Close the connection."""
        if self._producer is not None:
            self._producer.close(timeout=1)


def _placed(place: str, text: bytes) -> Placed:
    try:
        return place, decode(text)
    except UnreadableCheckpoint as problem:
        raise UnreadableCheckpoint(f"{place}: {problem}") from problem
