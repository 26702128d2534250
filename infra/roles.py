"""What a process of an installation does: everything, or one part of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from domain.organization.founding import Founding
from infra.data_folder import DataFolder, Seat
from infra.settings import Settings

Role = Literal["up", "api", "media", "project", "stream"]

_LOCK_WAIT_SECONDS = 5.0
"""A short command (`callfold calls ls`) may hold the main seat for a moment."""


class RoleUnfit(Exception):
    """The settings do not fit the role; the message names the setting and what to give instead."""


@dataclass(frozen=True, slots=True)
class Started:
    """What people and programs are told when the process answers. ``organization`` only at an installation's first
    start."""

    role: Role
    url: str
    pid: int
    data_dir: str
    organization: Founding | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where a process is reached: by clients, by the callers of its calls, by the other processes, by this machine."""

    public_url: str
    media_url: str
    node_url: str
    local_url: str

    @classmethod
    def of(cls, settings: Settings, *, public_port: int, own_port: int) -> Addresses:
        """From the ports that are really listened on: the clients', and the one that no other process shares."""
        public = settings.base_url(public_port)
        return cls(
            public_url=public,
            media_url=settings.media_url or public,
            node_url=settings.node_url(own_port),
            local_url=settings.local_url(own_port),
        )


@contextlib.contextmanager
def seated(role: Role, folder: DataFolder) -> Iterator[Seat]:
    """The role's seat in the data folder. Raises ``FolderInUse`` and ``FolderUnusable``."""
    match role:
        case "up" | "api":
            with folder.own(wait_seconds=_LOCK_WAIT_SECONDS) as seat:
                yield seat
        case "media" | "stream":
            with folder.join(role) as seat:
                yield seat
        case "project":
            with folder.join(role, most=1) as seat:
                yield seat


def check(role: Role, settings: Settings) -> None:
    """Refuse what could not work, before anything is opened. Raises ``RoleUnfit``."""
    if role in ("up", "media") and settings.kafka and settings.listens_everywhere and not settings.node_host:
        raise RoleUnfit(
            f"CALLFOLD_HOST={settings.host} does not say how other processes reach this one to forward control of its "
            "calls; set CALLFOLD_NODE_HOST to this machine's name or address"
        )
    if role == "stream" and settings.kafka is None:
        raise RoleUnfit(
            "a log in a file belongs to one machine, and `callfold up` or `callfold api` runs its processors too; to "
            "share them out among processes set CALLFOLD_LOG to kafka://host:port"
        )
    if role == "project" and settings.clickhouse == "embedded":
        raise RoleUnfit(
            "the embedded analytics engine belongs to one process, which is `callfold up` or `callfold api` and fills "
            "its tables too; for a projector of its own set CALLFOLD_CLICKHOUSE to the URL of a ClickHouse server"
        )
