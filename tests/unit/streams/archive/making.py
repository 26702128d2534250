"""Archives for tests: logs to make them of, and harm to do to them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from domain.log.commit import Commit
from streams.archive.archiver import Archived, archive_shard
from streams.archive.parquet import connected, literal, read_footer
from streams.archive.segment import FOOTER_KEY
from streams.archive.source import opened_source
from streams.log.embedded import EmbeddedLog
from tests.contracts.log_contract import SteppingClock, new_id
from tests.contracts.tally import TALLIES, TALLY_TYPES

_LOG = ("SELECT * FROM stored_events ORDER BY ordinal", "SELECT * FROM commits ORDER BY sequence")


def tally_log(path: Path) -> EmbeddedLog:
    return EmbeddedLog.open(path, clock=SteppingClock(), new_id=new_id, aggregates=TALLIES, types=TALLY_TYPES)


def written(path: Path, commits: Iterable[Commit]) -> Path:
    """A log file with these commits appended to what it has."""
    with closing(tally_log(path)) as log:
        for commit in commits:
            log.append(commit)
    return path


def archived(log: Path, to: Path, *, segment_events: int = 3, shard: int = 0) -> Archived:
    with opened_source(log, shard) as source:
        return archive_shard(source, to, segment_events=segment_events)


def content(log: Path) -> list[list[Any]]:
    """The log itself, without what is derived from it."""
    with closing(sqlite3.connect(log)) as connection:
        return [connection.execute(statement).fetchall() for statement in _LOG]


def rewrite(path: Path, statement: str, **footer: Any) -> None:
    """Write a segment anew from a query on its own ``rows``, with its footer or other values in it."""
    from msgspec import json, structs

    with closing(connected()) as engine:
        said = structs.replace(read_footer(engine, path), **footer)
        engine.execute(f"CREATE TABLE rows AS SELECT * FROM read_parquet({literal(str(path))})")
        for part in statement.split(";"):
            engine.execute(part)
        path.unlink()
        engine.execute(
            f"COPY rows TO {literal(str(path))}"
            f" (FORMAT parquet, KV_METADATA {{{FOOTER_KEY}: {literal(json.encode(said).decode())}}})"
        )
