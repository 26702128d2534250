"""Writing text out for speech."""

from __future__ import annotations

import msgspec


class FormatPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to write out."""

    enabled: bool = True


def speakable(plan: FormatPlan, text: str) -> str:
    """The text as the voice gets it; empty where there is nothing to say."""
    return text.strip()
