"""``/provider/{provider}/{resourceName}``: pronunciation dictionaries. They are kept here; no provider is told yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from api.configuration.resource import JsonObject, Resource
from api.errors import Issue
from api.models.filters import PagedFilters
from api.models.provider_resource import ProviderResourceBody
from domain.configuration.kinds import CONFIGURATIONS
from domain.configuration.state import Configuration

_CONTENT: Final = ("name", "rules", "items")


class ProviderResourceFilters(PagedFilters):
    """``GET /provider/{provider}/{resourceName}``."""

    id: str | None = None
    resource_id: str | None = None


def _matches(state: Configuration, filters: ProviderResourceFilters) -> bool:
    return filters.resource_id in (None, state.id)


def _change_rules(stored: Mapping[str, Any], changes: Mapping[str, Any], flags: Mapping[str, str]) -> Iterable[Issue]:
    if stored.get("provider") == "11labs":
        if "rules" not in changes:
            yield Issue("FIELD_REQUIRED", "rules is required: it is what can be updated", "/body/rules")
        allowed: tuple[str, ...] = ("rules",)
    else:
        allowed = ("itemsToAdd", "itemsToRemove")
        for name in allowed:
            if not isinstance(changes.get(name, []), list):
                yield Issue("INVALID_TYPE", f"{name} must be an array", f"/body/{name}")
    for name in changes:
        if name not in allowed:
            yield Issue("FIELD_NOT_ALLOWED", f"property {name} should not exist", f"/body/{name}")


def _applied(stored: Mapping[str, Any], changes: JsonObject) -> JsonObject:
    """Cartesia's items are added and removed; the rules of ElevenLabs are replaced."""
    if "rules" in changes:
        return changes
    removed = [_text(item) for item in (*changes.get("itemsToRemove", ()), *changes.get("itemsToAdd", ()))]
    kept = [item for item in stored.get("items") or () if item["text"] not in removed]
    return {"items": [*kept, *changes.get("itemsToAdd", ())]}


def _text(item: Any) -> Any:
    return item.get("text") if isinstance(item, dict) else item


def _more(state: Configuration, now: datetime) -> dict[str, Any]:
    content = {name: state.config[name] for name in _CONTENT if name in state.config}
    return {"resourceId": state.id, "resource": {"id": state.id, **content}}


PROVIDER_RESOURCES: Final = Resource(
    aggregate=CONFIGURATIONS["provider_resource"],
    path="/provider/{provider}/{resourceName}",
    noun="provider resource",
    tag="Provider resources",
    body=ProviderResourceBody,
    style="page",
    filters=ProviderResourceFilters,
    matches=_matches,
    change_rules=_change_rules,
    applied=_applied,
    more=_more,
    shows={"resourceId": {"type": "string"}, "resource": {"type": "object"}},
    hidden=frozenset(_CONTENT),
    within={"provider": ("cartesia", "11labs"), "resourceName": ("pronunciation-dictionary",)},
    warning="dictionaries are stored but not sent to the provider by this version",
)
