"""The key that signs checkpoints, and the check of signatures against the keys that are trusted."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from domain.log.checkpoint import (
    Checkpoint,
    Finding,
    SignedCheckpoint,
    UnreadableCheckpoint,
    content,
    decode,
    signed,
)
from domain.log.ports import LogUnavailable
from streams.flushing import flush

KEY_BYTES = 32


class InvalidKey(ValueError):
    """Text that is no Ed25519 key."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"{problem}; a checkpoint key is {KEY_BYTES} bytes as {2 * KEY_BYTES} hexadecimal digits, "
            f"for example from: openssl rand -hex {KEY_BYTES}"
        )


class CheckpointKey:
    """An Ed25519 private key. ``public`` is its public key in hex, which goes with every checkpoint."""

    def __init__(self, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._private.public_key().public_bytes_raw().hex()

    @classmethod
    def parse(cls, text: str) -> CheckpointKey:
        """Read the private key from hex. Raises ``InvalidKey``, which does not show it."""
        return cls(_key_bytes(text))

    @classmethod
    def kept(cls, path: Path) -> CheckpointKey:
        """The key in a file that only its owner may read, made at first use; its public half stands beside it.

        Raises ``LogUnavailable``.
        """
        try:
            if not path.exists():
                _write_new(path, secrets.token_hex(KEY_BYTES))
            key = cls.parse(path.read_text().strip())
            public, line = path.with_suffix(".pub"), key.public + "\n"
            # A crash may have left it empty, or a restored backup another key's.
            if not public.exists() or public.read_text() != line:
                public.write_text(line)
        except (OSError, InvalidKey) as problem:
            raise LogUnavailable(f"the key of checkpoints {path} cannot be used: {problem}") from problem
        return key

    def sign(self, checkpoint: Checkpoint) -> SignedCheckpoint:
        """Sign a checkpoint."""
        return signed(checkpoint, self.public, self._private.sign)


class SortedOut(msgspec.Struct, frozen=True):
    """Checkpoints that a trusted key signed, and what is wrong with the others."""

    genuine: tuple[Checkpoint, ...]
    findings: tuple[Finding, ...]


def public_key(text: str) -> str:
    """A public key as given by a person, in the form compared here. Raises ``InvalidKey``."""
    return _key_bytes(text).hex()


def sort_out(found: Sequence[tuple[str, bytes]], trusted: Collection[str], shard: int) -> SortedOut:
    """Tell genuine checkpoints of a shard from forged ones. Each comes with the place where it was found.

    What cannot be read is told for every shard: nobody knows which one it was for. A key that is not trusted is told
    once, at the first place: on a log that several nodes sign there are many of each.
    """
    genuine: list[Checkpoint] = []
    findings: list[Finding] = []
    strangers: set[str] = set()
    for place, text in found:
        try:
            checkpoint = decode(text)
            said = content(checkpoint)
        except UnreadableCheckpoint as problem:
            findings.append(Finding("forged", shard, place, f"a checkpoint cannot be read: {problem}"))
            continue
        if said.shard != shard:
            continue
        if checkpoint.public_key in strangers:
            continue
        if checkpoint.public_key not in trusted:
            strangers.add(checkpoint.public_key)
        fault = _fault(checkpoint, trusted)
        if fault:
            findings.append(Finding("forged", shard, place, fault))
        else:
            genuine.append(said)
    return SortedOut(tuple(genuine), tuple(findings))


def _fault(checkpoint: SignedCheckpoint, trusted: Collection[str]) -> str:
    """Why a checkpoint is not to be believed; empty when it is."""
    if checkpoint.public_key not in trusted:
        return (
            f"a checkpoint is signed by key {checkpoint.public_key[:64]}, which is not trusted; if it is another "
            "node's (checkpoint.pub in its data folder), name it with --public-key, or give all nodes one "
            "CALLFOLD_CHECKPOINT_KEY"
        )
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(checkpoint.public_key))
        key.verify(bytes.fromhex(checkpoint.signature), checkpoint.signed_bytes)
    except (InvalidSignature, ValueError):
        return f"a checkpoint names key {checkpoint.public_key}, and that key did not sign it"
    return ""


def _key_bytes(text: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        raise InvalidKey("the key is not hexadecimal") from None
    if len(key) != KEY_BYTES:
        raise InvalidKey(f"the key has {len(key)} bytes")
    return key


def _write_new(path: Path, text: str) -> None:
    """Write a private file at once or not at all; of several processes that try, one succeeds."""
    descriptor, partial = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(partial, path)
        flush(path.parent)
    finally:
        os.unlink(partial)
