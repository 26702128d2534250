"""Secrets at rest: a tenant's keys and passwords are on the log under a seal, where the installation has a key for it.

What is sealed is a text that says so; it is opened where a request is authenticated, and nowhere else. The same secret
of one organisation is sealed into the same text, so that a repeated request is recognised; nothing else of it shows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from domain.write_only import with_secrets

PREFIX: Final = "callfold:sealed:1:"
"""How a sealed text begins."""


class SealBroken(Exception):
    """A sealed text cannot be opened; the message says what to do about it."""


class Seal(Protocol):
    """Seals and opens texts of organisations."""

    def seal(self, org_id: str, text: str) -> str:
        """The text under the organisation's seal."""

    def open(self, org_id: str, text: str) -> str:
        """The text again. Raises ``SealBroken``."""


class NoSeal:
    """An installation without a key: secrets stay as they were sent."""

    def seal(self, org_id: str, text: str) -> str:
        """As it is."""
        return text

    def open(self, org_id: str, text: str) -> str:
        """Nothing can be opened."""
        raise SealBroken("a secret was sealed with a key that is not here: set CALLFOLD_SECRET_KEY to it")


Opened = Callable[[str, dict[str, Any]], dict[str, Any]]
"""A configuration of an organisation, its secrets as they were sent. Raises ``SealBroken``."""


def sealed(config: dict[str, Any], org_id: str, seal: Seal, kind: str = "") -> dict[str, Any]:
    """A copy with every secret under the organisation's seal. ``kind`` is as in ``without_secrets``."""
    if isinstance(seal, NoSeal):
        return config
    return with_secrets(config, kind, lambda value: _sealed_value(value, org_id, seal))


def unsealed(config: dict[str, Any], org_id: str, seal: Seal, kind: str = "") -> dict[str, Any]:
    """The top-level fields that hold a secret as it was sent, sealed: what has to be written again."""
    if isinstance(seal, NoSeal):
        return {}
    kept = sealed(config, org_id, seal, kind)
    return {name: value for name, value in kept.items() if value != config[name]}


def opened(value: Any, org_id: str, seal: Seal) -> Any:
    """The same with everything sealed in it opened. Raises ``SealBroken``."""
    match value:
        case str() if value.startswith(PREFIX):
            return msgspec.json.decode(seal.open(org_id, value))
        case dict():
            return {name: opened(part, org_id, seal) for name, part in value.items()}
        case list():
            return [opened(part, org_id, seal) for part in value]
        case _:
            return value


def opening(seal: Seal) -> Opened:
    """``Opened`` by a seal."""

    def open_all(org_id: str, config: dict[str, Any]) -> dict[str, Any]:
        plain: dict[str, Any] = opened(config, org_id, seal)
        return plain

    return open_all


def _sealed_value(value: Any, org_id: str, seal: Seal) -> Any:
    if value is None or (isinstance(value, str) and value.startswith(PREFIX)):
        return value
    return seal.seal(org_id, msgspec.json.encode(value).decode())
