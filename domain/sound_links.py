"""Whether an address serves a sound that calls can play: asked of whoever may make requests to tenants' addresses."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

Reason = Literal[
    "invalid-url", "blocked-address", "unreachable", "timeout", "too-many-redirects", "http-error", "not-audio"
]
"""Vapi's words for why a sound would not be played."""


class SoundLink(msgspec.Struct, frozen=True, kw_only=True):
    """What came of looking: ``reason`` is there unless it can be played; ``status`` and ``content_type`` are those of
    the answer, if there was one."""

    reason: Reason | None = None
    status: int | None = None
    content_type: str | None = None


class SoundLinks(Protocol):
    """Looks at addresses of sounds."""

    async def look(self, url: str) -> SoundLink:
        """Fetch it as a call would. Never raises for what is found there."""
