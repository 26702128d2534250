"""Dead letters of every kind of runner as one, for the operator's routes: those of this process and those on Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from api.dependencies import Maintenance
from domain.aggregate import Refused
from domain.log.ports import IdSource
from domain.processing import DeadLetter
from infra.dead_letters import shown
from streams.processing.dead_letters import DeadLetters

if TYPE_CHECKING:
    from streams.faust.dead_topic import DeadTopic

RETRY_SECONDS = 20.0
"""How long the answer to a retry waits for the process that works on the originator's shard."""


class Held(Protocol):
    """Parked events of some processors."""

    def letters(self) -> Sequence[DeadLetter]: ...

    def counts(self, processor: str) -> bool:
        """Whether the processor's events are parked here."""

    async def retry(self, processor: str, originator_id: str) -> int: ...

    def drop(self, processor: str, originator_id: str) -> int: ...


class Retrying(Protocol):
    """Whoever processes the parked events of a shard, or of a partition of the fragments."""

    async def retry(self, processor: str, originator_id: str) -> int: ...


@dataclass(frozen=True, slots=True)
class HeldInFile:
    """Those of the embedded runners of this process. The file may hold those of other processors too."""

    runners: Mapping[int, Retrying]
    kept: DeadLetters
    processors: frozenset[str]

    def letters(self) -> Sequence[DeadLetter]:
        return [letter for letter in self.kept.list() if letter.processor in self.processors]

    def counts(self, processor: str) -> bool:
        return processor in self.processors

    async def retry(self, processor: str, originator_id: str) -> int:
        held = self.kept.list(processor, originator_id)
        return await self.runners[held[0].position.shard].retry(processor, originator_id) if held else 0

    def drop(self, processor: str, originator_id: str) -> int:
        return _drop_all(self.kept, processor, originator_id)


@dataclass(frozen=True, slots=True)
class HeldOnTopic:
    """Those of `callfold stream`: the process that works on an originator's shard is asked for a retry."""

    kept: DeadTopic
    new_id: IdSource
    processors: frozenset[str]

    def letters(self) -> Sequence[DeadLetter]:
        return self.kept.list()

    def counts(self, processor: str) -> bool:
        return processor in self.processors or bool(self.kept.list(processor))

    async def retry(self, processor: str, originator_id: str) -> int:
        from streams.faust.dead_topic import RetryRequest

        before = self.kept.list(processor, originator_id)
        if not before:
            return 0
        request = RetryRequest(processor, originator_id, self.new_id())
        await asyncio.to_thread(self.kept.ask_retry, request)
        if not await asyncio.to_thread(self.kept.wait_retried, request, RETRY_SECONDS):
            raise Refused(
                f"No process has tried the events of {originator_id} again within {RETRY_SECONDS:g} s.",
                fix="Start `callfold stream`: the request stands, and whoever works on the shard carries it out.",
            )
        return len(before) - len(self.kept.list(processor, originator_id))

    def drop(self, processor: str, originator_id: str) -> int:
        return _drop_all(self.kept, processor, originator_id)


def _drop_all(kept: DeadLetters, processor: str, originator_id: str) -> int:
    held = kept.list(processor, originator_id)
    for letter in held:
        kept.drop(letter.processor, letter.position)
    return len(held)


class Upkeep:
    """Implements ``api.dependencies.Maintenance`` over the tables' own, where this process fills any, and ``held``."""

    def __init__(self, tables: Maintenance | None, held: Sequence[Held]) -> None:
        self._tables = tables
        self._held = tuple(held)

    async def rebuild(
        self, projection: str | None, version: int | None = None, *, keep_replaced: bool = True
    ) -> dict[str, Any]:
        """See ``Maintenance.rebuild``. Raises ``Refused`` where this process fills no tables."""
        return await self._filled().rebuild(projection, version, keep_replaced=keep_replaced)

    async def rebuild_progress(self) -> dict[str, Any]:
        """See ``Maintenance.rebuild_progress``. Raises ``Refused`` where this process fills no tables."""
        return await self._filled().rebuild_progress()

    async def drop_replaced(self) -> dict[str, Any]:
        """See ``Maintenance.drop_replaced``. Raises ``Refused`` where this process fills no tables."""
        return await self._filled().drop_replaced()

    async def tables(self) -> dict[str, Any]:
        """See ``Maintenance.tables``. Raises ``Refused`` where this process fills no tables."""
        return await self._filled().tables()

    def _filled(self) -> Maintenance:
        if self._tables is None:
            raise Refused("This node fills no tables.", fix="Ask a node that runs the projections.")
        return self._tables

    async def dead_letters(self) -> list[dict[str, Any]]:
        """Every parked event once, in the order of the log."""
        found = {} if self._tables is None else {_name(letter): letter for letter in await self._tables.dead_letters()}
        for each in (shown(letter) for held in self._held for letter in held.letters()):
            found[_name(each)] = each
        return sorted(found.values(), key=lambda letter: [int(part) for part in letter["position"].split(":")])

    async def retry_dead_letters(self, processor: str, originator: str) -> dict[str, Any]:
        """See ``Maintenance.retry_dead_letters``. Raises ``Refused`` for a processor that nothing hosts."""
        held = self._of(processor, originator)
        if held is None:
            return await self._of_tables(processor).retry_dead_letters(processor, originator)
        processed = await held.retry(processor, originator)
        waiting = [letter for letter in held.letters() if _whose(letter) == (processor, originator)]
        return {"processed": processed, "waiting": len(waiting)}

    async def drop_dead_letters(self, processor: str, originator: str) -> dict[str, Any]:
        """See ``Maintenance.drop_dead_letters``."""
        held = self._of(processor, originator)
        if held is None:
            return await self._of_tables(processor).drop_dead_letters(processor, originator)
        return {"dropped": await asyncio.to_thread(held.drop, processor, originator)}

    def _of(self, processor: str, originator: str) -> Held | None:
        """Where the originator's events are parked; a processor may be hosted both here and elsewhere."""
        hosts = [held for held in self._held if held.counts(processor)]
        parked = (host for host in hosts if (processor, originator) in {_whose(letter) for letter in host.letters()})
        return next(parked, hosts[0] if hosts else None)

    def _of_tables(self, processor: str) -> Maintenance:
        if self._tables is None:
            raise Refused(f"No event is parked for a processor {processor}.", field="processor")
        return self._tables


def _whose(letter: DeadLetter) -> tuple[str, str]:
    return letter.processor, letter.originator_id


def _name(letter: Mapping[str, Any]) -> tuple[str, str]:
    return letter["processor"], letter["position"]
