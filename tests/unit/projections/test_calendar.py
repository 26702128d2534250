"""Steps of time by the calendar of a zone, on the days on which its clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from projections.calendar import bucket
from projections.store import AnalyticsStore

CHANGES = {
    "Europe/Berlin": ("2026-03-28T20:00", "2026-10-24T20:00"),
    "America/New_York": ("2026-03-07T22:00", "2026-10-31T22:00"),
    "Australia/Lord_Howe": ("2026-04-04T08:00", "2026-10-03T08:00"),  # by half an hour
    "America/Santiago": ("2026-04-04T20:00", "2026-09-05T20:00"),  # at midnight
    "Africa/Cairo": ("2026-04-23T15:00", "2026-10-29T15:00"),
    "Pacific/Auckland": ("2026-04-04T05:00", "2026-09-26T05:00"),
    "Asia/Kolkata": ("2026-10-24T20:00",),  # half an hour beside the others, without changes
}
STEPS = ("minute", "hour", "day", "week", "month", "quarter", "year")


def begin(time: datetime, step: str, zone: str) -> datetime:
    """Where the step begins that a clock on a wall there shows."""
    local = time.astimezone(ZoneInfo(zone))
    if step == "minute":
        return time - timedelta(seconds=local.second)
    if step == "hour":
        # An hour that comes twice is two hours.
        return time - timedelta(minutes=local.minute, seconds=local.second)
    day = local.replace(hour=0, minute=0, second=0, fold=0)
    first = {
        "day": day,
        "week": day - timedelta(days=day.weekday()),
        "month": day.replace(day=1),
        "quarter": day.replace(day=1, month=(day.month - 1) // 3 * 3 + 1),
        "year": day.replace(day=1, month=1),
    }
    return first[step].astimezone(UTC)


@pytest.mark.parametrize("zone", CHANGES)
def test_steps_begin_where_the_zone_says(store: AnalyticsStore, zone: str) -> None:
    """Every ten minutes of the day around each change."""
    times = [
        datetime.fromisoformat(around).replace(tzinfo=UTC) + timedelta(minutes=10 * number, seconds=7)
        for around in CHANGES[zone]
        for number in range(144)
    ]
    shown = [time.strftime("%Y-%m-%d %H:%M:%S") for time in times]
    columns = ", ".join(bucket("time", step) for step in STEPS)
    found = store.client().query(
        f"SELECT {columns} FROM (SELECT toDateTime64(arrayJoin({{times:Array(String)}}), 6, 'UTC') AS time)",
        parameters={"times": shown, "timezone": zone},
    )
    wanted = [tuple(int(begin(time, step, zone).timestamp() * 1000) for step in STEPS) for time in times]
    assert found.result_rows == wanted
