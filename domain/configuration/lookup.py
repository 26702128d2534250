"""Finding a stored configuration by its id, at its present version or at a pinned one."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

import msgspec

from domain.assistant.aggregate import ASSISTANT
from domain.configuration.aggregate import ConfigurationAggregate
from domain.configuration.kinds import CONFIGURATIONS
from domain.configuration.state import ActiveConfiguration, Configuration, version_label
from domain.log.ports import Documents, EventLog


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration as it was found. ``version`` is its label, such as ``v3``."""

    kind: str
    id: str
    version: str
    config: dict[str, Any]


class NotStored(Exception):
    """There is no such configuration: it never was, was deleted, is another organisation's, or lacks the version."""

    def __init__(self, kind: str, id: str, version: str | None = None) -> None:
        noun = kind.replace("_", " ").capitalize()
        super().__init__(f"{noun} {id} has no version {version}." if version else f"{noun} {id} does not exist.")
        self.kind = kind


class Configurations(Protocol):
    """What one organisation has stored."""

    def find(self, kind: str, id: str, version: str | None = None) -> Stored:
        """The configuration, ``version`` being the present one where it is left out. Raises ``NotStored``."""


class PastConfigurations:
    """``Configurations`` of one organisation as they were at ``moment``; one that was made later, as it was made."""

    def __init__(self, log: EventLog, org_id: str, moment: datetime) -> None:
        self._log = log
        self._org_id = org_id
        self._moment = moment

    def find(self, kind: str, id: str, version: str | None = None) -> Stored:
        """As ``Configurations.find``. Folds the history of what is looked for."""
        aggregate = _aggregate(kind)
        state: Configuration | None = None
        for positioned in self._log.history(id):
            if state is not None and version is None and positioned.recorded.time > self._moment:
                break
            state = aggregate.evolve(state, positioned.recorded)
            if version is not None and version_label(state) == version:
                break
        if not isinstance(state, ActiveConfiguration) or state.org_id != self._org_id:
            raise NotStored(kind, id)
        if version not in (None, version_label(state)):
            raise NotStored(kind, id, version)
        return Stored(kind=kind, id=id, version=version_label(state), config=state.config)


class StoredConfigurations:
    """``Configurations`` of one organisation, from its documents; past versions are folded from the log.

    Without a log only present versions are found.
    """

    def __init__(self, documents: Documents, log: EventLog | None, org_id: str) -> None:
        self._documents = documents
        self._log = log
        self._org_id = org_id

    def find(self, kind: str, id: str, version: str | None = None) -> Stored:
        """As ``Configurations.find``. Reads the disk; present versions in well under a millisecond."""
        document = self._documents.get(kind, id, org_id=self._org_id)
        state = document.state if document is not None else None
        if not isinstance(state, ActiveConfiguration):
            raise NotStored(kind, id)
        if version not in (None, version_label(state)):
            state = self._past(kind, id, str(version))
        return Stored(kind=kind, id=id, version=version_label(state), config=state.config)

    def _past(self, kind: str, id: str, version: str) -> ActiveConfiguration:
        aggregate = _aggregate(kind)
        state = None
        for positioned in self._log.history(id) if self._log is not None else ():
            state = aggregate.evolve(state, positioned.recorded)
            if isinstance(state, ActiveConfiguration) and version_label(state) == version:
                return state
        raise NotStored(kind, id, version)


def _aggregate(kind: str) -> ConfigurationAggregate:
    return ASSISTANT if kind == "assistant" else CONFIGURATIONS[kind]
