"""Small files of every kind that text is read from, made here so that what stands in them is plain to see."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence

from docx import Document
from pypdf import PdfReader, PdfWriter


def pdf(*pages: Sequence[str]) -> bytes:
    """A PDF whose pages hold these lines (ISO 32000-1, with a standard font)."""
    objects: dict[int, bytes] = {1: b"<< /Type /Catalog /Pages 2 0 R >>"}
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
    objects[3] = font
    kids = []
    for number, lines in enumerate(pages):
        page, stream = 4 + 2 * number, 5 + 2 * number
        kids.append(f"{page} 0 R")
        drawn = "".join(f"({_escaped(line)}) Tj 0 -16 Td\n" for line in lines)
        content = zlib.compress(f"BT /F1 12 Tf 60 760 Td\n{drawn}ET".encode("cp1252"))
        objects[page] = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {stream} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        ).encode()
        objects[stream] = b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (len(content), content)
    objects[2] = f"<< /Type /Pages /Count {len(pages)} /Kids [{' '.join(kids)}] >>".encode()
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number in sorted(objects):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, objects[number])
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def _escaped(line: str) -> str:
    return line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def encrypted_pdf(*lines: str) -> bytes:
    """A PDF that nobody can read without its password."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf(lines))))
    writer.encrypt("open sesame", algorithm="AES-256")
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


def docx(title: str, paragraphs: Sequence[str], table: Sequence[Sequence[str]] = ()) -> bytes:
    """A Word file: a heading, paragraphs, and a table between the first and the others."""
    document = Document()
    document.add_heading(title, 1)
    for number, paragraph in enumerate(paragraphs):
        document.add_paragraph(paragraph)
        if number == 0 and table:
            made = document.add_table(len(table), len(table[0]))
            for row, cells in enumerate(table):
                for column, text in enumerate(cells):
                    made.cell(row, column).text = text
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def archive(entries: Mapping[str, bytes]) -> bytes:
    """A zip archive of anything."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in entries.items():
            zipped.writestr(name, content)
    return target.getvalue()


def with_entry(original: bytes, name: str, content: bytes) -> bytes:
    """A zip archive with one entry put in the place of another."""
    with zipfile.ZipFile(io.BytesIO(original)) as zipped:
        entries = {entry: zipped.read(entry) for entry in zipped.namelist()}
    return archive({**entries, name: content})
