"""The outbox put together: messages to tenants' servers, folded from the log and kept up with it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

from api.call_views import CallViews
from api.dependencies import ApiSettings
from domain.log.position import Position
from domain.processing import Processor
from domain.webhook.aggregate import ENDPOINT
from domain.webhook.outbox import OUTBOX, OUTBOX_ID, Outbox, StartOutbox
from infra.data_folder import Seat
from infra.identifiers import now
from infra.roles import Addresses
from infra.settings import Settings
from infra.storage import Storage
from infra.upkeep import HeldInFile
from streams.processing.dead_letters import DeadLetters
from streams.processing.embedded import EmbeddedRunner
from streams.processing.pipeline import Pipeline
from streams.webhooks.addressing import Addressing, RecordedConfigurations
from streams.webhooks.conversations import ChatOutbox, SessionOutbox
from streams.webhooks.due import DueMessages
from streams.webhooks.file import OutboxFile
from streams.webhooks.kept import KeptMessages
from streams.webhooks.listening import RecordedDeliveries
from streams.webhooks.outbox import CallOutbox
from streams.webhooks.outcomes import DeliveryOutcomes
from streams.webhooks.store import DeliveryStore

WINDOW_SECONDS = 0.02
"""How long the outbox waits for more events before it writes: most of the time until a message leaves is this."""


@dataclass(frozen=True, slots=True)
class KeptOutbox:
    """What waits, what can be asked about it, who keeps it up (by shard), and events that could not be rendered."""

    store: DeliveryStore
    waiting: DueMessages
    deliveries: RecordedDeliveries
    runners: Mapping[int, EmbeddedRunner]
    held: HeldInFile

    async def caught_up(self, storage: Storage) -> None:
        """Wait until it knows what was on the log when this began."""
        for shard, runner in self.runners.items():
            await runner.reached(storage.log.head(shard))


@contextlib.asynccontextmanager
async def opened_outbox(
    settings: Settings, seat: Seat, storage: Storage, addresses: Addresses, secret: bytes
) -> AsyncIterator[KeptOutbox]:
    """An outbox of this process's own. Raises ``LogUnavailable``."""
    folder = seat.folder.root if settings.kafka is None else seat.replica
    async with contextlib.AsyncExitStack() as parts:
        began = await _began(storage)
        file = OutboxFile(folder / "webhooks.db")
        parts.callback(file.close)
        store = DeliveryStore(file, clock=now, begins_after=began.begins_after)
        letters = DeadLetters(seat.folder.processing if settings.kafka is None else folder / "webhooks-dead.db")
        parts.callback(letters.close)
        shown = ApiSettings(
            public_url=addresses.public_url,
            signing_secret=secret,
            version=version("callfold"),
            media_url=addresses.media_url,
        )
        urls = CallViews(shown, storage.log).urls

        def outbox(addressing: Addressing) -> tuple[Processor[Any], ...]:
            return CallOutbox(addressing, urls), ChatOutbox(addressing), SessionOutbox(addressing)

        configurations = RecordedConfigurations(storage.log, storage.log)
        processors = (*outbox(Addressing(configurations)), DeliveryOutcomes())
        deliveries = RecordedDeliveries(
            kept=KeptMessages(file),
            log=storage.log,
            configurations=configurations,
            outbox=outbox,
            shard_of=partial(_shard_of, storage),
            secret=secret,
            version=version("callfold"),
            clock=now,
        )
        runners = {}
        for shard in storage.shards():
            pipeline = Pipeline("webhooks", processors, store, window_seconds=WINDOW_SECONDS)
            runners[shard] = EmbeddedRunner(storage.log, [pipeline], letters, clock=now, shard=shard)
            await runners[shard].start()
            parts.push_async_callback(runners[shard].stop)
        held = HeldInFile(runners, letters, frozenset(processor.name for processor in processors))
        yield KeptOutbox(store, DueMessages(file), deliveries, runners, held)


async def _began(storage: Storage) -> Outbox:
    """Where the outbox of this installation begins; with this very start, where it never had one."""
    document = storage.log.get(OUTBOX.kind, OUTBOX_ID)
    if document is not None:
        began: Outbox = document.state
        return began
    # Earlier versions delivered without saying where they began: from the beginning, then.
    delivered = bool(storage.log.list(ENDPOINT.kind, limit=1))
    after = tuple(str(Position(shard, 0) if delivered else storage.log.head(shard)) for shard in storage.shards())
    began, _ = await storage.log.execute(OUTBOX, OUTBOX_ID, StartOutbox(after=after))
    return began


def _shard_of(storage: Storage, org_id: str) -> int:
    document = storage.log.get("organization", org_id)
    return (document.state.shard or 0) if document is not None else 0
