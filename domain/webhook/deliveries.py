"""What can be asked about messages to tenants' servers: which there are, what became of them, and what comes next."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

State = Literal["pending", "delivered", "dead", "stale"]
"""``dead``: given up after its last attempt; ``stale``: not worth sending any more when its turn came."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message and how far it got. Times are ms since 1970; ``number`` grows with the order of the log.

    ``base`` are the attempts before it was last asked for again: the schedule counts from there.
    """

    number: int
    id: str
    org_id: str
    endpoint_id: str
    origin: str
    about: str
    sequence: int
    type: str
    patience: str
    event_id: str
    happened_ms: int
    due_ms: int
    state: State
    attempts: int
    base: int
    replay: str
    failure: str
    status: int | None
    detail: str


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One request, and why it counted as it did; ``failure`` is empty where the receiver took the message."""

    attempt: int
    at_ms: int
    total_ms: float
    failure: str
    status: int | None
    detail: str


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """A message with its bytes and its attempts."""

    delivery: Delivery
    body: bytes
    attempts: tuple[Attempt, ...]


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages of an organisation are meant; what is empty leaves them all."""

    states: tuple[State, ...] = ()
    endpoint_id: str = ""
    about: str = ""
    type: str = ""
    since_ms: int = 0
    until_ms: int = 1 << 62
    before: int = 1 << 62
    """Only messages with a smaller ``number``."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A message as a server would get it: signed headers and bytes."""

    headers: Mapping[str, str]
    body: bytes


class Deliveries(Protocol):
    """Messages of one organisation at a time. The methods that are no coroutines read the disk."""

    def list(self, org_id: str, chosen: Selection, limit: int) -> Sequence[Delivery]:
        """Newest first."""

    def get(self, org_id: str, message_id: str) -> Delivered | None:
        """One message, if the organisation has it."""

    def signing_key(self, endpoint_id: str) -> str:
        """What the endpoint verifies signatures with: ``whsec_...``."""

    def listening_key(self, org_id: str) -> str:
        """What who listens verifies signatures with: ``whsec_...``."""

    def listen(self, org_id: str) -> AsyncIterator[Told]:
        """Every message from now on, also where no server is configured."""
