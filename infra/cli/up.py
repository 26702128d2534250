"""``callfold up``: the whole system in one process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.options import DataDir

if TYPE_CHECKING:
    from infra.serve import Started


def up(
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option("--port", "-p", help="Port to listen on; 0 picks a free one.")] = None,
    data_dir: DataDir = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Say that the system is ready as one line of JSON, for programs.")
    ] = False,
) -> None:
    """Run API, calls, log and analytics in one process.

    SIGTERM or Ctrl-C drains: no new calls, running ones end with a recorded reason. A second one forces.
    """
    from infra.cli.backend import settings_for
    from infra.cli.failure import CommandFailed
    from infra.serve import FAILURES, serve

    settings = settings_for(data_dir, host=host, port=port)
    try:
        serve(settings, _print_json if as_json else _print)
    except FAILURES as error:
        raise CommandFailed(str(error)) from None


def _print_json(started: Started) -> None:
    from infra.cli.terminal import print_json

    founded = started.organization
    organization = founded and {
        "id": founded.organization_id,
        "privateKey": founded.private_key,
        "publicKey": founded.public_key,
    }
    announced = {"url": started.url, "pid": started.pid, "dataDir": started.data_dir, "organization": organization}
    print_json(announced, line=True)


def _print(started: Started) -> None:
    from infra.cli.terminal import print_facts

    organization = started.organization
    print_facts(
        {
            "callfold": f"{started.url} (documentation at {started.url}/docs)",
            "data": started.data_dir,
            "organisation": organization and organization.organization_id,
            "private key": organization and organization.private_key,
            "public key": organization and organization.public_key,
            "": "The keys are shown this once; `callfold org create` makes more. Ctrl-C stops."
            if organization
            else None,
        }
    )
