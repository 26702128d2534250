"""Secrets on their way to the log: sealed after everything about them was checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import msgspec

from domain.aggregate import Aggregate
from domain.configuration.commands import (
    ConfigurationCommand,
    CreateConfiguration,
    ReplaceConfiguration,
    RestoreConfiguration,
    UpdateConfiguration,
)
from domain.configuration.state import ActiveConfiguration
from domain.event import Event
from domain.sealing import NoSeal, Seal, sealed, unsealed

S = TypeVar("S")


def sealing(
    aggregate: Aggregate[S, ConfigurationCommand], org_id: str, seal: Seal
) -> Aggregate[S, ConfigurationCommand]:
    """``aggregate``, whose events hold the secrets of what is created or changed under the organisation's seal.

    What a changed configuration still holds unsealed, from before there was a key, is written along with the change.
    """
    if isinstance(seal, NoSeal):
        return aggregate

    def decide(state: S | None, command: ConfigurationCommand) -> Sequence[Event]:
        match command:
            case (
                CreateConfiguration(config=config)
                | ReplaceConfiguration(config=config)
                | RestoreConfiguration(config=config)
            ):
                command = msgspec.structs.replace(command, config=sealed(config, org_id, seal, aggregate.kind))
            case UpdateConfiguration(changes=changes):
                before = state.config if isinstance(state, ActiveConfiguration) else {}
                changes = {**unsealed(before, org_id, seal, aggregate.kind), **changes}
                command = msgspec.structs.replace(command, changes=sealed(changes, org_id, seal, aggregate.kind))
        return aggregate.decide(state, command)

    return replace(aggregate, decide=decide)
