"""What is known of a file: how it was sent, and how far its text is."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from domain.configuration.state import ActiveConfiguration, Configuration, DeletedConfiguration

TextStatus = Literal["processing", "done", "failed"]


class TextPending(msgspec.Struct, frozen=True, kw_only=True, tag_field="status", tag="processing"):
    """The text is still to be read out. ``attempt`` counts from 1."""

    attempt: int
    since: datetime


class TextExtracted(msgspec.Struct, frozen=True, kw_only=True, tag_field="status", tag="done"):
    """The text stands in the artifact store at ``location``."""

    attempt: int
    since: datetime
    kind: str
    location: str
    sha256: str
    size_bytes: int
    pages: int | None = None


class TextFailed(msgspec.Struct, frozen=True, kw_only=True, tag_field="status", tag="failed"):
    """There is no text, for this reason, until somebody asks for another attempt."""

    attempt: int
    since: datetime
    code: str
    reason: str


Text = TextPending | TextExtracted | TextFailed


class StoredFile(ActiveConfiguration, frozen=True, kw_only=True, tag_field="phase", tag="active"):
    """A file that can be used."""

    text: Text


class DeletedFile(DeletedConfiguration, frozen=True, kw_only=True, tag_field="phase", tag="deleted"):
    """A file whose bytes are gone. What it was called stays readable for audit."""

    text: Text


FileState = StoredFile | DeletedFile


def text_of(state: Configuration) -> Text:
    """How far the text of a file is."""
    assert isinstance(state, StoredFile | DeletedFile)
    return state.text


def status_of(text: Text) -> TextStatus:
    """The word for it on the wire."""
    match text:
        case TextPending():
            return "processing"
        case TextExtracted():
            return "done"
        case TextFailed():
            return "failed"
