"""Who holds a conversation: from a call's request, or a hand-off's destination, to an assistant that can begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from domain.call.events import ConfigurationUse
from domain.call.resolution import Resolved, resolve_assistant
from domain.call.squads import Member, Squad, SquadInvalid, read_squad, stored_squad
from domain.call.state import Identity
from domain.call.variables import CallFacts
from domain.configuration.lookup import Configurations, NotStored
from domain.overrides import VARIABLE_VALUES

INVALID_SQUAD = "call.start.error-get-resources-validation"


class CastingFailed(Exception):
    """Nobody can hold the conversation: ``reason`` is the ended reason, ``message`` what a person needs to know."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """An assistant before its templates are filled in: its configuration and the layers over it, in order.

    ``squad`` is the one that its hand-offs look names up in.
    """

    config: Mapping[str, Any]
    layers: tuple[Mapping[str, Any], ...] = ()
    assistant_id: str | None = None
    version: str | None = None
    squad: Squad | None = None
    used: tuple[ConfigurationUse, ...] = ()


def first_role(identity: Identity, stored: Configurations) -> Role:
    """Who begins the call: the assistant it names, or the first member of its squad. Raises ``CastingFailed``."""
    request = identity.request
    try:
        if identity.assistant_id is not None or isinstance(request.get("assistant"), Mapping):
            return _named(identity, stored)
        squad = _squad_of(request, stored)
    except NotStored as error:
        reason = "assistant-not-found" if error.kind == "assistant" else INVALID_SQUAD
        raise CastingFailed(reason, str(error)) from error
    except SquadInvalid as error:
        raise CastingFailed(INVALID_SQUAD, str(error)) from error
    if squad is None:
        raise CastingFailed(
            "call-start-error-neither-assistant-nor-server-set", "The call names neither an assistant nor a squad."
        )
    role = member_role(squad, squad.members[0])
    variables = _mapping(request.get("assistantOverrides")).get(VARIABLE_VALUES)
    layers = (*role.layers, {VARIABLE_VALUES: variables}) if isinstance(variables, Mapping) else role.layers
    return replace(role, layers=layers, used=squad.used)


def next_role(destination: Mapping[str, Any], squad: Squad | None, stored: Configurations) -> Role:
    """Whom a hand-off's destination means; names are looked up in the present ``squad``. Raises ``CastingFailed``."""
    try:
        if destination.get("type") == "squad":
            return _next_squad(destination, stored)
        return _next_assistant(destination, squad, stored)
    except (NotStored, SquadInvalid) as error:
        raise CastingFailed("assistant-not-found", str(error)) from error


def member_role(squad: Squad, member: Member) -> Role:
    """A member of a squad, to be entered."""
    return Role(
        config=member.config,
        layers=member.layers,
        assistant_id=member.assistant_id,
        version=member.version,
        squad=squad,
    )


def resolved_role(
    role: Role, facts: CallFacts, now: datetime, stored: Configurations, variables: Mapping[str, Any] | None = None
) -> Resolved:
    """The role's configuration complete. Raises ``CastingFailed`` where a tool it refers to is missing."""
    try:
        return resolve_assistant(role.config, role.layers, facts, now, stored=stored, variables=variables)
    except NotStored as error:
        raise CastingFailed(INVALID_SQUAD, str(error)) from error


def _named(identity: Identity, stored: Configurations) -> Role:
    request = identity.request
    overrides = request.get("assistantOverrides")
    layers = (overrides,) if isinstance(overrides, Mapping) else ()
    transient = request.get("assistant")
    if isinstance(transient, Mapping):
        return Role(config=transient, layers=layers)
    assert identity.assistant_id is not None, "a call without a transient assistant names a stored one"
    version = request.get("assistantVersion") or identity.assistant_version
    found = stored.find("assistant", identity.assistant_id, version)
    use = ConfigurationUse(kind="assistant", id=found.id, version=found.version)
    return Role(config=found.config, layers=layers, assistant_id=found.id, version=found.version, used=(use,))


def _squad_of(request: Mapping[str, Any], stored: Configurations) -> Squad | None:
    overrides = (request.get("squadOverrides"),)
    if isinstance(request.get("squadId"), str):
        return stored_squad(request["squadId"], stored, overrides, request.get("squadVersion"))
    if isinstance(request.get("squad"), Mapping):
        return read_squad(request["squad"], stored, overrides)
    return None


def _next_squad(destination: Mapping[str, Any], stored: Configurations) -> Role:
    overrides: Sequence[Mapping[str, Any] | None] = (destination.get("squadOverrides"),)
    if isinstance(destination.get("squadId"), str):
        squad = stored_squad(destination["squadId"], stored, overrides)
    else:
        squad = read_squad(_mapping(destination.get("squad")), stored, overrides)
    entry = destination.get("entryAssistantName")
    member = squad.member(entry) if isinstance(entry, str) and entry else squad.members[0]
    if member is None:
        raise SquadInvalid(f"The squad has no member named {entry!r}.")
    return replace(member_role(squad, member), used=squad.used)


def _next_assistant(destination: Mapping[str, Any], squad: Squad | None, stored: Configurations) -> Role:
    overrides = destination.get("assistantOverrides")
    own = (overrides,) if isinstance(overrides, Mapping) else ()
    inline, assistant_id, name = (destination.get(field) for field in ("assistant", "assistantId", "assistantName"))
    member = None
    if squad is not None and isinstance(assistant_id, str):
        member = squad.member_of(assistant_id)
    elif squad is not None and isinstance(name, str):
        member = squad.member(name)
    if squad is not None and member is not None:
        role = member_role(squad, member)
        return replace(role, layers=(*role.layers, *own))
    if isinstance(inline, Mapping):
        return Role(config=inline, layers=own, squad=squad)
    if isinstance(assistant_id, str):
        found = stored.find("assistant", assistant_id)
        use = ConfigurationUse(kind="assistant", id=found.id, version=found.version)
        return Role(
            config=found.config, layers=own, assistant_id=found.id, version=found.version, squad=squad, used=(use,)
        )
    raise SquadInvalid(f"There is no assistant named {name!r} in the squad of this call.")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
