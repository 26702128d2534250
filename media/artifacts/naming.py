"""Where an artifact stands in a store, whatever the store: ``<call id>/<name>-<content hash>.<extension>``."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path, PurePosixPath

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_HASH_CHARACTERS = 16


def named(call_id: str, name: str, source: Path) -> tuple[str, str, int]:
    """The location of ``source``, its SHA-256 in hexadecimal digits, and its length in bytes. Blocking.

    Raises ``ValueError`` for a call id or name that is no plain file name.
    """
    for part in (call_id, name):
        if not _SAFE.fullmatch(part):
            raise ValueError(f"{part!r} cannot be part of an artifact's location: letters, digits, dot, dash only")
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
    suffix = "".join(source.suffixes[-2:]) if source.suffix == ".gz" else source.suffix
    return f"{call_id}/{name}-{digest[:_HASH_CHARACTERS]}{suffix}", digest, size


def check_location(location: str) -> None:
    """Raises ``ValueError`` for a location that would leave the store."""
    path = PurePosixPath(location)
    if not location or path.is_absolute() or not path.parts or ".." in path.parts or "\0" in location:
        raise ValueError(f"artifact location {location!r} leaves the store")
