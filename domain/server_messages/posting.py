"""Telling a server something once: the port to whoever makes the request."""

from __future__ import annotations

from typing import Protocol

from domain.server_messages.access import Outgoing
from domain.server_messages.server import Server


class Posts(Protocol):
    """Makes requests whose answers nobody waits for."""

    async def post(self, org_id: str, server: Server, request: Outgoing) -> str:
        """Send once, within the server's time-out; never raises. Empty where it was taken, else the failure's name."""


class NoPosts:
    """``Posts`` where nobody makes requests."""

    async def post(self, org_id: str, server: Server, request: Outgoing) -> str:
        """As ``Posts.post``."""
        return "not_sent"
