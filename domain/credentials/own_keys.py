"""Which keys a conversation may use for the vendors of models, transcribers and voices: the organisation's own.

By default every stored credential serves every assistant; ``credentialIds`` chooses among them, and an assistant's
``credentials`` stand before the stored ones: https://docs.vapi.ai/api-reference/assistants/create.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from domain.configuration.state import ActiveConfiguration
from domain.log.ports import Documents
from domain.sealing import Opened

MOST_CREDENTIALS: Final = 1_000
"""Of one organisation; later ones are not looked at."""

_SERVERS: Final = frozenset({"custom-credential", "webhook"})
"""Providers whose credentials authenticate us at tenants' servers and open no vendor."""


class OwnKey(msgspec.Struct, frozen=True):
    """How a vendor is reached on the organisation's own account. ``plan`` is an authentication plan in its place."""

    api_key: str
    base_url: str = ""
    plan: dict[str, Any] | None = None
    credential_id: str = ""

    def __repr__(self) -> str:
        return f"OwnKey(base_url={self.base_url!r}, credential_id={self.credential_id!r})"


class OwnKeys:
    """Reads them from the documents. For any thread."""

    def __init__(self, documents: Documents, opened: Opened) -> None:
        self._documents = documents
        self._opened = opened

    def of(self, org_id: str, assistant: Mapping[str, Any]) -> dict[str, OwnKey]:
        """By provider, those of the vendors that the organisation has keys for. Raises ``SealBroken``."""
        stored = [
            (document.id, document.state.config)
            for document in self._documents.list("credential", org_id=org_id, limit=MOST_CREDENTIALS)
            if isinstance(document.state, ActiveConfiguration)
        ]
        inline = assistant.get("credentials")
        given = [("", entry) for entry in inline if isinstance(entry, dict)] if isinstance(inline, list) else []
        chosen = [(id, self._opened(org_id, config)) for id, config in (*given, *_chosen(stored, assistant))]
        return keys_by_provider(chosen)


def keys_by_provider(credentials: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, OwnKey]:
    """The first usable key of each provider; ids are empty for credentials that are not stored."""
    found: dict[str, OwnKey] = {}
    for id, config in credentials:
        provider, key = config.get("provider"), config.get("apiKey")
        if not isinstance(provider, str) or provider in _SERVERS or provider in found:
            continue
        plan = config.get("authenticationPlan")
        if (isinstance(key, str) and key) or isinstance(plan, Mapping):
            url = config.get("apiUrl")
            found[provider] = OwnKey(
                key if isinstance(key, str) else "",
                url.rstrip("/") if isinstance(url, str) else "",
                dict(plan) if isinstance(plan, Mapping) else None,
                id,
            )
    return found


def _chosen(stored: Iterable[tuple[str, Mapping[str, Any]]], assistant: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    ids = assistant.get("credentialIds")
    return [entry for entry in stored if entry[0] in ids] if isinstance(ids, list) else list(stored)
