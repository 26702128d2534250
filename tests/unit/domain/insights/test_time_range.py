"""Given times as insights state them, then the span is the one that people mean."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain.insights.time_range import TimeRange, TimeRangeInvalid, faults, resolved

NOW = datetime(2026, 3, 31, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        (TimeRange(), "2026-03-24T10:30:00+00:00", "2026-03-31T10:30:00+00:00"),
        (TimeRange(start="-36h"), "2026-03-29T22:30:00+00:00", "2026-03-31T10:30:00+00:00"),
        (TimeRange(start="-2w", end="-1w"), "2026-03-17T10:30:00+00:00", "2026-03-24T10:30:00+00:00"),
        # A month back from the 31st is the last day of February, on the same hour of the place's clock.
        (TimeRange(start="-1m"), "2026-02-28T10:30:00+00:00", "2026-03-31T10:30:00+00:00"),
        (TimeRange(start="-1m", timezone="Europe/Berlin"), "2026-02-28T11:30:00+00:00", "2026-03-31T10:30:00+00:00"),
        (TimeRange(start="-15m"), "2024-12-31T10:30:00+00:00", "2026-03-31T10:30:00+00:00"),
        (TimeRange(start="-1y"), "2025-03-31T10:30:00+00:00", "2026-03-31T10:30:00+00:00"),
        (TimeRange(start="2026-03-01"), "2026-03-01T00:00:00+00:00", "2026-03-31T10:30:00+00:00"),
        (TimeRange(start="2026-03-01", timezone="Asia/Tokyo"), "2026-02-28T15:00:00+00:00", NOW.isoformat()),
        (TimeRange(start="2026-03-01T00:00:00+05:30"), "2026-02-28T18:30:00+00:00", NOW.isoformat()),
    ],
)
def test_the_span_that_is_meant(asked: TimeRange, start: str, end: str) -> None:
    assert not list(faults(asked))
    span = resolved(asked, NOW)
    assert (span.start.isoformat(), span.end.isoformat(), span.timezone) == (start, end, asked.timezone)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (TimeRange(start="yesterday"), "start"),
        (TimeRange(start="-7"), "start"),
        (TimeRange(start="-7x"), "start"),
        (TimeRange(end="+7d"), "end"),
        (TimeRange(end="-9999999d"), "end"),
        (TimeRange(start="-999999y"), "start"),
        (TimeRange(start="1900-01-01"), "start"),
        (TimeRange(timezone="Mars/Olympus"), "timezone"),
        (TimeRange(timezone="../etc/passwd"), "timezone"),
        (TimeRange(start="2026-02-01", end="2026-01-01"), "start"),
        (TimeRange(start="-1d", end="-2d"), "start"),
    ],
)
def test_what_is_wrong_at_any_moment_is_named(asked: TimeRange, field: str) -> None:
    assert [fault.field for fault in faults(asked)] == [field]
    with pytest.raises(TimeRangeInvalid) as refused:
        resolved(asked, NOW)
    assert refused.value.field == field


def test_what_is_wrong_only_now_is_found_when_it_is_asked() -> None:
    asked = TimeRange(start="-1d", end="2020-01-01")
    assert not list(faults(asked))
    with pytest.raises(TimeRangeInvalid, match="must be before the end"):
        resolved(asked, NOW)
