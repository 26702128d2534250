"""``callfold dead``: events that a stream processor could not handle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.options import AsJson, DataDir

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from infra.cli.backend import Json, Operator

app = typer.Typer(no_args_is_help=True, help="Dead letters: events that a processor could not handle.")

Processor = Annotated[str, typer.Argument(help="The processor that failed.")]
Originator = Annotated[str, typer.Argument(help="Whose events wait (id of the call, assistant or organisation).")]


@app.command("ls")
def ls(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List failed events and those of the same originator held behind them, in order."""
    import asyncio

    from infra.cli.backend import open_backend
    from infra.cli.terminal import print_json, print_table

    async def listed() -> list[Json]:
        async with open_backend(data_dir, tables=True) as operator:
            return await operator.dead_letters()

    letters = asyncio.run(listed())
    if as_json:
        print_json(letters)
        return
    print_table(
        "Dead letters",
        ("processor", "originator", "position", "attempt", "reason"),
        [(x["processor"], x["originatorId"], x["position"], x["attempt"], x["reason"]) for x in letters],
        empty="no dead letters: every event was processed",
    )


@app.command("retry")
def retry(processor: Processor, originator: Originator, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Run the processor again over what waits, in order."""
    _act(lambda operator: operator.retry_dead_letters(processor, originator), data_dir, as_json)


@app.command("drop")
def drop(processor: Processor, originator: Originator, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Give up what waits for good; the events stay on the log."""
    _act(lambda operator: operator.drop_dead_letters(processor, originator), data_dir, as_json)


def _act(action: Callable[[Operator], Awaitable[Json]], data_dir: DataDir, as_json: bool) -> None:
    import asyncio

    from infra.cli.backend import open_backend
    from infra.cli.terminal import print_facts, print_json

    async def done() -> Json:
        async with open_backend(data_dir, tables=True) as operator:
            return await action(operator)

    outcome = asyncio.run(done())
    if as_json:
        print_json(outcome)
    else:
        print_facts(outcome)
