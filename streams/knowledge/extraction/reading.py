"""The text of a file of any kind that is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streams.knowledge.extraction.kinds import SNIFFED_BYTES, Kind, kind_of
from streams.knowledge.extraction.text import cleaned, decoded, from_csv, from_json


@dataclass(frozen=True, slots=True)
class Reading:
    """What stood in a file. ``pages`` is given where it has pages."""

    kind: Kind
    text: str
    pages: int | None = None


def read(path: Path, name: str, media_type: str, most_characters: int) -> Reading:
    """Read a file that says of itself to be ``name`` of ``media_type``. Raises ``Unreadable``."""
    with path.open("rb") as file:
        kind = kind_of(name, media_type, file.read(SNIFFED_BYTES))
    pages: int | None = None
    # Each library is imported where it is needed: one file needs one of them.
    match kind:
        case "pdf":
            from streams.knowledge.extraction.pdf import from_pdf

            text, pages = from_pdf(path, most_characters)
        case "docx":
            from streams.knowledge.extraction.word import from_docx

            text = from_docx(path)
        case "html":
            from streams.knowledge.extraction.markup import from_html

            text = from_html(decoded(path.read_bytes()))
        case "xml":
            from streams.knowledge.extraction.markup import from_xml

            text = from_xml(path.read_bytes())
        case "csv":
            text = from_csv(cleaned(decoded(path.read_bytes())))
        case "json":
            text = from_json(decoded(path.read_bytes()))
        case "markdown" | "text":
            text = decoded(path.read_bytes())
    return Reading(kind, cleaned(text), pages)
