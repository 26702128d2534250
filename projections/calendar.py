"""Cutting time into steps by the calendar of a time zone, in ClickHouse SQL with the parameter ``timezone``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

_YEARS: Mapping[str, str] = MappingProxyType(
    {
        # As PostgreSQL's date_trunc, whose list of steps Vapi's is: centuries begin with year 1, decades with 0.
        "decade": "{year} - {year} % 10",
        "century": "{year} - ({year} - 1) % 100",
        "millennium": "{year} - ({year} - 1) % 1000",
    }
)


def bucket(time: str, step: str) -> str:
    """Milliseconds since 1970 at which the bucket of ``time`` begins. ``step`` is a word of a grammar of ours."""
    local = f"toTimeZone({time}, {{timezone:String}})"
    if step in _YEARS:
        year = _YEARS[step].replace("{year}", f"toYear({local})")
        begin = f"makeDateTime64({year}, 1, 1, 0, 0, 0, 0, 3, {{timezone:String}})"
    elif step == "hour":
        # Not by toStartOfInterval, which is wrong on days that a zone changes by half an hour.
        begin = f"toDateTime64({time}, 0, 'UTC') - toIntervalSecond(toMinute({local}) * 60 + toSecond({local}))"
        begin = f"toDateTime64({begin}, 3, 'UTC')"
    else:
        begin = f"toDateTime64(toStartOfInterval({local}, INTERVAL 1 {step.upper()}), 3, {{timezone:String}})"
    return f"toUnixTimestamp64Milli({begin})"


def time_parameter(time: datetime) -> str:
    """A UTC time as the value of a ``DateTime64(6, 'UTC')`` parameter."""
    return time.strftime("%Y-%m-%d %H:%M:%S.%f")


def shown_bucket(milliseconds: int) -> str:
    """The beginning of a bucket on the wire."""
    return shown_time(datetime.fromtimestamp(milliseconds / 1000, UTC))


def shown_time(time: datetime) -> str:
    """A time on the wire: ISO 8601 in UTC with milliseconds."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
