"""What can happen to a file: what happens to every configuration, and what came of reading its text."""

from __future__ import annotations

from typing import ClassVar, Final

from domain.configuration.events import events_of
from domain.event import Event

CONFIGURED: Final = events_of("file")
"""``file.created`` and its like: the upload, its name, its deletion."""


class FileTextExtracted(Event, frozen=True, kw_only=True):
    """The text of attempt ``attempt`` stands in the artifact store at ``location``.

    ``kind`` is what the content turned out to be (``pdf``), ``pages`` is given where it has pages.
    """

    TYPE: ClassVar[str] = "file.text_extracted"

    attempt: int
    kind: str
    location: str
    sha256: str
    size_bytes: int
    pages: int | None = None


class FileTextFailed(Event, frozen=True, kw_only=True):
    """Attempt ``attempt`` found no text that can be used. ``code`` is for programs, ``reason`` for people."""

    TYPE: ClassVar[str] = "file.text_failed"

    attempt: int
    code: str
    reason: str


class FileTextRequested(Event, frozen=True, kw_only=True):
    """Somebody wants it tried again after a failure."""

    TYPE: ClassVar[str] = "file.text_requested"

    actor: str = ""


EVENTS: Final[tuple[type[Event], ...]] = (*CONFIGURED, FileTextExtracted, FileTextFailed, FileTextRequested)
"""Every event of files."""
