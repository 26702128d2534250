"""Looks at background sounds, put together over the settings: wherever there is an API."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from domain.egress import EgressPolicy
from infra.settings import Settings
from media.call.sound_links import SECONDS, SoundLooks
from media.egress.client import guarded_client


@contextlib.asynccontextmanager
async def opened_sound_links(settings: Settings) -> AsyncIterator[SoundLooks]:
    """Requests go through the guard on tenants' addresses."""
    async with guarded_client(EgressPolicy.parse(settings.egress_allow), timeout_s=SECONDS) as client:
        yield SoundLooks(client)
