"""The seal of an installation: AES-SIV (RFC 5297) under a key of each organisation, made from ``CALLFOLD_SECRET_KEY``.

AES-SIV needs no random number and gives the same text for the same secret, so that a repeated request is recognised and
nothing is lost should two secrets ever meet. Several keys may be set: the first seals, all of them open, so that a key
can be replaced without an interruption.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr

from domain.sealing import PREFIX, NoSeal, Seal, SealBroken

_PURPOSE: Final = b"callfold secrets at rest\0"
_KEY_BYTES: Final = 64
"""AES-256-SIV takes two keys of 32 bytes."""
_KNOWN_ORGANIZATIONS: Final = 4_096


class KeyedSeal:
    """``Seal`` with master keys, each 32 characters or more, the first of which seals. For any thread."""

    def __init__(self, masters: Sequence[str]) -> None:
        if not masters:
            raise ValueError("a seal needs a key")
        self._masters = {_name_of(master): master.encode() for master in masters}
        self._first = _name_of(masters[0])
        self._cipher = lru_cache(_KNOWN_ORGANIZATIONS)(self._made)

    def seal(self, org_id: str, text: str) -> str:
        """As ``Seal.seal``: prefix, the key's name, and the sealed text in base64."""
        sealed = self._cipher(self._first, org_id).encrypt(text.encode(), [PREFIX.encode(), org_id.encode()])
        return f"{PREFIX}{self._first}:{urlsafe_b64encode(sealed).decode()}"

    def open(self, org_id: str, text: str) -> str:
        """As ``Seal.open``."""
        name, _, sealed = text.removeprefix(PREFIX).partition(":")
        if name not in self._masters:
            raise SealBroken(f"it was sealed with key {name[:16]}, which CALLFOLD_SECRET_KEY does not hold")
        try:
            plain = self._cipher(name, org_id).decrypt(urlsafe_b64decode(sealed), [PREFIX.encode(), org_id.encode()])
        except (InvalidTag, ValueError) as error:
            raise SealBroken("it was altered, or belongs to another organization; send the secret again") from error
        return plain.decode()

    def _made(self, name: str, org_id: str) -> AESSIV:
        derivation = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_PURPOSE + org_id.encode())
        return AESSIV(derivation.derive(self._masters[name]))


def seal_of(keys: SecretStr | None) -> Seal:
    """The seal that a setting asks for; without one secrets are kept as they are sent."""
    masters = [part.strip() for part in (keys.get_secret_value() if keys else "").split(",") if part.strip()]
    return KeyedSeal(masters) if masters else NoSeal()


def _name_of(master: str) -> str:
    """What tells keys apart in sealed texts, and says nothing about them."""
    return sha256(b"callfold key name\0" + master.encode()).hexdigest()[:12]
