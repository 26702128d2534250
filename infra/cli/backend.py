"""Where a command gets its answers: the running system over HTTP, or the data folder itself when nothing runs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from infra.cli.failure import CommandFailed
from infra.cli.operator import Json, Operator, client
from infra.data_folder import DataFolder, FolderInUse, FolderUnusable, RunningSystem, Seat
from infra.settings import Settings, SettingsInvalid, load

_START_SECONDS = 10.0
"""How long a command waits for a system that is just starting or stopping."""


def settings_for(data_dir: Path | None, **overrides: Any) -> Settings:
    """Settings with command-line options over the environment. Raises ``CommandFailed``."""
    try:
        return load(data_dir=data_dir, **overrides)
    except SettingsInvalid as error:
        raise CommandFailed(str(error)) from None


@contextlib.asynccontextmanager
async def open_backend(
    data_dir: Path | None, *, create: bool = False, tables: bool = False, upkeep: bool = False
) -> AsyncIterator[Operator]:
    """The running system when one owns the folder, else the folder, owned for as long as the command needs it.

    ``create`` allows a folder that does not exist yet; ``tables`` says that the command asks the analytics engine,
    ``upkeep`` that it looks after who fills it: a projector that is alone in the folder is asked then.
    Raises ``CommandFailed``.
    """
    settings = settings_for(data_dir)
    folder = DataFolder(settings.data_dir.absolute())
    if not create and not folder.exists and settings.kafka is None:
        raise CommandFailed(
            f"no callfold data in {folder.root}; start a system with `callfold up`, or name its folder with --data-dir"
        )
    async with contextlib.AsyncExitStack() as parts:
        seat = parts.enter_context(contextlib.ExitStack())
        owner = _owner(folder, seat)
        if isinstance(owner, RunningSystem):
            projector = await _projector(folder, parts) if tables else None
            reached = await parts.enter_async_context(client(owner.url, owner.operator_token))
            yield Operator(reached, place=owner.url, live=True, projector=projector)
            return
        if upkeep and (alone := await _projector(folder, parts)) is not None:
            # The main seat is not needed: whoever wants it need not wait.
            seat.close()
            yield alone
            return
        from domain.log.ports import LogUnavailable
        from infra import logging as log_lines
        from infra.stopped import opened
        from projections.store import StoreUnavailable

        # What goes wrong is the command's one sentence; the trace is for those who ask for it.
        log_lines.configure("debug" if settings.log_level == "debug" else "critical", settings.log_format)
        try:
            inside = await parts.enter_async_context(opened(settings, owner, tables=tables))
        except (LogUnavailable, StoreUnavailable) as error:
            raise CommandFailed(str(error)) from None
        yield Operator(inside, place=str(folder.root), live=False)


async def _projector(folder: DataFolder, parts: contextlib.AsyncExitStack) -> Operator | None:
    for running in folder.beside():
        if running.role == "project":
            reached = await parts.enter_async_context(client(running.url, running.operator_token))
            return Operator(reached, place=running.url, live=True)
    return None


def _owner(folder: DataFolder, parts: contextlib.ExitStack) -> RunningSystem | Seat:
    """The system that has the folder's main seat; the seat, when nothing had it and this process now does."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            return parts.enter_context(folder.own(wait_seconds=0.2))
        except FolderInUse as error:
            if error.running is not None:
                return error.running
            if time.monotonic() > deadline:
                raise CommandFailed(f"{error}, and it does not answer yet; try again when it has started") from None
        except FolderUnusable as error:
            raise CommandFailed(str(error)) from None


__all__ = ["Json", "Operator", "open_backend", "settings_for"]
