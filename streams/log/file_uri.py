"""A SQLite file as a URI: its path may hold what means something in one (``#``, ``?``, ``%``)."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

_SCHEME = "file:"


def file_uri(path: Path) -> str:
    """For ``sqlite3.connect(…, uri=True)``."""
    return path.absolute().as_uri()


def read_only_uri(path: Path) -> str:
    """The same for a connection that makes no file and changes none."""
    return f"{file_uri(path)}?mode=ro"


def path_of(name: str) -> Path:
    """The file that such a URI, or a path as it is, names."""
    return Path(unquote(urlsplit(name).path)) if name.startswith(_SCHEME) else Path(name)
