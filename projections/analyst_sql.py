"""An analyst's own statement: only reading, only our tables, within limits of time, memory and rows.

Three walls stand one behind the other. The text is split into tokens, so that there is exactly one statement of a
reading kind and no ``INTO OUTFILE``. The engine's own parser then names every function and table of it
(``EXPLAIN AST`` runs nothing), and those that reach files, networks or other databases are refused: table functions
but for a few, and scalar functions by the category that the engine files them under. Last, the statement runs on a
client that the engine holds read-only, with row filters and caps that it cannot lift.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import pairwise
from time import perf_counter
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from domain.analytics import QueryProblem, QueryRejected, SqlResult
from projections.store import AnalyticsStore, Limits

STATEMENTS = ("SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN")

TABLE_FUNCTIONS = frozenset({"numbers", "generate_series", "generateseries", "values", "zeros", "null", "view"})
"""Functions that may stand where a table does: they make rows from nothing."""

REFUSED_CATEGORIES = frozenset(
    {"AI", "Dictionary", "Embedded Dictionary", "Internal", "Introspection", "Machine Learning", "Other"}
)
"""They call models over the network, read files and dictionaries, or show the machine rather than the data."""

OTHER_FUNCTIONS = frozenset(
    {
        "bar",
        "bytesize",
        "coalesce",
        "finalizeaggregation",
        "formatreadabledecimalsize",
        "formatreadablequantity",
        "formatreadablesize",
        "formatreadabletimedelta",
        "identity",
        "ignore",
        "initializeaggregation",
        "isconstant",
        "isdecimaloverflow",
        "materialize",
        "neighbor",
        "parsetimedelta",
        "rownumberinallblocks",
        "runningaccumulate",
        "runningconcurrency",
        "runningdifference",
        "totypename",
        "transform",
        "variantelement",
        "varianttype",
        "version",
        "visiblewidth",
    }
)
"""Those of the category Other that only look at their arguments."""

SYSTEM_SCHEMAS = ("system", "information_schema")

_TOKEN = re.compile(
    r"""
    (?P<comment>--[^\n]*|\#[ !][^\n]*|/\*.*?\*/)
  | (?P<text>'(?:[^'\\]|\\.|'')*')
  | (?P<identifier>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*")
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<space>\s+)
  | (?P<number>[0-9][0-9A-Za-z_.]*)
  | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_FUNCTION = re.compile(r"^(?P<indent> *)Function (?P<name>\S+)", re.MULTILINE)
_TABLE = re.compile(r"^ *(?:TableIdentifier|Identifier) (?P<name>\S+)", re.MULTILINE)
_SELECTED = "SelectWithUnionQuery"
_READING_NODES = (_SELECTED, "SelectIntersectExceptQuery", "ShowTables", "ShowColumns", "DescribeQuery")


def run_statement(store: AnalyticsStore, statement: str, *, org_id: str | None, limits: Limits) -> SqlResult:
    """Run one reading statement. Raises ``QueryRejected`` with what is wrong with it, or what the engine said.

    With ``org_id`` the statement sees that organisation's rows alone and no system tables.
    """
    text = _single_statement(statement)
    settings: dict[str, Any] = limits.settings()
    if org_id is not None:
        settings["additional_table_filters"] = _row_filters(store.client(), org_id)
    with store.read_only(settings) as client:
        try:
            root = _checked(client, text, org_id)
            began = perf_counter()
            found = client.query(text)
            columns = [(name, kind.name) for name, kind in zip(found.column_names, found.column_types, strict=True)]
            if not columns and root == _SELECTED:
                # An answer without rows comes without columns too.
                columns = [(row[0], row[1]) for row in client.query(f"DESCRIBE ({text}\n)").result_rows]
        except ClickHouseError as error:
            raise _rejected(f"was refused by the engine: {error}") from error
        return SqlResult(
            columns=tuple(name for name, _ in columns),
            types=tuple(kind for _, kind in columns),
            rows=tuple(tuple(row) for row in found.result_rows[: limits.result_rows]),
            elapsed_ms=round((perf_counter() - began) * 1000, 3),
        )


