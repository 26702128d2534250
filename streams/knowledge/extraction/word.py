"""Text of Word files (docx: Office Open XML, ECMA-376), headings and tables in their order."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import docx
from docx.document import Document
from docx.table import Table
from docx.text.paragraph import Paragraph
from lxml import etree

from streams.knowledge.extraction.refusal import Unreadable
from streams.knowledge.extraction.text import table_lines

_MOST_ENTRIES: Final = 10_000
_LARGEST_ENTRY_BYTES: Final = 64 * 1024 * 1024
_LARGEST_UNPACKED_BYTES: Final = 256 * 1024 * 1024
_HEADING: Final = re.compile(r"(?:Heading |heading )([1-6])$|(Title)$")
_BODY: Final = "word/document.xml"


def from_docx(path: Path) -> str:
    """Paragraphs and tables. Raises ``Unreadable``, for archives that unpack to too much before they are unpacked."""
    try:
        _check_archive(path)
        return "\n\n".join(filter(None, _blocks(docx.Document(str(path)))))
    except zipfile.BadZipFile:
        raise Unreadable("damaged", "The Word file's archive cannot be opened.") from None
    except etree.XMLSyntaxError as fault:
        if fault.code == etree.ErrorTypes.ERR_NO_MEMORY:
            raise MemoryError from None
        raise Unreadable("damaged", f"The Word file holds no well-formed XML: {fault.msg}.") from None
    except (KeyError, ValueError, AttributeError, OSError) as fault:
        raise Unreadable("damaged", f"The Word file cannot be read: {type(fault).__name__}.") from None


def _check_archive(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if _BODY not in archive.namelist():
            raise Unreadable("type-mismatch", "It is a zip archive, but not a Word file.")
        if any(entry.flag_bits & 1 for entry in entries):
            raise Unreadable("encrypted", "The Word file is encrypted; upload it without a password.")
        total = sum(entry.file_size for entry in entries)
        largest = max(entry.file_size for entry in entries)
        if len(entries) > _MOST_ENTRIES or total > _LARGEST_UNPACKED_BYTES or largest > _LARGEST_ENTRY_BYTES:
            raise Unreadable("too-large", "The Word file unpacks to more than is read.")


def _blocks(document: Document) -> Iterator[str]:
    levels = {style.style_id: heading for style in document.styles if (heading := _HEADING.match(style.name or ""))}
    for block in document.iter_inner_content():
        if isinstance(block, Paragraph):
            yield _paragraph(block, levels)
        else:
            yield "\n".join(table_lines(_rows(block)))


def _paragraph(paragraph: Paragraph, levels: Mapping[str, re.Match[str]]) -> str:
    text = " ".join(paragraph.text.split())
    # The public way to a paragraph's style looks through all styles, for every paragraph.
    heading = levels.get(paragraph._p.style or "") if text else None
    return text if heading is None else f"{'#' * int(heading[1] or 1)} {text}"


def _rows(table: Table) -> list[list[str]]:
    rows = [[" ".join(cell.text.split()) for cell in row.cells] for row in table.rows]
    return [row for row in rows if any(row)]
