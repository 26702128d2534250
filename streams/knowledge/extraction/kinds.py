"""What kind of file it is: what its name and type claim, held against what its first bytes show."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Final, Literal

from streams.knowledge.extraction.refusal import Unreadable

Kind = Literal["pdf", "docx", "html", "xml", "markdown", "csv", "json", "text"]

SNIFFED_BYTES: Final = 4096

_BY_SUFFIX: Final[dict[str, Kind]] = {
    ".pdf": "pdf",
    ".docx": "docx",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".xml": "xml",
    ".md": "markdown",
    ".markdown": "markdown",
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".txt": "text",
    ".text": "text",
    ".log": "text",
    ".yaml": "text",
    ".yml": "text",
}
_BY_TYPE: Final[dict[str, Kind]] = {
    "application/pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/xml": "xml",
    "application/xml": "xml",
    "text/markdown": "markdown",
    "text/csv": "csv",
    "text/tab-separated-values": "csv",
    "application/json": "json",
    "application/x-ndjson": "json",
    "text/plain": "text",
    "application/yaml": "text",
    "text/yaml": "text",
}
READABLE: Final = "pdf, docx, html, xml, md, csv, tsv, json, yaml and txt files"

_MARKS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-zip archive"),
    (b"Rar!", "a rar archive"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"RIFF", "sound or video"),
    (b"ID3", "sound"),
    (b"OggS", "sound or video"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"{\\rtf", "an RTF file"),
    (b"%!PS", "a PostScript file"),
)
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_HTML: Final = re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
_XML: Final = re.compile(rb"\s*<\?xml\b")
_BOM: Final = b"\xef\xbb\xbf"


def kind_of(name: str, media_type: str, head: bytes) -> Kind:
    """The kind to read the file as. ``head`` are its first ``SNIFFED_BYTES``.

    Raises ``Unreadable`` for kinds that no text is read from, and for files that are not what they claim to be.
    """
    claimed = _BY_SUFFIX.get(PurePath(name).suffix.lower()) or _BY_TYPE.get(
        media_type.partition(";")[0].strip().lower()
    )
    shown = _shown(head)
    if claimed is None:
        return _of_unclaimed(name, media_type, shown)
    expected = {"pdf": "a PDF", "docx": "a zip archive"}.get(claimed, "text")
    found = "text" if shown in ("html", "xml") else shown
    if found != expected:
        raise Unreadable(
            "type-mismatch", f"It is said to be {_named(claimed)}, but its content is {_described(shown)}."
        )
    return claimed


def _of_unclaimed(name: str, media_type: str, shown: str) -> Kind:
    match shown:
        case "a PDF":
            return "pdf"
        case "a zip archive":
            return "docx"
        case "html":
            return "html"
        case "xml":
            return "xml"
        case "text" if not PurePath(name).suffix or media_type.startswith("text/"):
            return "text"
    what = PurePath(name).suffix.lower() or media_type or "this"
    raise Unreadable("unsupported-type", f"No text is read from {what} files; send {READABLE}.")


def _shown(head: bytes) -> str:
    if b"%PDF-" in head[:1024]:
        return "a PDF"
    for mark, what in _MARKS:
        if head.startswith(mark):
            return what
    if not head.startswith(_UTF_16) and b"\x00" in head:
        return "binary"
    start = head.removeprefix(_BOM)
    if _HTML.match(start):
        return "html"
    return "xml" if _XML.match(start) else "text"


def _named(kind: Kind) -> str:
    return {"pdf": "a PDF", "docx": "a Word file (docx)", "text": "plain text"}.get(kind, f"a {kind} file")


def _described(shown: str) -> str:
    return {"html": "HTML", "xml": "XML", "binary": "neither text nor a known format"}.get(shown, shown)
