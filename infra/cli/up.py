"""``callfold up``: the whole system in one process."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.cli.options import DataDir


def up(
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option("--port", "-p", help="Port to listen on; 0 picks a free one.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Run API, calls, log and analytics in one process until SIGTERM or Ctrl-C, which drains; a second one forces."""
    from infra.cli.backend import settings_for
    from infra.cli.failure import CommandFailed
    from infra.data_folder import FolderInUse, FolderUnusable
    from infra.serve import CannotServe, serve

    settings = settings_for(data_dir, host=host, port=port)
    try:
        serve(settings)
    except (FolderInUse, FolderUnusable, CannotServe) as error:
        raise CommandFailed(str(error)) from None
