"""Keeping what came of deliveries: on the log, many attempts of an endpoint in one commit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from domain.event import Event
from domain.log.ports import Commands, IdSource, LogUnavailable
from domain.webhook.aggregate import ENDPOINT
from domain.webhook.commands import RecordDeliveries

logger = logging.getLogger(__name__)

GATHER_SECONDS: Final = 0.05
AGAIN_SECONDS: Final = 1.0
MOST_AT_ONCE: Final = 500
"""Facts of one commit."""


class Recorder:
    """``add`` from the loop it runs on. What could not be recorded yet is sent again under the same commit id."""

    def __init__(
        self, commands: Commands, new_id: IdSource, reached: Callable[[str], None] = lambda point: None
    ) -> None:
        self._commands = commands
        self._new_id = new_id
        self._reached = reached
        self._waiting: dict[str, tuple[str, str, list[Event]]] = {}
        self._some = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def add(self, org_id: str, endpoint: str, origin: str, fact: Event) -> None:
        """To be recorded soon."""
        self._waiting.setdefault(endpoint, (org_id, origin, []))[2].append(fact)
        self._idle.clear()
        self._some.set()

    async def run(self) -> None:
        """For ever; cancel it after ``flushed``."""
        while True:
            await self._some.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._some.clear()
            waiting, self._waiting = self._waiting, {}
            async with asyncio.TaskGroup() as recording:
                for endpoint, (org_id, origin, facts) in waiting.items():
                    recording.create_task(self._record(endpoint, org_id, origin, facts))
            if not self._waiting:
                self._idle.set()

    async def flushed(self) -> None:
        """Wait until everything is on the log."""
        await self._idle.wait()

    async def _record(self, endpoint: str, org_id: str, origin: str, facts: list[Event]) -> None:
        for at in range(0, len(facts), MOST_AT_ONCE):
            command = RecordDeliveries(org_id=org_id, origin=origin, facts=tuple(facts[at : at + MOST_AT_ONCE]))
            commit_id = self._new_id()
            self._reached("before_record")
            while True:
                try:
                    await self._commands.execute(ENDPOINT, endpoint, command, commit_id=commit_id)
                    break
                except LogUnavailable as problem:
                    logger.warning("webhooks.not_recorded", extra={"reason": str(problem)})
                    await asyncio.sleep(AGAIN_SECONDS)
            self._reached("after_record")
