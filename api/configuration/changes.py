"""Judging what a request would make of a configuration: the whole that results must be valid, whatever was sent.

A PATCH is checked inside the decision itself, on the state that it will change, so two changes that are valid alone
cannot together make something invalid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from api.bodies import check, findings
from api.configuration.resource import Resource
from api.errors import Issue, invalid
from api.violations import VARIANT_MARK, issues
from domain.configuration.aggregate import ConfigurationAggregate
from domain.configuration.commands import ConfigurationCommand, UpdateConfiguration
from domain.configuration.state import ActiveConfiguration, Configuration
from domain.event import Event


def check_new(resource: Resource, body: dict[str, Any]) -> None:
    """Raise ``Problem`` 400 for a body that nothing can be created from."""
    check(resource.body, body)
    if not resource.only_changed.isdisjoint(body):
        raise invalid([_unknown(name) for name in body if name in resource.only_changed])


def check_whole(resource: Resource, config: dict[str, Any]) -> None:
    """Raise ``Problem`` 400 for a configuration that breaks a rule over several fields."""
    broken = tuple(resource.rules(config))
    if broken:
        raise invalid(broken)


def checked_changes(
    resource: Resource, stored: Mapping[str, Any], sent: dict[str, Any], flags: Mapping[str, str]
) -> dict[str, Any]:
    """The new values of fields that the body of a PATCH means.

    Raises ``Problem`` 400 for changes that are malformed, not allowed, or lead to an invalid whole.
    """
    found = [*_not_changeable(resource, stored, sent), *resource.change_rules(stored, sent, flags)]
    if found:
        raise invalid(found)
    changes = resource.applied(stored, sent)
    merged = {**stored, **changes}
    try:
        resource.body.model_validate(merged)
    except ValidationError as fault:
        # What was stored under older rules is no fault of this request.
        found = issues([error for error in findings(fault) if _concerns(error, changes)])
    if found := found or list(resource.rules(merged)):
        raise invalid(found)
    return changes


def with_checks(resource: Resource, flags: Mapping[str, str]) -> ConfigurationAggregate:
    """The resource's aggregate, deciding on no change that ``checked_changes`` refuses."""
    aggregate = resource.aggregate

    def decide(state: Configuration | None, command: ConfigurationCommand) -> Sequence[Event]:
        if isinstance(command, UpdateConfiguration) and isinstance(state, ActiveConfiguration):
            changes = checked_changes(resource, state.config, command.changes, flags)
            command = msgspec.structs.replace(command, changes=changes)
        return aggregate.decide(state, command)

    return replace(aggregate, decide=decide)


def _not_changeable(resource: Resource, stored: Mapping[str, Any], changes: Mapping[str, Any]) -> list[Issue]:
    found = []
    field = resource.fixed
    if field and field in changes and changes[field] != stored.get(field):
        rule = f"{field} cannot be changed from {stored.get(field)}"
        found.append(Issue("INVALID_VALUE", rule, f"/body/{field}"))
    if resource.changeable is not None:
        found += [_unknown(name) for name in changes if name not in resource.changeable]
    return found


def _unknown(name: str) -> Issue:
    return Issue("FIELD_NOT_ALLOWED", f"property {name} should not exist", f"/body/{name}")


def _concerns(error: ErrorDetails, changes: Mapping[str, Any]) -> bool:
    own = [part for part in error["loc"] if not str(part).startswith(VARIANT_MARK)]
    return not own or own[0] in changes