def _single_statement(statement: str) -> str:
    words: list[str] = []
    tail: tuple[str, str] = ("", "")
    end = len(statement)
    closed = False
    for token in _TOKEN.finditer(statement):
        kind, text = token.lastgroup, token.group()
        if kind in ("space", "comment"):
            continue
        if closed:
            raise _rejected("must be one statement: nothing may follow the semicolon")
        if kind == "mark" and text == ";":
            closed, end = True, token.start()
            continue
        tail = (tail[1], text)
        if kind == "mark" and text in "'\"`$":
            raise _rejected(f"has a {text} that opens a quotation and does not close it")
        if kind == "word":
            words.append(text.upper())
    if not words or words[0] not in STATEMENTS:
        raise _rejected(f"must begin with one of {', '.join(STATEMENTS)}: this store is only read here")
    for word in ("OUTFILE", "SETTINGS"):
        if word in words:
            raise _rejected(f"may not use {word}; quote it where it is a name")
    if tail[0].upper() == "FORMAT" and tail[1][0].isalpha():
        raise _rejected(f"may not end with FORMAT {tail[1]}: the answer is rows, which the asker prints")
    return statement[:end]


def _checked(client: Client, text: str, org_id: str | None) -> str:
    """The kind of the statement by what the engine's parser sees, one node a line, indented by depth."""
    tree = str(client.command(f"EXPLAIN AST {text}")).replace("\\n", "\n")
    root = tree.split("\n", 1)[0].split(" ", 1)[0]
    if root not in (*_READING_NODES, "Explain"):
        raise _rejected(f"is a {root}, which is not one of reading")
    in_tables, elsewhere = _functions(tree.split("\n"))
    for name in in_tables - TABLE_FUNCTIONS | _reaching_out(client, elsewhere):
        raise _rejected(f"may not use {name}(): it reaches beyond the projection tables")
    if org_id is not None:
        for table in _TABLE.finditer(tree):
            if table["name"].lower().partition(".")[0] in SYSTEM_SCHEMAS:
                raise _rejected(f"may not read {table['name']}: it is not one organisation's")
    return root


def _functions(lines: Sequence[str]) -> tuple[set[str], set[str]]:
    """Names of the functions that stand where a table does, and of all others, in lower case."""
    in_tables: set[str] = set()
    elsewhere: set[str] = set()
    for before, line in pairwise(["", *lines]):
        if function := _FUNCTION.match(line):
            (in_tables if before.lstrip().startswith("TableExpression") else elsewhere).add(function["name"].lower())
    return in_tables, elsewhere


def _reaching_out(client: Client, names: Collection[str]) -> set[str]:
    """Those that the engine does not file under a harmless category. It knows no aggregate with a combinator, as
    ``sumIf``, by that name; a name it does not know at all fails by itself."""
    known = client.query(
        "SELECT lower(functions.name), any(targets.categories) FROM system.functions AS functions "
        "LEFT JOIN system.functions AS targets ON targets.name = "
        "if(functions.alias_to = '', functions.name, functions.alias_to) "
        "WHERE lower(functions.name) IN {names:Array(String)} GROUP BY 1 "
        "UNION ALL SELECT lower(name), 'Table' FROM system.table_functions WHERE lower(name) IN {names:Array(String)}",
        parameters={"names": list(names)},
    ).result_rows
    scalars = {name: category for name, category in known if category != "Table"}
    tables = {name for name, category in known if category == "Table"} - scalars.keys()
    refused = {name for name, category in scalars.items() if category in REFUSED_CATEGORIES} - OTHER_FUNCTIONS
    return refused | (tables - TABLE_FUNCTIONS)


def _row_filters(client: Client, org_id: str) -> str:
    """The setting that adds a condition to every reading of a table, through views too.

    The tables are those that there are, not those that this code knows: older versions, and those of a rebuild, hold
    every organisation's rows as well. Of what has no organisation nothing is shown.
    """
    owned = "org_id = " + _literal(org_id)
    tables = client.query(
        "SELECT tables.name, countIf(columns.name = 'org_id') FROM system.tables AS tables "
        "INNER JOIN system.columns AS columns ON columns.database = tables.database AND columns.table = tables.name "
        "WHERE tables.database = currentDatabase() AND tables.engine NOT LIKE '%View' GROUP BY tables.name"
    ).result_rows
    filters = ", ".join(f"{_literal(name)}: {_literal(owned if is_owned else '0')}" for name, is_owned in tables)
    return "{" + filters + "}"


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _rejected(reason: str) -> QueryRejected:
    return QueryRejected([QueryProblem("sql", reason)])
