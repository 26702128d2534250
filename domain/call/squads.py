"""Squads as calls use them: who the members are, what overrides them, and where each may hand the call to.

Layers, the later winning: the member's assistant, its ``assistantOverrides``, the squad's ``membersOverrides``, the
call's ``squadOverrides``. https://docs.vapi.ai/squads
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from domain.call.events import ConfigurationUse
from domain.configuration.lookup import Configurations
from domain.overrides import apply_overrides

DUPLICATE_NAME: Final = "Duplicate Assistant Name"
_HANDOFF_FIELDS: Final = ("assistantId", "contextEngineeringPlan", "variableExtractionPlan")
_DEFAULT_SECONDS: Final = 600.0


class SquadInvalid(Exception):
    """No call can be held with the squad; the message says why."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One assistant of a squad: its ``config`` with the tools that its destinations make, and the layers over it."""

    name: str
    config: dict[str, Any]
    layers: tuple[Mapping[str, Any], ...] = ()
    assistant_id: str | None = None
    version: str | None = None
    max_duration_seconds: float = _DEFAULT_SECONDS


class Squad(msgspec.Struct, frozen=True, kw_only=True):
    """At least one member, all of different names. ``used`` are the stored configurations it was put together from."""

    members: tuple[Member, ...]
    name: str = ""
    id: str | None = None
    used: tuple[ConfigurationUse, ...] = ()

    def member(self, name: str) -> Member | None:
        """By the assistant's name, which hand-offs and transfers use."""
        return next((member for member in self.members if member.name == name), None)

    def member_of(self, assistant_id: str) -> Member | None:
        """By the stored assistant's id."""
        return next((member for member in self.members if member.assistant_id == assistant_id), None)

    @property
    def max_duration_seconds(self) -> float:
        """The longest that any member allows: a call with the squad may last that long."""
        return max(member.max_duration_seconds for member in self.members)


def stored_squad(
    squad_id: str,
    stored: Configurations,
    overrides: Sequence[Mapping[str, Any] | None] = (),
    version: str | None = None,
) -> Squad:
    """The squad of that id. Raises ``NotStored`` and ``SquadInvalid``."""
    found = stored.find("squad", squad_id, version)
    squad = read_squad(found.config, stored, overrides)
    use = ConfigurationUse(kind="squad", id=found.id, version=found.version)
    return msgspec.structs.replace(squad, id=found.id, used=(use, *squad.used))


def read_squad(
    config: Mapping[str, Any], stored: Configurations, overrides: Sequence[Mapping[str, Any] | None] = ()
) -> Squad:
    """A squad's configuration with its stored assistants found. Raises ``NotStored`` and ``SquadInvalid``."""
    listed = config.get("members")
    entries = [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []
    if not entries:
        raise SquadInvalid("The squad has no members.")
    shared = (config.get("membersOverrides") or config.get("memberOverrides"), *overrides)
    used: list[ConfigurationUse] = []
    members = tuple(_member(entry, shared, stored, used) for entry in entries)
    names = [member.name for member in members if member.name]
    for name in names:
        if names.count(name) > 1:
            raise SquadInvalid(f"{DUPLICATE_NAME}: {name}. Every member of a squad needs a name of its own.")
    return Squad(members=members, name=str(config.get("name") or ""), used=tuple(dict.fromkeys(used)))


def _member(
    entry: Mapping[str, Any],
    shared: Sequence[Mapping[str, Any] | None],
    stored: Configurations,
    used: list[ConfigurationUse],
) -> Member:
    assistant_id, version = entry.get("assistantId"), None
    if isinstance(assistant_id, str):
        found = stored.find("assistant", assistant_id, entry.get("assistantVersion"))
        config: Mapping[str, Any] = found.config
        version = found.version
        used.append(ConfigurationUse(kind="assistant", id=found.id, version=found.version))
    else:
        inline = entry.get("assistant")
        if not isinstance(inline, Mapping):
            raise SquadInvalid("A member of the squad has neither assistantId nor assistant.")
        config = inline
    layers = tuple(layer for layer in (entry.get("assistantOverrides"), *shared) if isinstance(layer, Mapping))
    destinations = entry.get("assistantDestinations")
    layers = (*layers, *destination_layer(config, layers, destinations if isinstance(destinations, list) else []))
    merged = apply_overrides(config, layers)
    seconds = merged.get("maxDurationSeconds")
    return Member(
        name=str(merged.get("name") or ""),
        config=dict(config),
        layers=layers,
        assistant_id=assistant_id if isinstance(assistant_id, str) else None,
        version=version,
        max_duration_seconds=float(seconds) if isinstance(seconds, int | float) else _DEFAULT_SECONDS,
    )


def destination_layer(
    config: Mapping[str, Any], layers: Sequence[Mapping[str, Any]], destinations: Sequence[Any]
) -> tuple[Mapping[str, Any], ...]:
    """What ``assistantDestinations`` adds to a member: a hand-off tool for each that names what only a hand-off has,
    and one transfer tool for all others, which joins the member's own where there is one."""
    handoffs = [entry for entry in destinations if isinstance(entry, Mapping) and _is_handoff(entry)]
    transfers = [entry for entry in destinations if isinstance(entry, Mapping) and not _is_handoff(entry)]
    appended: list[Mapping[str, Any]] = [{"type": "handoff", "destinations": [entry]} for entry in handoffs]
    changed: dict[str, Any] = {}
    if transfers:
        model = apply_overrides(config, layers).get("model")
        tools = model.get("tools") if isinstance(model, Mapping) else None
        own = list(tools) if isinstance(tools, list) else []
        at = next((index for index, tool in enumerate(own) if _is_transfer(tool)), None)
        if at is None:
            appended.append({"type": "transferCall", "destinations": transfers})
        else:
            present = own[at].get("destinations")
            own[at] = {**own[at], "destinations": [*(present if isinstance(present, list) else ()), *transfers]}
            changed = {"model": {"tools": own}}
    layer = {**changed, **({"tools:append": appended} if appended else {})}
    return (layer,) if layer else ()


def _is_handoff(destination: Mapping[str, Any]) -> bool:
    return any(destination.get(field) is not None for field in _HANDOFF_FIELDS)


def _is_transfer(tool: Any) -> bool:
    return isinstance(tool, Mapping) and tool.get("type") == "transferCall"
