"""Which dispatcher an endpoint is served by. The log settles it as it settles who serves a call: whoever claimed an
endpoint serves it for as long as it lives, and when it has died another one claims it.

One endpoint is served by one dispatcher at a time, so that its messages keep their order and go out once. A dispatcher
that cannot hear itself on the leases any more may have been taken for dead and sends nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from domain.log.ports import Commands
from domain.webhook.aggregate import ENDPOINT
from domain.webhook.commands import ClaimEndpoint


class Liveness(Protocol):
    """Who of the processes lives."""

    @property
    def owner(self) -> str:
        """This process's name."""

    def alive(self, owner: str) -> bool:
        """Whether that process may still be at work."""

    def current(self) -> bool:
        """Whether nobody can have taken this process for dead."""


@dataclass(frozen=True)
class Claims:
    """Of this process."""

    commands: Commands
    liveness: Liveness

    def is_own(self, owner: str) -> bool:
        """Whether an endpoint with this owner is this process's."""
        return owner == self.liveness.owner

    def is_certain(self) -> bool:
        """Whether what belongs to this process surely still does."""
        return self.liveness.current()

    def is_free(self, owner: str) -> bool:
        """Whether an endpoint with this owner (none where it is empty) can be claimed."""
        return not self.is_own(owner) and not (owner and self.liveness.alive(owner))

    async def claim(self, org_id: str, endpoint: str, origin: str, *, instead_of: str) -> None:
        """Claim it, unless somebody was faster: then nothing happens. Raises ``LogUnavailable``.

        It counts when the outbox has read the claim from the log: by then it knows what the former owner did.
        """
        command = ClaimEndpoint(org_id=org_id, origin=origin, owner=self.liveness.owner, instead_of=instead_of)
        await self.commands.execute(ENDPOINT, endpoint, command)
