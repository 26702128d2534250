"""``callfold rebuild``: make the analytics tables again from the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.options import AsJson, DataDir

if TYPE_CHECKING:
    import asyncio

    from infra.cli.backend import Json, Operator

app = typer.Typer()

_LOOK_SECONDS = 0.25
"""Pause between looks at how far it is."""


@app.callback(invoke_without_command=True)
def rebuild(
    context: typer.Context,
    projection: Annotated[
        str | None, typer.Option("--projection", "-p", help="One table (calls, turns, ...); without it, every table.")
    ] = None,
    version: Annotated[
        int | None, typer.Option("--version", help="The version of that table to fill; this build writes one.", min=1)
    ] = None,
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Drop the tables that were live before; else `rebuild drop` does.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make the tables again from position 0, compare them with the live ones, and put them in their place."""
    if context.invoked_subcommand is not None:
        return
    import asyncio

    from infra.cli.backend import open_backend
    from infra.cli.failure import CommandFailed
    from infra.cli.terminal import print_facts, print_json, print_table

    async def rebuilt() -> Json:
        async with open_backend(data_dir, tables=True, upkeep=True) as operator:
            filling = operator.projector or operator
            work = filling.rebuild(projection, version, drop_old=drop_old)
            return await work if as_json else await _watched(filling, asyncio.ensure_future(work))

    outcome = asyncio.run(rebuilt())
    if as_json:
        print_json(outcome)
    else:
        tables = outcome.pop("tables")
        print_facts({name: ", ".join(value) if isinstance(value, list) else value for name, value in outcome.items()})
        print_table("", ("table", "version", "compared", "rows", "hash", "equal"), [_compared(each) for each in tables])
    if outcome.get("equal") is False:
        raise CommandFailed("the rebuilt tables differ from the ones that were there; the rebuilt ones are in place")


def _compared(table: Json) -> list[object]:
    what = "newest of each" if table["newestRows"] else "all"
    return [table["table"], table["version"], what, table["rows"], table["hash"], table["equal"]]


@app.command("drop")
def drop(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Drop the tables that rebuilds have replaced and kept."""
    import asyncio

    from infra.cli.backend import open_backend
    from infra.cli.terminal import print_json, print_table

    async def dropped() -> Json:
        async with open_backend(data_dir, tables=True, upkeep=True) as operator:
            return await (operator.projector or operator).drop_replaced()

    outcome = asyncio.run(dropped())
    if as_json:
        print_json(outcome)
    else:
        print_table("", ("dropped",), [[name] for name in outcome["dropped"]], empty="there is no replaced table")


async def _watched(operator: Operator, rebuilding: asyncio.Future[Json]) -> Json:
    """Show how far it is, how fast it goes, and when it will be there, until it is."""
    from asyncio import wait

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:,.0f} events/s"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        shown = bar.add_task("rebuilding", total=None, rate=0.0)
        while not rebuilding.done():
            await wait((rebuilding,), timeout=_LOOK_SECONDS)
            seen = await operator.rebuild_progress()
            if seen["running"] and seen["seconds"]:
                rate = seen["events"] / seen["seconds"]
                bar.update(shown, completed=seen["events"], total=seen["totalEvents"] or None, rate=rate)
    return await rebuilding
