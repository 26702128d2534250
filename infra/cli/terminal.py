"""Showing results: tables and panels for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_PIPE_COLUMNS = 200
_DECIMALS = 4
_MOST_DECIMALS = 8
_STATUS_COLOURS = {"queued": "yellow", "ringing": "yellow", "in-progress": "green", "ended": "dim"}


def print_json(value: object, *, line: bool = False) -> None:
    """``line`` writes one compact line, for streams of values."""
    text = json.dumps(value, ensure_ascii=False, default=str, indent=None if line else 2)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "") -> None:
    """Right-aligns numbers; without rows prints ``empty``, a sentence that says how to get some."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    found = list(rows)
    console = _console()
    if not found:
        console.print(Text(empty or f"no {title.lower()}"))
        return
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, header_style="bold")
    for index, column in enumerate(columns):
        numeric = all(isinstance(row[index], (int, float)) or row[index] is None for row in found)
        whole = column == "id"
        table.add_column(column, justify="right" if numeric else "left", overflow="fold", no_wrap=numeric or whole)
    cells = [_shown_alike([row[index] for row in found]) for index in range(len(columns))]
    for row in zip(*cells, strict=True):
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def print_bars(columns: Sequence[str], rows: Sequence[Sequence[object]], measured: str) -> None:
    """A bar for each row: as long as its value in the column ``measured``, behind the text and times of the row.

    Values below 0 have none. Raises ``ValueError`` where there is no such column, or it holds anything but numbers.
    """
    from rich.bar import Bar
    from rich.table import Table
    from rich.text import Text

    numeric = [
        name
        for index, name in enumerate(columns)
        if all(isinstance(row[index], (int, float)) or row[index] is None for row in rows)
    ]
    if measured not in numeric:
        raise ValueError(
            f"no bars can be drawn of {measured!r}; columns of numbers are: {', '.join(numeric) or 'none'}"
        )
    place = columns.index(measured)
    labels = [index for index, name in enumerate(columns) if name not in numeric] or [
        index for index in range(len(columns)) if index != place
    ]
    lengths = [max(value, 0.0) if isinstance(value := row[place], (int, float)) else 0.0 for row in rows]
    grid = Table.grid(padding=(0, 2), expand=True)
    for _ in labels:
        grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(ratio=1)
    shares = _shown_alike([row[place] for row in rows])
    for row, value, length in zip(rows, shares, lengths, strict=True):
        bar = Bar(max(lengths) or 1.0, 0, length, color="cyan")
        grid.add_row(*(Text(shown(row[index])) for index in labels), Text(value), bar)
    console = _console()
    console.print(Text(measured, style="bold"))
    console.print(grid)


def print_facts(facts: Mapping[str, object]) -> None:
    """Two columns: what, and its value; nothing for absent values."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in facts.items():
        if value not in (None, "", [], {}):
            grid.add_row(name, Text(shown(value), style=_STATUS_COLOURS.get(str(value), "")))
    _console().print(grid)


def _console() -> Console:
    """A pipe has no width: what a person would have to unwrap again is left on one line there."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=_PIPE_COLUMNS)


def shown(value: object) -> str:
    """A value as a person reads it in a table cell."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.4g}"
        case datetime():
            return value.isoformat(sep=" ", timespec="milliseconds")
        case dict() | list():
            return json.dumps(value, ensure_ascii=False, default=str)
        case _:
            return str(value)


def _shown_alike(values: Sequence[object]) -> list[str]:
    """The cells of a column. Fractions of one column have the same number of decimals, as many as tell them apart."""
    fractions = [value for value in values if isinstance(value, float) and isfinite(value)]
    if not fractions or not all(isinstance(value, (int, float)) or value is None for value in values):
        return [shown(value) for value in values]
    least = min((abs(value) for value in fractions if value), default=1.0)
    most = _DECIMALS if least >= 10**-_DECIMALS else _MOST_DECIMALS
    needed = max(len(f"{value:.{most}f}".rstrip("0").partition(".")[2]) for value in fractions)
    return [
        f"{value:,.{needed}f}" if isinstance(value, float) and isfinite(value) else shown(value) for value in values
    ]


def clock_time(iso: object) -> str:
    """``2026-11-21T10:42:03.120Z`` as ``10:42:03`` of the local day, the date in front on other days."""
    if not isinstance(iso, str) or not iso:
        return ""
    instant = datetime.fromisoformat(iso).astimezone()
    return instant.strftime("%H:%M:%S" if instant.date() == datetime.now().astimezone().date() else "%Y-%m-%d %H:%M")


def compact(value: Any, length: int = 96) -> str:
    """JSON on one line, cut to ``length`` characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= length else text[: length - 1] + "…"
