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
        """Move ``source`` in; what is stored is complete or absent, also after a crash. ``source`` stays where that
        fails.

        Raises ``ValueError`` for a call id or name that is no plain file name.
        """
        location, digest, size = named(call_id, name, source)
        target = self._root / location
        target.parent.mkdir(parents=True, exist_ok=True)
        near = _on_one_file_system(source, target.parent)
        if near:
            _sync(source)
            source.replace(target)
        else:
            _bring_over(source, target)
        for folder in (target.parent, self._root):
            _sync(folder)
        if not near:
            source.unlink()
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


def _on_one_file_system(source: Path, folder: Path) -> bool:
    return source.stat().st_dev == folder.stat().st_dev


def _bring_over(source: Path, target: Path) -> None:
    """A rename is atomic on one file system only: copy the bytes first, under another name."""
    staged = target.with_name(f".{target.name}.part")
    try:
        shutil.copyfile(source, staged)
        _sync(staged)
        staged.replace(target)
    except OSError:
        staged.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    """To the disk, with what a folder lists."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
