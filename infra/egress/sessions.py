"""Guarded sessions, one for each organisation: no connection of one is ever used for another."""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver

from domain.egress import EgressPolicy
from infra.egress.connector import guarded_session
from infra.egress.resolving import BoundedResolver

MOST_SESSIONS: Final = 1_000
"""Organisations whose connections are kept; the one that sent nothing for longest gives up its own."""

LOOKUP_THREADS: Final = 32
"""Names that are looked up at once. Threads are made as they are needed."""


class OrganizationSessions:
    """To be used on one loop, and closed there."""

    def __init__(self, policy: EgressPolicy, *, per_host: int, resolver: AbstractResolver | None = None) -> None:
        self._policy = policy
        self._per_host = per_host
        self._resolver = resolver
        self._lookups = ThreadPoolExecutor(LOOKUP_THREADS, "egress-names")
        self._sessions: OrderedDict[str, aiohttp.ClientSession] = OrderedDict()

    def of(self, org_id: str) -> aiohttp.ClientSession:
        """The session of an organisation."""
        session = self._sessions.get(org_id)
        if session is None:
            resolver = self._resolver or BoundedResolver(self._lookups)
            session = guarded_session(self._policy, per_host=self._per_host, resolver=resolver)
            self._sessions[org_id] = session
        self._sessions.move_to_end(org_id)
        return session

    async def tidy(self) -> None:
        """Close the sessions of those who have been silent longest, as far as there are too many."""
        while len(self._sessions) > MOST_SESSIONS:
            _, session = self._sessions.popitem(last=False)
            await session.close()

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()
        self._lookups.shutdown(wait=False, cancel_futures=True)
