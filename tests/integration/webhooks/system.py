"""The delivering part of a system over a log of its own, and calls that happen on it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.assistant.aggregate import ASSISTANT
from domain.call.events import ArtifactStored, CallClaimed, CallCreated, CallEnded, CallStarted
from domain.configuration.commands import CreateConfiguration
from domain.event import Event
from domain.log.position import Position
from domain.webhook.events import DeliveryAttempted
from infra.data_folder import DataFolder
from infra.identifiers import now, random_id
from infra.roles import Addresses
from infra.settings import LOOPBACK, Settings
from infra.storage import Storage, opened_storage
from infra.webhooks import Webhooks, opened_webhooks

SECRET = b"a secret of thirty-two characters"
ADDRESSES = Addresses(
    public_url="http://127.0.0.1:9", media_url="", node_url="http://127.0.0.1:9", local_url="http://127.0.0.1:9"
)

WANTED = ["status-update", "end-of-call-report"]
EACH = 5
"""Messages of a call, with these wanted."""

PATIENCE_SECONDS = 60.0
"""Long, for busy machines."""

_BEGINNING = Position(0, 0)


@dataclass
class Delivering:
    """A system that delivers; ``org_id`` is a tenant."""

    storage: Storage
    webhooks: Webhooks
    org_id: str

    async def configured(self, kind: Any, config: dict[str, Any], org_id: str = "") -> str:
        """Store a configuration; its id."""
        id = random_id()
        command = CreateConfiguration(org_id=org_id or self.org_id, config=config, actor="test")
        await self.storage.log.execute(kind, id, command)
        return id

    async def record(self, originator_id: str, *events: Event) -> None:
        await self.storage.log.record(originator_id, events, [now()] * len(events))

    async def call(self, server: dict[str, Any], *, org_id: str = "", **assistant: Any) -> str:
        """A whole call whose assistant names ``server``; its id."""
        call_id = random_id()
        config = {"name": "Mary", "server": server, **assistant}
        created = CallCreated(
            org_id=org_id or self.org_id,
            type="vapi.websocketCall",
            request={"assistant": config},
            transport={"provider": "vapi.websocket"},
        )
        await self.record(call_id, created)
        await self.record(call_id, CallClaimed(owner="media-1", lease_seconds=5.0))
        await self.record(call_id, CallStarted(clock_origin=now(), at_ms=10.0, assistant=config))
        await self.record(call_id, CallEnded(reason="customer-ended-call", at_ms=2010.0))
        await self.record(call_id, LOGGED)
        return call_id

    async def attempts(self, count: int, seconds: float = PATIENCE_SECONDS) -> list[DeliveryAttempted]:
        """The first ``count`` entries of the delivery log, as soon as there are as many."""
        found: list[DeliveryAttempted] = []
        async with asyncio.timeout(seconds):
            async for batch in self.storage.log.follow(_BEGINNING):
                events = [positioned.recorded.event for positioned in batch]
                found += [event for event in events if isinstance(event, DeliveryAttempted)]
                if len(found) >= count:
                    break
        return found

    async def settled(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until the outbox knows what became of every message."""
        async with asyncio.timeout(seconds):
            async for _ in self.storage.log.follow(_BEGINNING):
                await self.caught_up()
                if not self.webhooks.waiting.summary().pending:
                    break

    async def caught_up(self) -> None:
        """Wait until the outbox knows all that is on the log."""
        for shard, runner in self.webhooks.runners.items():
            await runner.reached(self.storage.log.head(shard))


LOGGED = ArtifactStored(
    track="log", location="calls/log", sha256="00" * 32, size_bytes=10, content_type="application/gzip"
)


@contextlib.asynccontextmanager
async def delivering(
    folder: Path,
    org_id: str = "",
    reached: Callable[[str], None] = lambda point: None,
    *,
    paused: bool = False,
    **settings: Any,
) -> AsyncIterator[Delivering]:
    """A system over the log in ``folder``; ``paused`` only fills its outbox."""
    chosen = Settings(data_dir=folder, **{"egress_allow": LOOPBACK, **settings})
    with DataFolder(folder).own() as seat, opened_storage(chosen, seat) as storage:
        async with opened_webhooks(
            chosen, seat, storage, ADDRESSES, SECRET, reached=reached, sends=not paused
        ) as webhooks:
            yield Delivering(storage, webhooks, org_id or random_id())


__all__ = ["ASSISTANT", "EACH", "LOGGED", "SECRET", "WANTED", "Delivering", "delivering"]
