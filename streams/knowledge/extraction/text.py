"""Plain text and what is almost that: Markdown, tables of values, JSON."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, Final

from streams.knowledge.extraction.refusal import Unreadable

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ufeff\u200b\ufffe\uffff]|[\ud800-\udfff]")
_BLANK_LINES: Final = re.compile(r"\n(?:[ \t]*\n){2,}")
_LINE_ENDS: Final = re.compile(r"[ \t]+(?=\n|\f|$)")
_DELIMITERS: Final = ",;\t|"
_LARGEST_CELL: Final = 1_000_000
_DEEPEST_JSON: Final = 100


def decoded(content: bytes) -> str:
    """Text of bytes: by the byte order mark, else UTF-8, else Windows-1252 (which every byte is legal in, nearly)."""
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def cleaned(text: str) -> str:
    """Line ends as ``\\n``, composed characters (NFC), nothing unprintable, no trailing blanks, single blank lines."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _LINE_ENDS.sub("", _UNPRINTABLE.sub("", text))
    return _BLANK_LINES.sub("\n\n", text).strip()


def from_csv(text: str) -> str:
    """A line per row that names every value by its column, so that a row can be understood alone."""
    csv.field_size_limit(_LARGEST_CELL)
    first = text.partition("\n")[0]
    # The library's own guess at a dialect takes time that grows with the square of what it looks at.
    delimiter = max(_DELIMITERS, key=first.count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(cell.strip() for cell in row)]
    except csv.Error as fault:
        raise Unreadable("damaged", f"The table cannot be read: {fault}.") from None
    return "\n".join(table_lines(rows))


def table_lines(rows: list[list[str]]) -> Iterator[str]:
    """Rows under their first one, as ``Service: Cleaning; Price: 90``. A lone row, or one of one cell, as it is."""
    if len(rows) < 2 or len(rows[0]) < 2:
        yield from ("; ".join(cell.strip() for cell in row if cell.strip()) for row in rows)
        return
    names = [name.strip() for name in rows[0]]
    for row in rows[1:]:
        named = ((names[index] if index < len(names) else "", cell.strip()) for index, cell in enumerate(row))
        yield "; ".join(f"{name}: {cell}" if name else cell for name, cell in named if cell)


def from_json(text: str) -> str:
    """A line per value with the path to it; things in lists are paragraphs. Also for a value on every line."""
    try:
        values = [_parsed(text)]
    except json.JSONDecodeError as fault:
        try:
            values = [_parsed(line) for line in text.splitlines() if line.strip()]
        except json.JSONDecodeError:
            raise Unreadable("damaged", f"It is no JSON: {fault}.") from None
    return "\n\n".join("\n".join(_lines(value, "", 0)) for value in values)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_int=str, parse_float=str)
    except RecursionError:
        raise Unreadable("damaged", "Its JSON is nested too deeply.") from None


def _lines(value: Any, path: str, depth: int) -> Iterable[str]:
    if depth > _DEEPEST_JSON:
        raise Unreadable("damaged", f"Its JSON is nested more than {_DEEPEST_JSON} deep.")
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _lines(item, f"{path} {key}".strip(), depth + 1)
    elif isinstance(value, list):
        if all(not isinstance(item, dict | list) for item in value):
            yield from _lines(", ".join(_shown(item) for item in value), path, depth)
            return
        for item in value:
            yield from _lines(item, path, depth + 1)
            yield ""
    elif (shown := _shown(value)) != "":
        yield f"{path}: {shown}" if path else shown


def _shown(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)
