"""Structured log lines: an event name and fields, as JSON for machines or as one coloured line for people.

Code logs ``logger.info("call.claimed", extra={"call_id": call_id})``: the message is the event's name, every extra is
a field. Nothing secret and nothing that was said belongs in either.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, TextIO

Format = Literal["auto", "console", "json"]

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}
_COLOURS = {"debug": "2", "info": "36", "warning": "33", "error": "31", "critical": "31;1"}
_QUIET = (
    *("aiokafka", "alembic", "faust", "httpcore", "httpcore2", "httpx", "httpx2", "kafka", "mode"),
    *("uvicorn.access", "uvicorn.error"),
)
"""Libraries whose everyday lines say nothing that our own events do not."""

_TOLD_BY_US = "kafka"
"""A client that tells each failed attempt, five a second while no broker answers; whoever uses it says once what is the
matter and what to do. Its lines are for those who ask for level debug."""


_REPEATING = "aiokafka"
"""Faust's client has no other voice, and while no broker answers it uses it two hundred times a second."""

_REPEATED_SECONDS = 60.0
"""How often the same of its lines is told."""


class OnceInAWhile(logging.Filter):
    """Of a library's lines that say the same, whatever about, one a minute; it says how many were left out before it.

    Levels are not told apart, nor what the line is about: the text it is formatted from says what happened.
    """

    def __init__(self, library: str, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._library = logging.Filter(library)
        self._clock = clock
        self._told: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is told. Called under the handler's own lock or before it: a lost count does no harm."""
        if not self._library.filter(record) or record.levelno <= logging.DEBUG:
            return True
        key, now_s = (record.name, str(record.msg)), self._clock()
        told = self._told.get(key)
        if told is not None and now_s - told[0] < _REPEATED_SECONDS:
            self._told[key] = (told[0], told[1] + 1)
            return False
        self._told[key] = (now_s, 0)
        if told is not None and told[1]:
            record.left_out = told[1]
        return True


def configure(level: str, form: Format, stream: TextIO | None = None) -> None:
    """Send every log line of the process to ``stream`` (standard error) in the given form."""
    target = stream or sys.stderr
    terminal = target.isatty()
    handler = logging.StreamHandler(target)
    people = form == "console" or (form == "auto" and terminal)
    handler.setFormatter(ConsoleLines(colour=terminal) if people else JsonLines())
    handler.addFilter(OnceInAWhile(_REPEATING))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    if root.level > logging.DEBUG:
        logging.getLogger(_TOLD_BY_US).setLevel(logging.CRITICAL)


def fields(record: logging.LogRecord) -> dict[str, object]:
    """What the caller gave as ``extra``."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD and not name.startswith("_")}


class JsonLines(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``event``, the fields, and ``error`` with its trace."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **fields(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class ConsoleLines(logging.Formatter):
    """``10:43:07.512 info    call.claimed call_id=… owner=…``."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
        level = record.levelname.lower()
        shown = f"{level:<7}"
        if self._colour:
            shown = f"\033[{_COLOURS.get(level, '0')}m{shown}\033[0m"
        line = " ".join((time, shown, record.getMessage(), *(f"{n}={v}" for n, v in fields(record).items())))
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line
