"""What tells one configuration resource from another. Everything else they have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from api.configuration.references import Reference, Use
from api.errors import Issue
from api.models.filters import ListFilters, PastQuery, Query
from domain.configuration.aggregate import ConfigurationAggregate
from domain.configuration.state import Configuration, version_label
from domain.log.ports import Documents, EventLog

JsonObject = dict[str, Any]


def no_more(state: Configuration, now: datetime) -> JsonObject:
    """Nothing beyond what every object shows."""
    return {}


def latest_version(state: Configuration, now: datetime) -> JsonObject:
    """The name of the present version, which Vapi shows of what has versions there too."""
    return {"latestVersion": version_label(state)}


def nothing_gathered(state: Configuration, documents: Documents, log: EventLog) -> JsonObject:
    """Nothing that other objects tell of it."""
    return {}


def no_rules(config: Mapping[str, Any]) -> Iterable[Issue]:
    """No rule that concerns several fields."""
    return ()


def no_change_rules(stored: Mapping[str, Any], changes: Mapping[str, Any], flags: Mapping[str, str]) -> Iterable[Issue]:
    """No rule about what may become of what."""
    return ()


def as_sent(body: JsonObject, documents: Documents, org_id: str) -> JsonObject:
    """The body is the configuration."""
    return body


def as_it_is(body: JsonObject) -> JsonObject:
    """There are no short forms."""
    return body


def as_changed(stored: Mapping[str, Any], changes: JsonObject) -> JsonObject:
    """The body of a PATCH holds the new values of whole fields."""
    return changes


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One kind of configuration on the wire.

    ``noun`` names one of them in messages, ``tag`` groups them in the documentation. ``style`` is the form of lists:
    a bare array, or ``{results, metadata}``. ``filters`` are the list's parameters, and ``matches`` says whether an
    object passes those of them that are more than time, page and id; it is asked where one of those is given, or
    always.

    ``fixed`` is the field that tells the variants apart and cannot change; ``changeable`` limits what PATCH takes,
    and ``only_changed`` are fields that POST does not take.
    ``read_query`` and ``change_query`` are the parameters of GET and PATCH of one.
    ``rules`` judge a whole configuration, ``change_rules`` a change by what is stored, what is sent, and the query.
    ``references`` are the ids of other objects inside, ``used_by`` what forbids a deletion, ``in_full`` writes out the
    short forms of a new body before it is checked, ``prepare`` completes it before it is stored, ``applied`` turns the
    body of a PATCH into new values of fields, and ``more`` adds what the system knows to what clients see (``shows``
    are the schemas of that), who do not see the fields in ``hidden``.

    ``within`` are parameters of the path with the values they may have; they are fields of the configuration.
    """

    aggregate: ConfigurationAggregate
    path: str
    noun: str
    plural: str = ""
    tag: str
    body: type[BaseModel]
    style: Literal["array", "page"] = "array"
    filters: type[ListFilters] = ListFilters
    matches: Callable[[Configuration, Any], bool] | None = None
    always_filtered: bool = False
    fixed: str = ""
    changeable: frozenset[str] | None = None
    only_changed: frozenset[str] = frozenset()
    rules: Callable[[Mapping[str, Any]], Iterable[Issue]] = no_rules
    change_rules: Callable[[Mapping[str, Any], Mapping[str, Any], Mapping[str, str]], Iterable[Issue]] = no_change_rules
    change_query: type[Query] | None = None
    read_query: type[PastQuery] = PastQuery
    references: tuple[Reference, ...] = ()
    used_by: tuple[Use, ...] = ()
    in_full: Callable[[JsonObject], JsonObject] = as_it_is
    prepare: Callable[[JsonObject, Documents, str], JsonObject] = as_sent
    applied: Callable[[Mapping[str, Any], JsonObject], JsonObject] = as_changed
    more: Callable[[Configuration, datetime], JsonObject] = no_more
    gathered: Callable[[Configuration, Documents, EventLog], JsonObject] = nothing_gathered
    """What clients see of it that stands in other objects: the messages of a session's chats."""
    alone: Callable[[Configuration, datetime], JsonObject] = no_more
    """What one object shows that lists leave out."""
    shows: Mapping[str, Any] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    within: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    replaceable: bool = False
    """Whether there is a PUT that takes a whole new configuration."""
    warning: str = ""
    """A sentence for the ``Warning`` header of created objects: what this version does not do with them yet."""

    @property
    def kind(self) -> str:
        """The kind of aggregate, ``phone_number``."""
        return self.aggregate.kind

    @property
    def nouns(self) -> str:
        """Several of them: ``phone numbers``."""
        return self.plural or f"{self.noun}s"

    @property
    def label(self) -> str:
        """How messages begin: ``Phone number``."""
        return self.noun[:1].upper() + self.noun[1:]
