"""Reading and writing segments with DuckDB."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import duckdb
import msgspec

from streams.archive.rows import Row
from streams.archive.segment import COLUMNS, FOOTER_KEY, FORMAT, Footer
from streams.flushing import flush

ROW_GROUP = 10_000
"""Rows of which one history is read at the least; larger groups compress little better."""

_AT_ONCE = 2_000
_ENGINE = {
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
_CREATE = f"CREATE TEMP TABLE segment ({', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())})"
_SORTED = "SELECT * FROM segment ORDER BY originator_id NULLS LAST, originator_version, sequence"

_ERRNO = re.compile(r'"errno":"(\d+)"')

_decode_footer = msgspec.json.Decoder(Footer).decode
_encode_footer = msgspec.json.Encoder().encode


class UnreadableSegment(Exception):
    """A file that is no segment of a format known here."""


def connected(**settings: str) -> duckdb.DuckDBPyConnection:
    """A DuckDB of its own in memory, which loads nothing that did not come with it."""
    return duckdb.connect(":memory:", config={**_ENGINE, **settings})


def write_segment(engine: duckdb.DuckDBPyConnection, rows: Iterable[Row], footer: Footer, to: Path) -> None:
    """Write rows so that ``to`` appears whole or not at all, and stays. It quotes callers: only its owner may read it.

    Raises ``FileExistsError``, for what an archive has is never written again, and ``OSError`` of a full disk, say.
    """
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = to.with_name(f".{to.name}.partial")
    try:
        engine.execute(_CREATE)
        appender = engine.appender("segment")
        remaining = iter(rows)
        while some := list(islice(remaining, _AT_ONCE)):
            appender.append_rows(some)
            appender.flush()
        content = literal(_encode_footer(footer).decode())
        engine.execute(
            f"COPY ({_SORTED}) TO {literal(str(partial))} (FORMAT parquet, COMPRESSION zstd,"
            f" ROW_GROUP_SIZE {ROW_GROUP}, KV_METADATA {{{FOOTER_KEY}: {content}}})"
        )
        partial.chmod(0o600)
        flush(partial)
        os.link(partial, to)
        flush(to.parent)
    except duckdb.IOException as problem:
        raise _as_os_error(problem, to) from problem
    finally:
        engine.execute("DROP TABLE IF EXISTS segment")
        partial.unlink(missing_ok=True)


def _as_os_error(problem: duckdb.IOException, path: Path) -> OSError:
    """What the operating system said, which the engine quotes by its number among much else."""
    told = _ERRNO.search(str(problem))
    if told is None:
        return OSError(str(problem))
    return OSError(int(told[1]), os.strerror(int(told[1])), str(path))


def read_footer(engine: duckdb.DuckDBPyConnection, path: Path) -> Footer:
    """What the segment says of itself. Raises ``UnreadableSegment``."""
    try:
        found = engine.execute(
            "SELECT value FROM parquet_kv_metadata(?) WHERE key=?", (str(path), FOOTER_KEY.encode())
        ).fetchone()
        if found is None:
            raise UnreadableSegment("its footer says nothing of a log")
        footer = _decode_footer(found[0])
    except (duckdb.Error, msgspec.MsgspecError) as problem:
        raise UnreadableSegment(f"its footer cannot be read: {problem}") from problem
    if footer.format != FORMAT:
        raise UnreadableSegment(f"it has format {footer.format}, and this build reads {FORMAT}")
    return footer


def read_rows(engine: duckdb.DuckDBPyConnection, path: Path) -> Iterator[Row]:
    """Its rows in the order of the log. Raises ``UnreadableSegment``."""
    try:
        found = engine.execute(
            f"SELECT {', '.join(COLUMNS)} FROM read_parquet(?) ORDER BY sequence, ordinal",  # noqa: S608  # our columns
            (str(path),),
        )
        while rows := found.fetchmany(_AT_ONCE):
            yield from map(Row._make, rows)
    except duckdb.Error as problem:
        raise UnreadableSegment(f"its rows cannot be read: {problem}") from problem


def literal(text: str) -> str:
    """A text as SQL writes it, where a statement takes no parameters."""
    return "'" + text.replace("'", "''") + "'"
