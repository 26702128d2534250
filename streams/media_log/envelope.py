"""A batch of fragments as a Kafka record: the value is the batch as one JSON object, the headers say whose it is.

Headers, in this order: ``v`` (envelope version), ``call``, ``source``, ``seqs`` (JSON ``[first, last]``), ``dropped``
(only when something was shed), ``content-type``. An index needs the headers only; any tool that reads JSON needs the
value only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from domain.fragments import FragmentBatch
from domain.log.envelope import CONTENT_TYPE, Record

MEDIA_VERSION = 1

_VERSION = str(MEDIA_VERSION).encode()
_encode = msgspec.json.Encoder().encode
_decode_batch = msgspec.json.Decoder(FragmentBatch).decode
_decode_seqs = msgspec.json.Decoder(tuple[int, int]).decode


class UnreadableBatch(Exception):
    """A record that is no batch of fragments, or one of a newer build."""


class FragmentTooLarge(ValueError):
    """A single fragment that no record can hold."""

    def __init__(self, batch: FragmentBatch, size: int, most: int) -> None:
        fragment = batch.fragments[0]
        super().__init__(
            f"fragment {fragment.seq} ({fragment.type}) of call {batch.call_id} takes {size} bytes, "
            f"and a record may have {most}"
        )


class Heading(msgspec.Struct, frozen=True):
    """What the headers tell. ``dropped`` counts what was shed before the batch."""

    call_id: str
    source: str
    first_seq: int
    dropped: int


def to_records(batch: FragmentBatch, most_bytes: int) -> Iterator[Record]:
    """The batch as one record, or as several where it is too large for one. A batch without fragments gives none.

    Raises ``FragmentTooLarge``.
    """
    if not batch.fragments:
        return
    record = _record(batch)
    size = _size(record)
    if size <= most_bytes:
        yield record
        return
    if len(batch.fragments) == 1:
        raise FragmentTooLarge(batch, size, most_bytes)
    half = len(batch.fragments) // 2
    yield from to_records(msgspec.structs.replace(batch, fragments=batch.fragments[:half]), most_bytes)
    yield from to_records(msgspec.structs.replace(batch, fragments=batch.fragments[half:], dropped=0), most_bytes)


def read_heading(headers: Sequence[tuple[str, bytes]]) -> Heading:
    """Read the headers. Raises ``UnreadableBatch``."""
    found = dict(headers)
    if found.get("v") != _VERSION:
        raise UnreadableBatch(f"its envelope version is {found.get('v', b'missing')[:20]!r}, not {MEDIA_VERSION}")
    try:
        first, _ = _decode_seqs(found["seqs"])
        return Heading(found["call"].decode(), found["source"].decode(), first, int(found.get("dropped", b"0")))
    except KeyError as missing:
        raise UnreadableBatch(f"header {missing} is missing") from missing
    except (msgspec.MsgspecError, ValueError) as problem:
        raise UnreadableBatch(f"its headers cannot be read: {problem}") from problem


def read_batch(value: bytes) -> FragmentBatch:
    """Read the value. Raises ``UnreadableBatch``."""
    try:
        return _decode_batch(value)
    except msgspec.MsgspecError as problem:
        raise UnreadableBatch(f"its value is no batch of fragments: {problem}") from problem


def _record(batch: FragmentBatch) -> Record:
    headers = [
        ("v", _VERSION),
        ("call", batch.call_id.encode()),
        ("source", batch.source.encode()),
        ("seqs", _encode((batch.fragments[0].seq, batch.fragments[-1].seq))),
    ]
    if batch.dropped:
        headers.append(("dropped", str(batch.dropped).encode()))
    headers.append(("content-type", CONTENT_TYPE))
    return Record(tuple(headers), _encode(batch))


def _size(record: Record) -> int:
    return len(record.value) + sum(len(name) + len(content) for name, content in record.headers)
