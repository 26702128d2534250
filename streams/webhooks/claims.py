"""Which dispatcher an endpoint is served by. The log settles it as it settles who serves a call: whoever claimed an
endpoint serves it for as long as it lives, and when it has died another one claims it.

Among those that deliver each endpoint has one that it falls to (the highest of a hash of both names), so that each has
an equal share and one that joins or leaves moves no other endpoints than its own. Whoever serves an endpoint that falls
to another one hands it over when nothing of it is under way: with a claim too, in the other's name. All count by the
same rule, so that an endpoint only ever moves to where it falls higher, and never in a circle.

One endpoint is served by one dispatcher at a time, so that its messages keep their order and go out once. A dispatcher
that cannot hear itself on the leases any more may have been taken for dead and sends nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
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

    def deliverers(self) -> frozenset[str]:
        """The processes that deliver messages, this one included; the same object while they are the same."""

    def resigned(self, owner: str) -> bool:
        """Whether a process that lives has said that it delivers no messages any more."""


@dataclass
class Claims:
    """Of this process. For one loop."""

    commands: Commands
    liveness: Liveness
    _deliverers: frozenset[str] = frozenset()
    _falls_to: dict[str, str] = field(default_factory=dict)
    """By endpoint, among these: so that a hash is counted once and not for each message."""

    def is_own(self, owner: str) -> bool:
        """Whether an endpoint with this owner is this process's."""
        return owner == self.liveness.owner

    def is_certain(self) -> bool:
        """Whether what belongs to this process surely still does."""
        return self.liveness.current()

    def is_free(self, owner: str) -> bool:
        """Whether an endpoint with this owner (none where it is empty) can be claimed."""
        return not self.is_own(owner) and not (owner and self._may_serve(owner))

    def heir(self, endpoint: str) -> str:
        """The other process that is to serve it; empty where that is this one."""
        deliverers = self.liveness.deliverers()
        if deliverers is not self._deliverers:
            self._deliverers = deliverers
            self._falls_to.clear()
        heir = self._falls_to.get(endpoint)
        if heir is None:
            heir = self._falls_to[endpoint] = max(deliverers, key=lambda owner: _weight(endpoint, owner))
        return heir if not self.is_own(heir) and self._may_serve(heir) else ""

    async def claim(self, org_id: str, endpoint: str, origin: str, *, instead_of: str, owner: str = "") -> None:
        """Claim it for ``owner``, this process unless another is named, if nobody was faster: then nothing happens.
        Raises ``LogUnavailable``.

        It counts when the outbox of whoever it is for has read the claim from the log: by then it knows what the former
        owner did.
        """
        command = ClaimEndpoint(org_id=org_id, origin=origin, owner=owner or self.liveness.owner, instead_of=instead_of)
        await self.commands.execute(ENDPOINT, endpoint, command)

    def _may_serve(self, owner: str) -> bool:
        return self.liveness.alive(owner) and not self.liveness.resigned(owner)


def _weight(endpoint: str, owner: str) -> bytes:
    return blake2b(f"{endpoint} {owner}".encode(), digest_size=16).digest()
