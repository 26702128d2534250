"""Secrets that were stored before there was a key to seal them: what is in force is written again, sealed.

The log is never changed: the events that brought such a secret still hold it, as do the calls and chats that ran with
it. Whoever must be sure replaces the secret at its vendor as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from api.errors import Problem
from api.piecewise import each_document
from api.sealing import sealing
from domain.assistant.aggregate import ASSISTANT
from domain.configuration.aggregate import ConfigurationAggregate
from domain.configuration.commands import UpdateConfiguration
from domain.configuration.kinds import CONFIGURATIONS
from domain.configuration.state import ActiveConfiguration
from domain.event import Event
from domain.log.ports import Commands, Documents
from domain.organization.aggregate import ORGANIZATION
from domain.organization.commands import Configure, OrganizationCommand
from domain.organization.state import Organization
from domain.sealing import NoSeal, Seal, unsealed

SEALED_BY: Final = "sealing"
"""Who changed a configuration, as its history shows it."""

_KINDS: Final[tuple[ConfigurationAggregate, ...]] = (ASSISTANT, *CONFIGURATIONS.values())


async def seal_stored(documents: Documents, commands: Commands, seal: Seal) -> Mapping[str, int]:
    """How many configurations of each kind, in all organisations, were written again. Those of sessions, calls and
    chats belong to what has happened and stay. Safe to repeat. Raises ``Problem`` where there is no key."""
    if isinstance(seal, NoSeal):
        raise Problem(
            409,
            "There is no key to seal secrets with.",
            detail="Set CALLFOLD_SECRET_KEY for every process and try again.",
            code="NO_SEALING_KEY",
        )
    found: Counter[str] = Counter()
    for organization in documents.list("organization", limit=documents.count("organization")):
        for aggregate in _KINDS:
            async for document in each_document(documents, aggregate.kind, org_id=organization.id):
                state = document.state
                if isinstance(state, ActiveConfiguration) and unsealed(
                    state.config, organization.id, seal, aggregate.kind
                ):
                    again = UpdateConfiguration(org_id=organization.id, changes={}, actor=SEALED_BY)
                    await commands.execute(sealing(aggregate, organization.id, seal), document.id, again)
                    found[aggregate.kind] += 1
        if unsealed(organization.state.config, organization.id, seal):
            await _seal_settings(commands, organization.id, seal)
            found["organization"] += 1
    return found


async def _seal_settings(commands: Commands, org_id: str, seal: Seal) -> None:
    def decide(state: Organization | None, command: OrganizationCommand) -> Sequence[Event]:
        changes = unsealed(state.config, org_id, seal) if state is not None else {}
        return ORGANIZATION.decide(state, Configure(changes=changes, actor=SEALED_BY))

    await commands.execute(replace(ORGANIZATION, decide=decide), org_id, Configure(changes={}, actor=SEALED_BY))
