"""The versions of a configuration: who changed what and when, and what it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.authentication import Principal
from api.configuration.resource import Resource
from api.context import ApiContext
from api.errors import Problem
from api.models.filters import VersionQuery
from api.time_travel import parse_revision, state_at
from domain.configuration.events import ConfigurationCreated, ConfigurationReplaced, ConfigurationUpdated
from domain.configuration.state import Configuration
from domain.event import Event
from domain.log.ports import Positioned
from domain.organization.state import Organization
from domain.wire_time import iso_ms


def versions_page(context: ApiContext, principal: Principal, object_id: str, query: VersionQuery) -> dict[str, Any]:
    """``{results, metadata}``: the versions before ``query.cursor``, newest first."""
    made = [
        positioned
        for positioned in context.dependencies.log.history(object_id)
        if isinstance(positioned.recorded.event, ConfigurationCreated | ConfigurationUpdated | ConfigurationReplaced)
    ]
    below = int(query.cursor[1:]) if query.cursor else len(made) + 1
    numbered = [(number, positioned) for number, positioned in enumerate(made, start=1) if number < below][::-1]
    shown = numbered[: query.limit]
    more = len(numbered) > len(shown)
    names = _key_names(context, principal)
    return {
        "results": [_version(number, positioned, names) for number, positioned in shown],
        "metadata": {
            "limit": query.limit,
            "hasNextPage": more,
            "nextCursor": f"v{shown[-1][0]}" if more else None,
        },
    }


def configuration_at(
    context: ApiContext, resource: Resource, principal: Principal, object_id: str, version: str
) -> tuple[int, Configuration]:
    """The revision that ``version`` (``v3``) names, and the state it was. Raises ``Problem`` 404."""
    named = parse_revision(version)
    state = None
    if named is not None:
        state = state_at(context.dependencies.log, resource.aggregate, object_id, principal.org_id, named)
    if state is None:
        raise Problem(
            404,
            f"{resource.label} {object_id} has no version {version}.",
            detail=f"List the versions with GET {resource.path}/{{id}}/versions; they are named v1, v2 and so on.",
            code="NOT_FOUND",
        )
    return state.revision, state


def _version(number: int, positioned: Positioned, key_names: dict[str, str]) -> dict[str, Any]:
    recorded = positioned.recorded
    event = recorded.event
    restored = getattr(event, "restored", None)
    actor: str = getattr(event, "actor", "")
    return {
        "version": f"v{number}",
        "createdAt": iso_ms(recorded.time),
        "position": str(positioned.position),
        "etag": f'"{recorded.originator_version}"',
        "changedFields": _changed_fields(event),
        "restoredFrom": f"v{restored}" if restored else None,
        "changedBy": {"keyId": actor, "name": key_names.get(actor)} if actor else None,
    }


def _changed_fields(event: Event) -> Sequence[str]:
    fields: dict[str, Any] = event.changes if isinstance(event, ConfigurationUpdated) else getattr(event, "config", {})
    return sorted(fields)


def _key_names(context: ApiContext, principal: Principal) -> dict[str, str]:
    document = context.dependencies.documents.get("organization", principal.org_id)
    organization: Organization | None = document.state if document else None
    return {key.id: key.name for key in organization.keys} if organization else {}
