"""Signed statements of what a shard's chain was after so many records, and what a log says against them.

The chain proves order and content only to who knows a later link. A checkpoint is such a link, signed (Ed25519, RFC
8032) and kept where the log is not: whoever rewrites, shortens or reorders the log cannot make it fit any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Literal

import msgspec

CHECKPOINT_VERSION = 1

_CONTEXT = b"callfold checkpoint\n"
"""Precedes what is signed, so that a signature can never be taken for one of something else."""

Fault = Literal["changed", "removed", "inserted", "reordered", "cut", "replica", "forged", "unverifiable"]


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it was. ``place`` is where: a record number, an offset, a range of them."""

    fault: Fault
    shard: int
    place: str
    sentence: str


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """``chain`` (hex) is the chain's value after ``records``, counted as the carrier does: on Kafka the offset of the
    record behind the last one. ``log`` names the log where its carrier gives it a name that is never used twice.
    """

    v: int = CHECKPOINT_VERSION
    log: str
    shard: int
    records: int
    events: int
    chain: str
    time: datetime


class SignedCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint as it travels: JSON with the signed text left as it was signed. Keys and signatures are hex."""

    checkpoint: msgspec.Raw
    public_key: str
    signature: str

    @property
    def signed_bytes(self) -> bytes:
        """What the signature is over."""
        return _CONTEXT + bytes(self.checkpoint)


class UnreadableCheckpoint(Exception):
    """Text that is no signed checkpoint of a version known here."""


_encode = msgspec.json.Encoder().encode
_decode_signed = msgspec.json.Decoder(SignedCheckpoint).decode
_decode = msgspec.json.Decoder(Checkpoint).decode


def signed(checkpoint: Checkpoint, public_key: str, sign: Callable[[bytes], bytes]) -> SignedCheckpoint:
    """Sign with a function that returns the signature of some bytes."""
    raw = _encode(checkpoint)
    return SignedCheckpoint(checkpoint=msgspec.Raw(raw), public_key=public_key, signature=sign(_CONTEXT + raw).hex())


def encode(checkpoint: SignedCheckpoint) -> bytes:
    """One line of JSON."""
    return _encode(checkpoint)


def decode(text: bytes) -> SignedCheckpoint:
    """Read what ``encode`` wrote. Raises ``UnreadableCheckpoint``."""
    try:
        return _decode_signed(text)
    except msgspec.MsgspecError as problem:
        raise UnreadableCheckpoint(f"it is no signed checkpoint: {problem}") from problem


def content(checkpoint: SignedCheckpoint) -> Checkpoint:
    """What was signed. Raises ``UnreadableCheckpoint``."""
    try:
        found = _decode(checkpoint.checkpoint)
    except msgspec.MsgspecError as problem:
        raise UnreadableCheckpoint(f"what it signs cannot be read: {problem}") from problem
    if found.v != CHECKPOINT_VERSION:
        raise UnreadableCheckpoint(f"it has version {found.v}, and this build reads {CHECKPOINT_VERSION}")
    return found


def held_against(
    checkpoints: Iterable[Checkpoint], *, shard: int, log: str, end: int, chain_at: Callable[[int], str | None]
) -> Iterator[Finding]:
    """What a shard of ``end`` records says against genuine checkpoints of it.

    ``chain_at`` gives the chain (hex) after so many records, ``None`` where it is not known. Of several checkpoints
    that do not hold only the first is told: what follows a change never fits.
    """
    last_good = 0
    for checkpoint in sorted(checkpoints, key=lambda found: found.records):
        place = f"records {last_good + 1} to {checkpoint.records}"
        if checkpoint.log != log:
            yield Finding(
                "changed", shard, place, f"the checkpoint of {_at(checkpoint)} is of another log ({checkpoint.log})"
            )
            return
        if checkpoint.records > end:
            yield Finding(
                "cut",
                shard,
                f"records {end + 1} to {checkpoint.records}",
                f"the checkpoint of {_at(checkpoint)} covers {checkpoint.records} records, and the log ends after "
                f"{end}: its end was cut off",
            )
            return
        chain = chain_at(checkpoint.records)
        if chain is None:
            continue
        if chain != checkpoint.chain:
            yield Finding(
                "changed",
                shard,
                place,
                f"the chain after record {checkpoint.records} is not the one that was signed at {_at(checkpoint)}: "
                f"one of {place} was changed, removed or moved",
            )
            return
        last_good = checkpoint.records


def _at(checkpoint: Checkpoint) -> str:
    return checkpoint.time.isoformat(sep=" ", timespec="seconds")
