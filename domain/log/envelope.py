"""How a commit travels: record headers hold the arbitration tuple, the value is a JSON array of event bodies.

Headers, in this order: ``v`` (envelope version), ``commit`` (id), ``streams`` (JSON array of ``[originator,
version]``), ``tracking`` (JSON ``[application, position]``, only when there is one), ``content-type``. Any tool that
reads JSON can read the value without this code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from domain.log.arbitration import UnknownEnvelopeVersion
from domain.log.commit import ENVELOPE_VERSION, Commit, Counter, Slot

CONTENT_TYPE = b"application/json"

_VERSION = str(ENVELOPE_VERSION).encode()
_VERSION_DIGITS = 9
_encode = msgspec.json.Encoder().encode
_decode_streams = msgspec.json.Decoder(tuple[Slot, ...]).decode
_decode_tracking = msgspec.json.Decoder(tuple[str, Counter]).decode
_decode_value = msgspec.json.Decoder(tuple[msgspec.Raw, ...]).decode


class _Typed(msgspec.Struct):
    type: str = ""


_decode_typed = msgspec.json.Decoder(_Typed).decode

_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)
_WRITTEN_TYPE = re.compile(rb'\{"id":"[^"\\]*","type":"([a-z_.]*)"')


class MalformedRecord(Exception):
    """A record of a known envelope version that breaks its form: void, kept as poison, the stream goes on."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """What the carrier stores: ordered headers and a value."""

    headers: tuple[tuple[str, bytes], ...]
    value: bytes


class Claim(msgspec.Struct, frozen=True, gc=False):
    """The arbitration tuple, read from headers alone."""

    commit_id: str
    slots: tuple[Slot, ...]
    tracking: tuple[str, int] | None = None


def to_record(commit: Commit) -> Record:
    """Write a commit. Raises ``MalformedRecord`` when it claims nothing or slots and bodies differ in number."""
    if not commit.slots and commit.tracking is None:
        raise MalformedRecord(f"commit {commit.commit_id} claims no slot and no tracking position")
    if len(commit.slots) != len(commit.bodies):
        raise MalformedRecord(
            f"commit {commit.commit_id} has {len(commit.bodies)} bodies for {len(commit.slots)} slots"
        )
    headers = [
        ("v", _VERSION if commit.v == ENVELOPE_VERSION else str(commit.v).encode()),
        ("commit", commit.commit_id.encode()),
        ("streams", _encode(commit.slots)),
    ]
    if commit.tracking is not None:
        headers.append(("tracking", _encode(commit.tracking)))
    headers.append(("content-type", CONTENT_TYPE))
    return Record(tuple(headers), b"[" + b",".join(commit.bodies) + b"]")


def read_claim(headers: Iterable[tuple[str, bytes]]) -> Claim:
    """Read the arbitration tuple. Raises ``UnknownEnvelopeVersion`` (halt) and ``MalformedRecord`` (poison)."""
    found: dict[str, bytes] = {}
    for name, value in headers:
        if name in found:
            raise MalformedRecord(f"header {name!r} occurs twice")
        found[name] = value
    version = found.get("v")
    if version is None:
        raise MalformedRecord("header 'v' is missing")
    if version != _VERSION:
        if not version.isdigit() or len(version) > _VERSION_DIGITS:
            raise MalformedRecord(f"header 'v' is {version[:20]!r}, not a number")
        raise UnknownEnvelopeVersion(int(version))
    try:
        commit_id = found["commit"].decode()
        slots = _decode_streams(found["streams"])
        tracking = _decode_tracking(found["tracking"]) if "tracking" in found else None
    except KeyError as missing:
        raise MalformedRecord(f"header {missing} is missing") from missing
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise MalformedRecord(f"headers cannot be read: {problem}") from problem
    if not commit_id:
        raise MalformedRecord("header 'commit' is empty")
    if not slots and tracking is None:
        raise MalformedRecord("the record claims no slot and no tracking position")
    return Claim(commit_id, slots, tracking)


def to_commit(record: Record) -> Commit:
    """Read a commit back. Nothing inside a body is checked: an unreadable event is its readers' matter.

    Raises ``UnknownEnvelopeVersion`` (halt) and ``MalformedRecord`` (poison).
    """
    claim = read_claim(record.headers)
    alone = _only_body(record.value) if len(claim.slots) == 1 else None
    if alone is not None:
        bodies: tuple[bytes, ...] = (alone[0],)
        topics: tuple[str, ...] = (alone[1],)
    else:
        bodies = tuple(_bodies(record.value))
        topics = tuple(map(type_of, bodies))
    if len(bodies) != len(claim.slots):
        raise MalformedRecord(f"value holds {len(bodies)} bodies for {len(claim.slots)} slots")
    return Commit(commit_id=claim.commit_id, slots=claim.slots, topics=topics, bodies=bodies, tracking=claim.tracking)


def type_of(body: bytes) -> str:
    """The dotted type a body names, empty when it names none."""
    try:
        return _decode_typed(body).type
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    except RecursionError:
        written = _WRITTEN_TYPE.match(body)
        return written[1].decode() if written else ""


def _only_body(value: bytes) -> tuple[bytes, str] | None:
    """Body and type of an array of one object, without white space around it; ``None`` for anything less plain."""
    if value[:2] != b"[{" or value[-2:] != b"}]":
        return None
    body = value[1:-1]
    try:
        return body, _decode_typed(body).type
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _bodies(value: bytes) -> Sequence[bytes]:
    try:
        return [bytes(body) for body in _decode_value(value)]
    except msgspec.MsgspecError as problem:
        raise MalformedRecord(f"value is not a JSON array: {problem}") from problem
    except RecursionError:
        return _elements(value)


def _elements(value: bytes) -> Sequence[bytes]:
    """The elements of a JSON array of any depth.

    How deep the parser can go depends on how deep its caller stands, which differs between readers; their verdicts
    must not.
    """
    depth, begin = 0, 0
    elements: list[bytes] = []
    for token in _STRUCTURE.finditer(value):
        match token[0]:
            case b"[" | b"{":
                depth += 1
                if depth == 1:
                    begin = token.end()
            case b"]" | b"}":
                depth -= 1
                if depth == 0:
                    elements.append(value[begin : token.start()].strip())
            case b"," if depth == 1:
                elements.append(value[begin : token.start()].strip())
                begin = token.end()
    if depth != 0:
        raise MalformedRecord("value is not a JSON array: its brackets do not match")
    return elements
