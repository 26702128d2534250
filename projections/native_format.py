"""Rows as a block of ClickHouse's Native format: column by column, each value as the engine keeps it in memory.

Of all formats it costs the engine least, half of what text costs it: nothing is parsed, and blocks may follow each
other as they are. clickhouse-connect writes it too, at three times the processor time of what stands here, since it
knows types only when it runs. Format: https://clickhouse.com/docs/interfaces/formats/Native
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from math import isfinite
from typing import Any

import msgspec
import numpy as np

from projections.table import Column, Row

Write = Callable[[Sequence[Any]], bytes]
"""The values of a column, in the engine's form."""

_WRAPPED = re.compile(r"^(LowCardinality|Nullable)\((.*)\)$")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMESTAMP = np.dtype([("tag", ">u2"), ("stamp", ">u8")])
_TIMESTAMP_64 = 0xD7FF
_SECONDS = (1 << 34) - 1
_pack = msgspec.msgpack.Encoder().encode


def block(columns: tuple[Column, ...], rows: Sequence[Row]) -> bytes:
    """The rows as one block; no bytes for no rows.

    Raises ``ValueError`` and ``TypeError`` for a value that its column cannot hold: a number out of its range or none
    at all (infinity), a null where none may be, a text that is not Unicode.
    """
    if not rows:
        return b""
    parts = [_length(len(columns)), _length(len(rows))]
    try:
        for (header, write), values in zip(_writers(columns), zip(*rows, strict=True), strict=True):
            parts += (header, write(values))
    except OverflowError as problem:
        raise ValueError(f"a number is out of the range of its column: {problem}") from problem
    except AttributeError as problem:
        raise TypeError(f"a value has not the type of its column: {problem}") from problem
    return b"".join(parts)


def plain(column_type: str) -> tuple[str, bool, bool]:
    """A type without wrappers, whether it takes nulls, and whether few values of it differ."""
    nullable = few = False
    while wrapped := _WRAPPED.match(column_type):
        nullable = nullable or wrapped[1] == "Nullable"
        few = few or wrapped[1] == "LowCardinality"
        column_type = wrapped[2]
    return column_type, nullable, few


@cache
def _writers(columns: tuple[Column, ...]) -> tuple[tuple[bytes, Write], ...]:
    """For each column its name and type, and how its values are written. The engine builds the dictionaries of columns
    of low cardinality itself."""
    made = []
    for column in columns:
        bare, nullable, few = plain(column.type)
        write, absent = _write(bare, few)
        sent = f"Nullable({bare})" if nullable else bare
        made.append((_text(column.name) + _text(sent), _nullable(write, absent) if nullable else write))
    return tuple(made)


def _write(bare: str, few: bool) -> tuple[Write, Any]:
    """How values of a type are written, and what stands where there is none."""
    match bare.partition("(")[0]:
        case "String":
            return (_repeated_texts if few else _texts), ""
        case "Float64":
            return _floats, 0.0
        case "UInt16":
            return _numbers("H"), 0
        case "UInt32":
            return _numbers("I"), 0
        case "UInt64":
            return _numbers("Q"), 0
        case "Bool":
            return _booleans, False
        case "DateTime64":
            return _moments, _EPOCH
        case "Map":
            return _maps, {}
        case unknown:
            raise TypeError(f"no way is known to write columns of type {unknown}")


def _nullable(write: Write, absent: Any) -> Write:
    def written(values: Sequence[Any]) -> bytes:
        if None not in values:
            return bytes(len(values)) + write(values)
        nulls = bytes([value is None for value in values])
        return nulls + write([absent if value is None else value for value in values])

    return written


def _numbers(typecode: str) -> Write:
    return lambda values: array(typecode, values).tobytes()


def _floats(values: Sequence[Any]) -> bytes:
    # Infinities and what is not a number show in the sum of all; what was measured never adds up to one.
    if not isfinite(sum(values)):
        raise ValueError("a number is infinite, or not one")
    return array("d", values).tobytes()


def _booleans(values: Sequence[Any]) -> bytes:
    if not all(value is True or value is False for value in values):
        raise TypeError("a value is neither true nor false")
    return bytes(values)


def _moments(values: Sequence[Any]) -> bytes:
    """Microseconds since 1970. MessagePack's timestamps of 64 bits (34 of seconds, before them 30 of nanoseconds) are
    made a tenth as long as Python's own arithmetic takes; a moment without a fraction has a shorter one."""
    packed, count = _pack(values), len(values)
    begin = 1 if count < 16 else 3 if count < 1 << 16 else 5
    if len(packed) == begin + _TIMESTAMP.itemsize * count:
        timestamps = np.frombuffer(packed, _TIMESTAMP, offset=begin)
        if (timestamps["tag"] == _TIMESTAMP_64).all():
            stamps = timestamps["stamp"].astype(np.uint64)
            return ((stamps & _SECONDS) * 1_000_000 + (stamps >> 34) // 1000).tobytes()
    since = [value - _EPOCH for value in values]
    return array(
        "q", [past.days * 86_400_000_000 + past.seconds * 1_000_000 + past.microseconds for past in since]
    ).tobytes()


def _maps(values: Sequence[Any]) -> bytes:
    ends, end = array("Q"), 0
    for value in values:
        end += len(value)
        ends.append(end)
    keys = list(chain.from_iterable(values))
    items = list(chain.from_iterable(value.values() for value in values))
    return ends.tobytes() + _texts(keys) + _texts(items)


def _texts(values: Sequence[Any]) -> bytes:
    """Of texts, or of bytes that are UTF-8 already."""
    encoded = list(values if values and isinstance(values[0], bytes) else map(str.encode, values))
    parts = [b""] * (2 * len(encoded))
    parts[1::2] = encoded
    lengths = list(map(len, encoded))
    if max(lengths, default=0) < len(_LENGTHS):
        parts[::2] = map(_LENGTHS.__getitem__, lengths)
    else:
        parts[::2] = map(_length, lengths)
    return b"".join(parts)


def _repeated_texts(values: Iterable[str]) -> bytes:
    return b"".join(map(_Texts().__getitem__, values))


class _Texts(dict[str, bytes]):
    """Texts as they are written, each made once."""

    def __missing__(self, text: str) -> bytes:
        written = self[text] = _text(text)
        return written


def _text(text: str) -> bytes:
    encoded = text.encode()
    return _length(len(encoded)) + encoded


def _length(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow (LEB128)."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


_LENGTHS = tuple(_length(number) for number in range(1 << 12))
"""Of texts that are not long."""
