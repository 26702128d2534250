"""SQL over an archive: DuckDB on two views, for one read-only statement that reaches no other file and no network."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import msgspec
from duckdb.func import SPECIAL
from duckdb.sqltypes import DOUBLE, VARCHAR

from domain.event import Recorded
from domain.log.codec import EventCodec
from domain.pricing.cost import PARTS, priced
from streams.archive.parquet import connected, literal
from streams.archive.segment import segments

MEMORY = "1GB"
"""What a question may use; DuckDB's sums and sorts are refused beyond it, since nothing is written to disk for them."""

SECONDS = 60.0
"""How long a question may take."""

_EVENTS = """
CREATE VIEW events AS SELECT shard, ordinal, sequence, commit_id, org_id, originator_id, originator_version, type, v,
    id, time, CASE WHEN json_valid(body) THEN json_extract(body, '$.data') END AS data, body, raw
  FROM {} WHERE ordinal IS NOT NULL"""

_RECORDS = """
CREATE VIEW records AS SELECT shard, sequence, any_value(outcome) AS outcome, any_value(reason) AS reason,
    any_value(commit_id) AS commit_id, min(ordinal) AS first_ordinal, count(ordinal) AS events,
    any_value(tracking_name) AS tracking_name, any_value(tracking_position) AS tracking_position,
    lower(hex(any_value(chain))) AS chain, CASE WHEN count(ordinal) = 0 THEN any_value(raw) END AS raw
  FROM {} GROUP BY shard, sequence"""

_HISTORY = """
SELECT originator_version, type, body, raw FROM events WHERE originator_id=? ORDER BY originator_version"""

_ASKING = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)


class _Reading(msgspec.Struct, frozen=True):
    """The data of a meter reading, of a call or a chat, as far as prices depend on it."""

    meter: str
    provider: str
    quantities: dict[str, float]
    price_table: str
    model: str = ""
    config: dict[str, Any] = msgspec.field(default_factory=dict)


_reading = msgspec.json.Decoder(_Reading)


class NoArchive(Exception):
    """There are no segments where an archive was looked for."""


class Unanswerable(Exception):
    """The statement is not one that is answered, is wrong, or needs too much."""


class Answer(msgspec.Struct, frozen=True):
    """Rows of one statement; ``elapsed_ms`` includes opening the files."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    elapsed_ms: float


class Archive:
    """The segments of a folder, opened for questions."""

    def __init__(self, engine: duckdb.DuckDBPyConnection, memory: str) -> None:
        self._engine = engine
        self._memory = memory

    def ask(self, statement: str, *, limit: int, seconds: float = SECONDS) -> Answer:
        """Run one statement that reads. Raises ``Unanswerable``."""
        begun = time.perf_counter()
        timer = threading.Timer(seconds, self._engine.interrupt)
        timer.start()
        try:
            statements = self._engine.extract_statements(statement)
            if len(statements) != 1 or statements[0].type not in _ASKING:
                raise Unanswerable("an archive answers one SELECT, DESCRIBE, SUMMARIZE, SHOW or EXPLAIN statement")
            found = self._engine.execute(statements[0])
            rows = found.fetchmany(limit)
            columns = [column[0] for column in found.description or ()]
        except duckdb.InterruptException:
            raise Unanswerable(
                f"no answer within {seconds:g} s; narrow the question, by time or shard for one"
            ) from None
        except duckdb.OutOfMemoryException:
            raise Unanswerable(f"the question needs more than {self._memory} of memory; narrow or group it") from None
        except duckdb.Error as problem:
            raise Unanswerable(str(problem)) from problem
        finally:
            timer.cancel()
        return Answer(columns, rows, (time.perf_counter() - begun) * 1000)

    def history(self, originator_id: str, codec: EventCodec) -> list[Recorded]:
        """An originator's archived events in order of version; none where it has none. Raises the codec's errors."""
        return [
            codec.decode(type_name, raw if body is None else body.encode(), originator_id, version)
            for version, type_name, body, raw in self._engine.execute(_HISTORY, (originator_id,)).fetchall()
        ]


@contextmanager
def opened_archive(folder: Path, *, memory: str = MEMORY) -> Iterator[Archive]:
    """The views ``events`` and ``records`` over an archive, and the function ``cost_usd`` of the data of an event.

    Raises ``NoArchive`` and ``Unanswerable``.

    The engine may open the archive's own files and nothing else, and its settings are locked before a question.
    """
    files = segments(folder)
    if not files:
        raise NoArchive(f"there is no archive in {folder}; `callfold archive --to {folder}` writes one")
    paths = f"[{', '.join(literal(str(segment.path)) for segment in files)}]"
    with closing(connected(threads="2", memory_limit=memory)) as engine:
        try:
            engine.create_function("cost_usd", _cost_usd, [VARCHAR], DOUBLE, null_handling=SPECIAL)
            engine.execute("SET temp_directory=''")
            engine.execute(f"SET allowed_paths={paths}")
            engine.execute("SET enable_external_access=false")
            engine.execute("SET lock_configuration=true")
            for view in (_EVENTS, _RECORDS):
                engine.execute(view.format(f"read_parquet({paths})"))
        except duckdb.Error as problem:
            raise Unanswerable(f"the archive in {folder} cannot be read: {problem}") from problem
        yield Archive(engine, memory)


def _cost_usd(data: str | None) -> float | None:
    """What a meter reading comes to by the price table that it names: no column has it, as prices are not on the log.
    Nothing where there is no such price, and for whatever is no reading."""
    try:
        _, parts = priced(_reading.decode(data or ""))
    except msgspec.MsgspecError:
        return None
    return None if parts is None else parts / PARTS
