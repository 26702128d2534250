"""What a process says when it is ready: one line of JSON for programs, the facts for people."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from infra.roles import Started
    from infra.settings import Settings

Host = Annotated[str | None, typer.Option("--host", help="Address to listen on.")]
Port = Annotated[int | None, typer.Option("--port", "-p", help="Port to listen on; 0 picks a free one.")]
ReadyAsJson = Annotated[
    bool, typer.Option("--json", help="Say that the system is ready as one line of JSON, for programs.")
]


OwnPort = Annotated[int, typer.Option("--port", "-p", help="Port for health, metrics and upkeep; 0 picks a free one.")]


def run_announced(
    settings: Settings, serve: Callable[[Settings, Callable[[Started], None]], None], as_json: bool
) -> None:
    """Serve until told to stop. Raises ``CommandFailed`` when it cannot start."""
    from infra.cli.failure import CommandFailed
    from infra.serve import FAILURES

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
    announced = {
        "role": started.role,
        "url": started.url,
        "pid": started.pid,
        "dataDir": started.data_dir,
        "organization": organization,
    }
    print_json(announced, line=True)


def _print(started: Started) -> None:
    from infra.cli.terminal import print_facts

    organization = started.organization
    documented = f" (documentation at {started.url}/docs)" if started.role in ("up", "api") else ""
    print_facts(
        {
            "callfold": f"{started.url}{documented}",
            "role": None if started.role == "up" else started.role,
            "data": started.data_dir,
            "organisation": organization and organization.organization_id,
            "private key": organization and organization.private_key,
            "public key": organization and organization.public_key,
            "": "The keys are shown this once; `callfold org create` makes more. Ctrl-C stops."
            if organization
            else None,
        }
    )
