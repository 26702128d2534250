"""Where a command gets its answers: the running system over HTTP, or the data folder itself when nothing runs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from infra.cli.failure import CommandFailed
from infra.data_folder import DataFolder, FolderInUse, FolderUnusable, RunningSystem
from infra.settings import Settings, SettingsInvalid, load

_START_SECONDS = 10.0
"""How long a command waits for a system that is just starting or stopping."""

Json = dict[str, Any]


class Backend(Protocol):
    """What every command asks for. All values are JSON as the operator's routes answer it."""

    @property
    def place(self) -> str:
        """Where the answers come from, in words."""

    async def organizations(self) -> list[Json]:
        """``id``, ``name``, ``createdAt`` of each."""

    async def create_organization(self, name: str) -> Json:
        """``{"id", "privateKey", "publicKey"}``; the keys are shown this once."""

    async def calls(self, *, limit: int, status: Sequence[str] = ()) -> list[Json]:
        """Calls of every organisation as the API shows them, newest first."""

    async def call(self, call_id: str) -> Json:
        """One call as the API shows it. Raises ``CommandFailed`` when there is none."""

    async def events(
        self, *, after: str = "0:0", limit: int = 100, originator: str | None = None, types: Sequence[str] = ()
    ) -> list[Json]:
        """``position, id, type, v, originatorId, originatorVersion, time, data`` in log order."""

    def follow(self, *, after: str, originator: str | None = None, types: Sequence[str] = ()) -> AsyncIterator[Json]:
        """Events from ``after`` on, for ever."""

    async def head(self) -> str:
        """The last position of the log."""

    async def sql(self, statement: str, *, limit: int) -> Json:
        """``columns, types, rows, elapsedMs``."""

    async def rebuild(self, projection: str | None) -> Json:
        """Make the tables again from position 0; says what was rebuilt and whether it equals what was there."""

    async def dead_letters(self) -> list[Json]:
        """Events whose processor failed and those held behind them."""

    async def retry_dead_letters(self, processor: str, originator: str) -> Json: ...

    async def drop_dead_letters(self, processor: str, originator: str) -> Json: ...


def settings_for(data_dir: Path | None, **overrides: Any) -> Settings:
    """Settings with command-line options over the environment. Raises ``CommandFailed``."""
    try:
        return load(data_dir=data_dir, **overrides)
    except SettingsInvalid as error:
        raise CommandFailed(str(error)) from None


@contextlib.asynccontextmanager
async def open_backend(data_dir: Path | None, *, create: bool = False) -> AsyncIterator[Backend]:
    """The running system when one owns the folder, else the folder, owned for as long as the command needs it.

    ``create`` allows a folder that does not exist yet. Raises ``CommandFailed``.
    """
    settings = settings_for(data_dir)
    folder = DataFolder(settings.data_dir.absolute())
    if not create and not folder.exists:
        raise CommandFailed(
            f"no callfold data in {folder.root}; start a system with `callfold up`, or name its folder with --data-dir"
        )
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with folder.own(wait_seconds=0.2):
                from infra.cli.folder import FolderBackend

                async with FolderBackend.open(settings, folder) as backend:
                    yield backend
                return
        except FolderInUse as error:
            if error.running is not None:
                from infra.cli.running import RunningBackend

                async with RunningBackend.open(error.running) as running:
                    yield running
                return
            if time.monotonic() > deadline:
                raise CommandFailed(f"{error}, and it does not answer yet; try again when it has started") from None
        except FolderUnusable as error:
            raise CommandFailed(str(error)) from None


__all__ = ["Backend", "Json", "RunningSystem", "open_backend", "settings_for"]
