"""Showing the call while it happens: redrawn in place on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from infra.demo.transcript import Entry, Transcript

_NAMES = {"assistant": "assistant", "user": "caller", "tool": "tool", "note": "·"}
_STYLES = {"assistant": "cyan", "user": "green", "tool": "magenta", "note": "yellow"}


class Screen:
    """A context manager around one call; ``message`` takes each client message as it arrives."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()
        self._live = Live(console=console, refresh_per_second=12, transient=True) if console.is_terminal else None
        self._printed: set[int] = set()
        self._shown_state = ""
        self.transcript = Transcript()

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        if self._live is not None:
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)
            self._console.print(self._table())

    def message(self, message: dict[str, Any]) -> None:
        """Show what a message tells."""
        entry = self.transcript.take(message, time.monotonic() - self._started)
        if self._live is not None:
            self._live.update(self._view())
            return
        if self.transcript.state != self._shown_state:
            self._shown_state = self.transcript.state
            self._console.print(f"{self._clock()} call   {self._state()}", highlight=False, soft_wrap=True)
        if entry is not None and entry.final and id(entry) not in self._printed:
            self._printed.add(id(entry))
            line = f"{_clock(entry.at_s)} {_NAMES[entry.kind]:<9} {entry.text}"
            self._console.print(Text(line), soft_wrap=True)

    def _view(self) -> Panel:
        height = max(self._console.height - 8, 6)
        status = Spinner("dots", Text(f" {self._clock()}  {self._state()}", style="bold"))
        return Panel(
            Group(status, Text(), self._table(self.transcript.entries[-height:])), title="live call", width=100
        )

    def _table(self, entries: list[Entry] | None = None) -> Table:
        table = Table.grid(padding=(0, 1))
        for entry in self.transcript.entries if entries is None else entries:
            style = _STYLES[entry.kind]
            words = Text(entry.text, style="" if entry.final else "italic dim")
            table.add_row(Text(_clock(entry.at_s), style="dim"), Text(f"{_NAMES[entry.kind]:>9}", style=style), words)
        return table

    def _clock(self) -> str:
        return _clock(time.monotonic() - self._started)

    def _state(self) -> str:
        state = self.transcript.state
        if self.transcript.ended_reason:
            return f"{state}: {self.transcript.ended_reason}"
        who = {"assistant": "assistant speaking", "user": "caller speaking"}.get(self.transcript.speaking, "listening")
        return f"{state}, {who}" if state == "in-progress" and self._live is not None else state


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60):02}:{seconds % 60:04.1f}"
