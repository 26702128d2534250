"""What can happen to a stored configuration, whatever its kind: it is created, changed, replaced, deleted.

Every kind has four event types of its own (``tool.created`` …), so that a reader of the log can tell tools from squads
without looking inside. Their shape is the same, and so one fold serves them all. ``actor`` is the id of the key that
asked for the change; it is empty on events from before it was kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from domain.event import Event

E = TypeVar("E", bound=Event)


class ConfigurationCreated(Event, frozen=True, kw_only=True):
    """The first configuration, as the client sent it: version ``v1``."""

    org_id: str
    config: dict[str, Any]
    actor: str = ""


class ConfigurationUpdated(Event, frozen=True, kw_only=True):
    """``changes`` replaces whole top-level fields; an explicit null clears one. Every update is a version."""

    changes: dict[str, Any]
    actor: str = ""


class ConfigurationReplaced(Event, frozen=True, kw_only=True):
    """``config`` takes the place of the whole configuration. ``restored`` is the revision it was taken from, if any."""

    config: dict[str, Any]
    restored: int | None = None
    actor: str = ""


class ConfigurationDeleted(Event, frozen=True, kw_only=True):
    """Nothing new can use it; its history stays."""

    actor: str = ""


class ConfigurationEvents(msgspec.Struct, frozen=True, kw_only=True):
    """The four event types of one kind."""

    created: type[ConfigurationCreated]
    updated: type[ConfigurationUpdated]
    replaced: type[ConfigurationReplaced]
    deleted: type[ConfigurationDeleted]

    def __iter__(self) -> Iterator[type[Event]]:
        return iter((self.created, self.updated, self.replaced, self.deleted))


def events_of(kind: str) -> ConfigurationEvents:
    """The event types of ``kind``, such as ``phone_number.created``. Call it once per kind, for the registry."""
    return ConfigurationEvents(
        created=_named(kind, "created", ConfigurationCreated),
        updated=_named(kind, "updated", ConfigurationUpdated),
        replaced=_named(kind, "replaced", ConfigurationReplaced),
        deleted=_named(kind, "deleted", ConfigurationDeleted),
    )


def _named(kind: str, what: str, base: type[E]) -> type[E]:
    name = "".join(word.capitalize() for word in (*kind.split("_"), what))
    made = msgspec.defstruct(
        name,
        [],
        bases=(base,),
        module=__name__,
        namespace={"TYPE": f"{kind}.{what}", "VERSION": 1, "__doc__": base.__doc__},
        frozen=True,
        kw_only=True,
    )
    assert issubclass(made, base)
    return made
