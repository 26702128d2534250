"""The ``date`` filter of templates: what counts as a moment, how it is written, and in which time zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.parser import ParserError, parse

_EXTENDED = re.compile(r"%(:z|[sLNqP]|%)")


def format_date(value: Any, pattern: str, zone: Any, *, now: datetime) -> str:
    """Write ``value`` by the strftime ``pattern`` in ``zone``.

    ``value`` is "now", "today", an ISO or everyday date text, or seconds since 1970; a text that is no date comes
    back unchanged. ``zone`` is an IANA name, minutes behind UTC as JavaScript counts them, or ``None`` for UTC.
    Raises ``ValueError`` for an unknown zone and for a moment no calendar holds.
    """
    moment = _moment(value, now)
    if moment is None:
        return str(value)
    local = moment.astimezone(_zone(zone))
    return local.strftime(_EXTENDED.sub(lambda directive: _extended(directive[1], local), pattern))


def _moment(value: Any, now: datetime) -> datetime | None:
    match value:
        case "now" | "today":
            return now
        case datetime():
            return value if value.tzinfo else value.replace(tzinfo=UTC)
        case bool():
            return None
        case int() | float():
            return _from_epoch(value)
        case str() if value.strip().isdecimal():
            return _from_epoch(int(value.strip()))
        case str():
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
            try:
                parsed = parse(value, default=midnight)
            except (ParserError, OverflowError):
                return None
            return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        case _:
            return None


def _from_epoch(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError(f"{seconds} seconds since 1970 are in no calendar year") from error


def _zone(zone: Any) -> tzinfo:
    match zone:
        case None | "":
            return UTC
        case int() | float():
            return timezone(-timedelta(minutes=zone))
        case str():
            try:
                return ZoneInfo(zone)
            except (ZoneInfoNotFoundError, OSError) as error:
                raise ValueError(f"time zone {zone!r} is unknown, use an IANA name such as Europe/Berlin") from error
        case _:
            raise ValueError(f"time zone {zone!r} is neither an IANA name nor minutes")


def _extended(directive: str, local: datetime) -> str:
    """Directives of Ruby's and LiquidJS's strftime that C's lacks or reads from the machine's own zone."""
    match directive:
        case "s":
            return str(int(local.timestamp()))
        case "L":
            return f"{local.microsecond // 1000:03d}"
        case "N":
            return f"{local.microsecond * 1000:09d}"
        case "P":
            return "am" if local.hour < 12 else "pm"
        case "q":
            return _ordinal_suffix(local.day)
        case ":z":
            offset = local.strftime("%z")
            return f"{offset[:3]}:{offset[3:5]}"
        case _:
            return "%%"


def _ordinal_suffix(day: int) -> str:
    if 11 <= day <= 13:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
