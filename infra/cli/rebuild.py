"""``callfold rebuild``: make the analytics tables again from the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.options import AsJson, DataDir

if TYPE_CHECKING:
    from infra.cli.backend import Json


def rebuild(
    projection: Annotated[
        str | None, typer.Option("--projection", "-p", help="One table (calls, turns, ...); without it, every table.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make the tables again from position 0, compare them with the live ones, and put them in their place."""
    import asyncio

    from infra.cli.backend import open_backend
    from infra.cli.failure import CommandFailed
    from infra.cli.terminal import print_facts, print_json, print_table

    async def rebuilt() -> Json:
        async with open_backend(data_dir, tables=True) as operator:
            if as_json:
                return await operator.rebuild(projection)
            from rich.console import Console

            with Console(stderr=True).status(f"rebuilding from the log ({operator.place})"):
                return await operator.rebuild(projection)

    outcome = asyncio.run(rebuilt())
    if as_json:
        print_json(outcome)
    else:
        tables = outcome.pop("tables")
        print_facts(outcome)
        print_table("", ("table", "rows", "hash", "equal"), [list(table.values()) for table in tables])
    if outcome.get("equal") is False:
        raise CommandFailed("the rebuilt tables differ from the ones that were there; the rebuilt ones are in place")
