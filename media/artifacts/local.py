"""Recordings and logs in a local folder: ``<call id>/<name>-<content hash>.<extension>``."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import BinaryIO

from domain.artifacts import StoredArtifact
from media.artifacts.naming import check_location, named


class LocalArtifactStore:
    """An ``ArtifactStore`` on one file system. ``root`` is made when it does not exist."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = root.resolve()

    def put(self, call_id: str, name: str, source: Path, content_type: str) -> StoredArtifact:
        """Move ``source`` in; what is stored is complete or absent, also after a crash.

        Raises ``ValueError`` for a call id or name that is no plain file name.
        """
        location, digest, size = named(call_id, name, source)
        target = self._root / location
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.stat().st_dev == target.parent.stat().st_dev:
            staged = source
        else:
            # A rename is atomic on one file system only: bring the bytes over first, under another name.
            staged = target.with_name(f".{target.name}.part")
            shutil.copyfile(source, staged)
            source.unlink()
        with staged.open("rb") as file:
            os.fsync(file.fileno())
        staged.replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return StoredArtifact(location=location, sha256=digest, size_bytes=size, content_type=content_type)

    def open(self, location: str) -> BinaryIO:
        """Raises ``FileNotFoundError`` for an unknown location and ``ValueError`` for one that leaves the store."""
        return self._path(location).open("rb")

    def delete(self, location: str) -> None:
        """Deleting what is gone is no error."""
        path = self._path(location)
        path.unlink(missing_ok=True)

    def link(self, location: str, seconds: int) -> None:
        """There is none: whoever wants a file gets it from us."""
        check_location(location)

    def _path(self, location: str) -> Path:
        check_location(location)
        path = (self._root / location).resolve()
        if path == self._root or not path.is_relative_to(self._root):
            raise ValueError(f"artifact location {location!r} leaves the store")
        return path
