"""Times as Vapi's wire shows them, https://docs.vapi.ai/api-reference: ISO 8601 with milliseconds, or epoch ms."""

from __future__ import annotations

from datetime import UTC, datetime


def iso_ms(time: datetime) -> str:
    """``2026-11-21T10:42:02.123Z``."""
    # Formatting by pattern takes several times as long, and lists show two times an object.
    return time.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def epoch_ms(time: datetime) -> float:
    """Milliseconds since 1970, with their fraction."""
    return round(time.timestamp() * 1000, 3)
