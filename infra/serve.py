"""Start a process of an installation: first what may refuse it, then everything that takes long."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from domain.log.ports import LogUnavailable
from infra import logging as log_lines
from infra.data_folder import DataFolder, FolderInUse, FolderUnusable
from infra.listening import CannotListen, listen
from infra.roles import Role, RoleUnfit, Started, check, seated
from infra.settings import Settings
from infra.starting import starting
from media.providers.errors import ProviderError
from projections.store import StoreUnavailable

FAILURES = (CannotListen, FolderInUse, FolderUnusable, LogUnavailable, ProviderError, RoleUnfit, StoreUnavailable)
"""Why a process does not start; each says what to do in one sentence."""


def serve(
    settings: Settings,
    on_started: Callable[[Started], None],
    role: Role = "up",
    *,
    channel: socket.socket | None = None,
) -> None:
    """Run until SIGTERM or SIGINT, then drain. Raises one of ``FAILURES`` when it cannot start.

    Over ``channel`` a media worker gets the connections that its supervisor has accepted on the settings' port; it then
    listens for the other processes on a port of its own, and drains too when the supervisor has gone.
    """
    log_lines.configure(settings.log_level, settings.log_format)
    check(role, settings)
    os.umask(0o077)  # recordings and databases are for the owner's eyes only, whichever library makes the file
    with (
        seated(role, DataFolder(settings.data_dir.absolute())) as seat,
        listen(settings.host, 0 if channel else settings.port) as listener,
        starting(listener) as start,
    ):
        # Loading every part takes seconds, which nobody should wait for to learn that the folder or the port is taken.
        from infra.lifetime import run

        run(settings, seat, start, role, on_started, channel)
