"""How an assistant's state follows from its events, and its events from commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import asdict, replace

from domain.aggregate import Aggregate, Conflicting, DocumentKeys, NotFound
from domain.assistant.commands import AssistantCommand, CreateAssistant, DeleteAssistant, UpdateAssistant
from domain.assistant.events import AssistantCreated, AssistantDeleted, AssistantUpdated
from domain.assistant.state import ActiveAssistant, Assistant, DeletedAssistant
from domain.event import Event, Recorded

READ_ONLY = frozenset({"id", "orgId", "createdAt", "updatedAt", "latestVersion", "isServerUrlSecretSet"})
"""Fields that the system writes; a client that sends back what it read must not freeze them in the configuration."""


def evolve(state: Assistant | None, recorded: Recorded) -> Assistant:
    """The state after ``recorded``. Raises ``NotFound`` where the history does not begin with its creation."""
    event, time, version = recorded.event, recorded.time, recorded.originator_version
    if state is None:
        if not isinstance(event, AssistantCreated):
            raise NotFound(f"Assistant {recorded.originator_id} does not exist, so {event.TYPE} cannot follow.")
        return ActiveAssistant(
            id=recorded.originator_id,
            org_id=event.org_id,
            config=event.config,
            revision=1,
            created_at=time,
            updated_at=time,
            version=version,
        )
    match state, event:
        case ActiveAssistant(), AssistantUpdated(changes=changes):
            merged = {**state.config, **changes}
            return replace(state, config=merged, revision=state.revision + 1, updated_at=time, version=version)
        case ActiveAssistant(), AssistantDeleted():
            return DeletedAssistant(**{**asdict(state), "updated_at": time, "version": version})
        case _:
            return replace(state, updated_at=time, version=version)


def decide(state: Assistant | None, command: AssistantCommand) -> Sequence[Event]:
    """The events that ``command`` leads to, or ``Refused``."""
    if isinstance(command, CreateAssistant):
        if state is not None:
            raise Conflicting(f"Assistant {state.id} exists already.")
        return [AssistantCreated(org_id=command.org_id, config=_writable(command.config))]
    if not isinstance(state, ActiveAssistant) or state.org_id != command.org_id:
        raise NotFound("The assistant does not exist.", field="id", fix="List assistants with GET /assistant.")
    match command:
        case UpdateAssistant(changes=changes):
            return [AssistantUpdated(changes=_writable(changes))]
        case DeleteAssistant():
            return [AssistantDeleted()]


def _writable(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in READ_ONLY}


def keys(state: Assistant) -> DocumentKeys:
    """An assistant is found by its organisation and listed until it is deleted."""
    return DocumentKeys(
        org_id=state.org_id,
        created_at=state.created_at,
        updated_at=state.updated_at,
        deleted=isinstance(state, DeletedAssistant),
    )


ASSISTANT: Aggregate[Assistant, AssistantCommand] = Aggregate(
    kind="assistant", state_type=Assistant, evolve=evolve, decide=decide, keys=keys
)
