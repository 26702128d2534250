"""Recordings and logs of a call, kept in an object store by call and content hash; the log holds the reference."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec


class StoredArtifact(msgspec.Struct, frozen=True, kw_only=True):
    """``location`` is a key in the store (never an absolute path), ``sha256`` hex, ``size_bytes`` the length."""

    location: str
    sha256: str
    size_bytes: int
    content_type: str


class ArtifactsUnavailable(OSError):
    """The store did not take or give an artifact now. What is to be stored stays where it was."""


class ArtifactStore(Protocol):
    """A local folder or an S3-compatible bucket."""

    def put(self, call_id: str, name: str, source: Path, content_type: str) -> StoredArtifact:
        """Move ``source`` into the store atomically under ``call_id/name-hash.ext``.

        Raises ``OSError``, of which ``ArtifactsUnavailable`` is one, where it cannot be stored now; ``source`` stays
        where it is then.
        """

    def open(self, location: str) -> BinaryIO:
        """Raises ``FileNotFoundError`` for an unknown location and ``ValueError`` for one that leaves the store."""

    def delete(self, location: str) -> None: ...

    def link(self, location: str, seconds: int) -> str | None:
        """A URL under which the store itself gives the artifact to anybody for so long; ``None`` where it does not."""
