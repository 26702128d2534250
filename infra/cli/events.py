"""``callfold events``: the log itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.options import AsJson, DataDir, Limit

if TYPE_CHECKING:
    from infra.cli.backend import Json

app = typer.Typer(no_args_is_help=True, help="The event log: read it, follow it, show one event.")

Originator = Annotated[
    str | None, typer.Option("--of", help="Only events of this call, assistant or organisation (its id).")
]
Types = Annotated[list[str] | None, typer.Option("--type", "-t", help="Only these types, e.g. call.ended.")]


@app.command("tail")
def tail(
    data_dir: DataDir = None,
    of: Originator = None,
    types: Types = None,
    after: Annotated[
        str | None,
        typer.Option(
            "--after", help="Start behind this position, in its shard alone (shard:ordinal); default: the end."
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print what is there and end.")] = False,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Follow the log until interrupted; with --once print what is there (from --after, default the beginning)."""

    from infra.cli.backend import open_backend
    from infra.cli.event_lines import print_event, run_until_interrupted

    async def followed() -> None:
        async with open_backend(data_dir) as operator:
            starts = [after] if after else await operator.heads()
            if not once:
                async for event in operator.follow_all(after=starts, originator=of, types=types or ()):
                    print_event(event, as_json=as_json)
                return
            if not after:
                # What there is of one originator is found wherever it stands.
                starts = ["0:0"] if of else [f"{head.partition(':')[0]}:0" for head in starts]
            left, last = limit, ""
            for start in starts:
                for event in await operator.events(after=start, limit=left, originator=of, types=types or ()):
                    print_event(event, as_json=as_json)
                    left -= 1
                    last = event["position"]
                if not left:
                    typer.echo(f"the first {limit}; --after {last} or a larger --limit shows what follows", err=True)
                    return
            if left == limit:
                typer.echo("no such events", err=True)

    run_until_interrupted(followed())


@app.command("show")
def show(
    position: Annotated[str, typer.Argument(help="Where it stands on the log: shard:ordinal, for example 0:128.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show one event whole."""
    import asyncio

    from infra.cli.backend import open_backend
    from infra.cli.failure import CommandFailed, missing
    from infra.cli.terminal import print_facts, print_json

    shard, colon, ordinal = position.partition(":")
    if not (colon and shard.isdecimal() and ordinal.isdecimal() and int(ordinal) > 0):
        raise CommandFailed(f"{position!r} is not a position; give shard:ordinal, for example 0:128", code=2)

    async def found() -> list[Json]:
        async with open_backend(data_dir) as operator:
            return await operator.events(after=f"{shard}:{int(ordinal) - 1}", limit=1)

    events = asyncio.run(found())
    if not events or events[0]["position"] != f"{int(shard)}:{int(ordinal)}":
        raise missing("event at", position)
    event = events[0]
    if as_json:
        print_json(event)
        return
    print_facts({name: value for name, value in event.items() if name != "data"})
    print_json(event["data"])
