"""How a configuration's state follows from its events, and its events from commands: once, for every kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import asdict, replace

from domain.aggregate import Aggregate, Conflicting, DocumentKeys, NotFound
from domain.configuration.commands import (
    ConfigurationCommand,
    CreateConfiguration,
    DeleteConfiguration,
    ReplaceConfiguration,
    RestoreConfiguration,
    UpdateConfiguration,
)
from domain.configuration.events import (
    ConfigurationCreated,
    ConfigurationDeleted,
    ConfigurationEvents,
    ConfigurationReplaced,
    ConfigurationUpdated,
)
from domain.configuration.state import ActiveConfiguration, Configuration, DeletedConfiguration
from domain.event import Event, Recorded

READ_ONLY = frozenset({"id", "orgId", "createdAt", "updatedAt", "latestVersion", "isServerUrlSecretSet"})
"""Fields that the system writes; a client that sends back what it read must not freeze them in the configuration."""

ConfigurationAggregate = Aggregate[Configuration, ConfigurationCommand]


def configuration(
    kind: str, events: ConfigurationEvents, keys: Callable[[Configuration], DocumentKeys] | None = None
) -> ConfigurationAggregate:
    """The aggregate of one kind. ``keys`` is given where lists are filtered by more than organisation and time."""

    def decide(state: Configuration | None, command: ConfigurationCommand) -> Sequence[Event]:
        return _decide(kind, events, state, command)

    return Aggregate(
        kind=kind, state_type=Configuration, evolve=evolve, decide=decide, keys=keys or keys_of_configuration
    )


def evolve(state: Configuration | None, recorded: Recorded) -> Configuration:
    """The state after ``recorded``. Raises ``NotFound`` where the history does not begin with its creation."""
    event, time, version = recorded.event, recorded.time, recorded.originator_version
    if state is None:
        if not isinstance(event, ConfigurationCreated):
            raise NotFound(f"{recorded.originator_id} does not exist, so {event.TYPE} cannot follow.")
        return ActiveConfiguration(
            id=recorded.originator_id,
            org_id=event.org_id,
            config=event.config,
            revision=1,
            created_at=time,
            updated_at=time,
            version=version,
        )
    match state, event:
        case ActiveConfiguration(), ConfigurationUpdated(changes=changes):
            merged = {**state.config, **changes}
            return replace(state, config=merged, revision=state.revision + 1, updated_at=time, version=version)
        case ActiveConfiguration(), ConfigurationReplaced(config=config):
            return replace(state, config=config, revision=state.revision + 1, updated_at=time, version=version)
        case ActiveConfiguration(), ConfigurationDeleted():
            return DeletedConfiguration(**{**asdict(state), "updated_at": time, "version": version})
        case _:
            return replace(state, updated_at=time, version=version)


def keys_of_configuration(state: Configuration) -> DocumentKeys:
    """A configuration is found by its organisation and listed until it is deleted."""
    return DocumentKeys(
        org_id=state.org_id,
        created_at=state.created_at,
        updated_at=state.updated_at,
        deleted=isinstance(state, DeletedConfiguration),
    )


def _decide(
    kind: str, events: ConfigurationEvents, state: Configuration | None, command: ConfigurationCommand
) -> Sequence[Event]:
    noun = kind.replace("_", " ")
    if isinstance(command, CreateConfiguration):
        if state is not None:
            raise Conflicting(f"The {noun} {state.id} exists already.")
        return [events.created(org_id=command.org_id, config=_writable(command.config), actor=command.actor)]
    if not isinstance(state, ActiveConfiguration) or state.org_id != command.org_id:
        raise NotFound(f"The {noun} does not exist.", field="id", fix="List what there is.")
    match command:
        case UpdateConfiguration(changes=changes):
            return [events.updated(changes=_writable(changes), actor=command.actor)]
        case ReplaceConfiguration(config=config):
            return [events.replaced(config=_writable(config), actor=command.actor)]
        case RestoreConfiguration(config=config, revision=revision):
            return [events.replaced(config=config, restored=revision, actor=command.actor)]
        case DeleteConfiguration():
            return [events.deleted(actor=command.actor)]


def _writable(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in READ_ONLY}
