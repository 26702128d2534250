"""When an insight looks: absolute times, or times relative to the moment it is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

DEFAULT_START: Final = "-7d"
DEFAULT_END: Final = "now"
DEFAULT_STEP: Final = "day"
DEFAULT_TIMEZONE: Final = "UTC"

EARLIEST, LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2262, 1, 1, tzinfo=UTC)
"""What the tables' times can hold, with a day to spare for time zones."""

TIME_RULE: Final = (
    "must be an ISO 8601 time from 1970 to 2261 such as 2026-01-31T00:00:00Z, a date, now, or a time back such as -7d "
    "(h hours, d days, w weeks, m months, y years)"
)
_SOME_MOMENT: Final = datetime(2200, 1, 1, tzinfo=UTC)
_BACK: Final = re.compile(r"-([0-9]{1,6})([hdwmy])", re.ASCII)
_SPANS: Final = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_MONTHS: Final = {"m": 1, "y": 12}


class TimeRange(msgspec.Struct, frozen=True, kw_only=True):
    """As it was asked for: ``start`` and ``end`` are texts that ``TIME_RULE`` describes."""

    start: str = DEFAULT_START
    end: str = DEFAULT_END
    timezone: str = DEFAULT_TIMEZONE
    step: str = DEFAULT_STEP


class Span(msgspec.Struct, frozen=True):
    """From ``start`` up to, not including, ``end``, both UTC; ``timezone`` says where days begin."""

    start: datetime
    end: datetime
    timezone: str


class TimeRangeInvalid(Exception):
    """``field`` of the time range is wrong; ``rule`` continues its path."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"timeRange.{field} {rule}")
        self.field = field
        self.rule = rule


def faults(asked: TimeRange) -> Iterator[TimeRangeInvalid]:
    """What is wrong with the range at any moment. Whether it is the right way round is judged where that is known."""
    try:
        zone = _zone(asked.timezone)
    except TimeRangeInvalid as fault:
        yield fault
        zone = ZoneInfo(DEFAULT_TIMEZONE)
    times = []
    for field in ("start", "end"):
        try:
            times.append(_instant(getattr(asked, field), field, zone, _SOME_MOMENT))
        except TimeRangeInvalid as fault:
            yield fault
    if len(times) == 2 and _is_relative(asked.start) == _is_relative(asked.end) and times[0] >= times[1]:
        yield TimeRangeInvalid("start", "must be before the end")


def resolved(asked: TimeRange, now: datetime) -> Span:
    """The span that is meant at ``now``. Raises ``TimeRangeInvalid``."""
    zone = _zone(asked.timezone)
    start, end = (_instant(getattr(asked, field), field, zone, now) for field in ("start", "end"))
    if not start < end:
        raise TimeRangeInvalid("start", f"must be before the end, which is {end.isoformat()}")
    return Span(start, end, asked.timezone)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise TimeRangeInvalid("timezone", "must be an IANA time zone name such as Europe/Berlin") from None


def _instant(text: str, field: str, zone: ZoneInfo, now: datetime) -> datetime:
    try:
        found = _back(text, zone, now) if _is_relative(text) else _absolute(text, zone)
    except (ValueError, OverflowError):
        found = None
    if found is None or not EARLIEST <= found <= LATEST:
        raise TimeRangeInvalid(field, TIME_RULE)
    return found


def _is_relative(text: str) -> bool:
    return text == "now" or text.startswith("-")


def _absolute(text: str, zone: ZoneInfo) -> datetime:
    """A time without an offset is one of the insight's time zone."""
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo is not None else time.replace(tzinfo=zone)).astimezone(UTC)


def _back(text: str, zone: ZoneInfo, now: datetime) -> datetime | None:
    if text == "now":
        return now
    matched = _BACK.fullmatch(text)
    if matched is None:
        return None
    number, unit = int(matched[1]), matched[2]
    if unit in _SPANS:
        return now - number * _SPANS[unit]
    local = now.astimezone(zone)
    months = local.year * 12 + local.month - 1 - number * _MONTHS[unit]
    year, month = divmod(months, 12)
    return local.replace(year=year, month=month + 1, day=min(local.day, _last_day(year, month + 1))).astimezone(UTC)


def _last_day(year: int, month: int) -> int:
    following = date(year + month // 12, month % 12 + 1, 1)
    return (following - timedelta(days=1)).day
