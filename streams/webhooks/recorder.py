"""Keeping what came of deliveries: on the log, the attempts at all endpoints of an organisation in one commit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from domain.aggregate import Conflicting
from domain.event import Event
from domain.log.ports import Commands, IdSource, LogUnavailable, Step
from domain.webhook.aggregate import ENDPOINT
from domain.webhook.commands import RecordDeliveries

logger = logging.getLogger(__name__)

GATHER_SECONDS: Final = 0.05
AGAIN_SECONDS: Final = 1.0
MOST_AT_ONCE: Final = 500
"""Facts of one commit."""


@dataclass
class _OfEndpoint:
    origin: str
    facts: list[Event] = field(default_factory=list)


class Recorder:
    """``add`` from the loop it runs on. What could not be recorded yet is sent again under the same commit id."""

    def __init__(
        self, commands: Commands, new_id: IdSource, reached: Callable[[str], None] = lambda point: None
    ) -> None:
        self._commands = commands
        self._new_id = new_id
        self._reached = reached
        self._waiting: dict[str, dict[str, _OfEndpoint]] = {}
        self._some = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def add(self, org_id: str, endpoint: str, origin: str, fact: Event) -> None:
        """To be recorded soon."""
        self._waiting.setdefault(org_id, {}).setdefault(endpoint, _OfEndpoint(origin)).facts.append(fact)
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
                for org_id, endpoints in waiting.items():
                    recording.create_task(self._record(org_id, endpoints))
            if not self._waiting:
                self._idle.set()

    async def flushed(self) -> None:
        """Wait until everything is on the log."""
        await self._idle.wait()

    async def _record(self, org_id: str, endpoints: Mapping[str, _OfEndpoint]) -> None:
        for steps in _commits(org_id, endpoints):
            commit_id = self._new_id()
            self._reached("before_record")
            while True:
                try:
                    await self._commands.execute_together(steps, commit_id=commit_id)
                    break
                except (LogUnavailable, Conflicting) as problem:
                    logger.warning("webhooks.not_recorded", extra={"reason": str(problem)})
                    await asyncio.sleep(AGAIN_SECONDS)
            self._reached("after_record")


def _commits(org_id: str, endpoints: Mapping[str, _OfEndpoint]) -> Iterator[list[Step]]:
    """The facts in their order, ``MOST_AT_ONCE`` of them in each."""
    steps: list[Step] = []
    room = MOST_AT_ONCE
    for endpoint, of_endpoint in endpoints.items():
        left = of_endpoint.facts
        while left:
            facts, left = tuple(left[:room]), left[room:]
            command = RecordDeliveries(org_id=org_id, origin=of_endpoint.origin, facts=facts)
            steps.append(Step(ENDPOINT, endpoint, command))
            room -= len(facts)
            if not room:
                yield steps
                steps, room = [], MOST_AT_ONCE
    if steps:
        yield steps
