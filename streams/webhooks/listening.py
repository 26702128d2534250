"""A developer's machine as a server: every message of an organisation, as it happens, without anything being stored."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from domain.log.ports import Clock, EventLog
from domain.processing import Processor
from domain.server_messages.selection import server_messages
from domain.server_messages.server import Server
from domain.webhook.deliveries import Delivered, Delivery, Selection, Told
from domain.webhook.origin import origin_of
from domain.webhook.signature import endpoint_id, endpoint_key, shown_key
from streams.processing.dead_letters import DeadLetters
from streams.processing.folding import Folding
from streams.webhooks.addressing import Addressing, ConfigurationsAt, Subscription
from streams.webhooks.delivery_headers import own_headers
from streams.webhooks.kept import KeptMessages
from streams.webhooks.rows import Message

LISTENER: Final = Server(url="https://listener.invalid")
"""Stands for the developer's machine; nothing is ever sent there."""


class ListeningAddressing(Addressing):
    """Everything goes to whoever listens, as far as the assistant's ``serverMessages`` ask for it."""

    def __init__(self, configurations: ConfigurationsAt, org_id: str) -> None:
        super().__init__(configurations)
        self._org_id = org_id

    def of_assistant(
        self, assistant: Mapping[str, Any], request: Mapping[str, Any], org_id: str, at: datetime
    ) -> Subscription | None:
        """As ``Addressing.of_assistant``, and the listener instead of a server."""
        if org_id != self._org_id:
            return None
        found = super().of_assistant(assistant, request, org_id, at)
        number = found.phone_number if found is not None else None
        return Subscription(server=LISTENER, wanted=server_messages(assistant), phone_number=number)

    def of_request(self, request: Mapping[str, Any], org_id: str, at: datetime) -> Subscription | None:
        """As ``Addressing.of_request``, and the listener instead of a server."""
        if org_id != self._org_id:
            return None
        return self.of_assistant(self.assistant_of_request(request, org_id, at), request, org_id, at)


@dataclass(frozen=True)
class RecordedDeliveries:
    """``Deliveries`` over the outbox and the log. ``outbox`` makes the processors that listening folds with."""

    kept: KeptMessages
    log: EventLog
    configurations: ConfigurationsAt
    outbox: Callable[[Addressing], Sequence[Processor[Any]]]
    shard_of: Callable[[str], int]
    secret: bytes
    version: str
    clock: Clock

    def list(self, org_id: str, chosen: Selection, limit: int) -> Sequence[Delivery]:
        """See ``Deliveries.list``."""
        return self.kept.list(org_id, chosen, limit)

    def get(self, org_id: str, message_id: str) -> Delivered | None:
        """See ``Deliveries.get``."""
        return self.kept.get(org_id, message_id)

    def signing_key(self, endpoint_id: str) -> str:
        """See ``Deliveries.signing_key``."""
        return shown_key(endpoint_key(self.secret, endpoint_id))

    def listening_key(self, org_id: str) -> str:
        """See ``Deliveries.listening_key``."""
        return self.signing_key(endpoint_id(org_id, origin_of(LISTENER.url)))

    async def listen(self, org_id: str) -> AsyncIterator[Told]:
        """See ``Deliveries.listen``."""
        letters = DeadLetters(":memory:")
        addressing = ListeningAddressing(self.configurations, org_id)
        foldings = [Folding(processor, self.log, letters) for processor in self.outbox(addressing)]
        try:
            async for batch in self.log.follow(self.log.head(self.shard_of(org_id))):
                for folding in foldings:
                    for part in folding.fold(batch).effects:
                        for (message,) in part.rows:
                            if not message.wait_ms:
                                yield self._told(message)
        finally:
            letters.close()

    def _told(self, message: Message) -> Told:
        headers = own_headers(
            self.secret,
            self.version,
            id=message.id,
            endpoint_id=message.endpoint_id,
            event_id=message.event_id,
            about=message.about,
            timestamp=int(self.clock().timestamp()),
            body=message.body,
        )
        return Told(headers=headers, body=message.body)
