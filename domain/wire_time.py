"""Times as Vapi's wire shows them, https://docs.vapi.ai/api-reference: ISO 8601 with milliseconds, or epoch ms."""

from __future__ import annotations

from datetime import UTC, datetime


def iso_ms(time: datetime) -> str:
    """``2026-11-21T10:42:02.123Z``."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03d}Z"


def epoch_ms(time: datetime) -> float:
    """Milliseconds since 1970, with their fraction."""
    return round(time.timestamp() * 1000, 3)
