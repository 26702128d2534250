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
        async with open_backend(data_dir, tables=True, upkeep=True) as operator:
            return await _letters(operator)

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


@app.command("show")
def show(
    processor: Processor,
    position: Annotated[str, typer.Argument(help="Where the event stands, such as 0:128.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show a failed event: why it failed, how often it was tried, and what it says."""
    import asyncio

    from infra.cli.backend import open_backend
    from infra.cli.terminal import print_facts, print_json

    async def found() -> Json:
        async with open_backend(data_dir, tables=True, upkeep=True) as operator:
            return await _letter(operator, processor, position)

    letter = asyncio.run(found())
    if as_json:
        print_json(letter)
        return
    event = letter.pop("event", None)
    if event is None:
        print_facts(letter)
        return
    print_facts({**letter, "event": f"{event['type']} (version {event['originatorVersion']}, {event['time']})"})
    print_json(event["data"])


async def _letter(operator: Operator, processor: str, position: str) -> Json:
    from domain.log.position import Position
    from infra.cli.failure import CommandFailed

    try:
        place = Position.parse(position)
    except ValueError as error:
        raise CommandFailed(str(error)) from None
    letters = {(letter["processor"], letter["position"]): letter for letter in await _letters(operator)}
    letter = letters.get((processor, str(place)))
    if letter is None:
        raise CommandFailed(f"{processor} has no parked event at {place}; see callfold dead ls", code=3)
    if letter["what"] == "fragments":
        # Their words may be a caller's: what is wrong with them is in the reason.
        return letter
    (event,) = await operator.events(after=str(Position(place.shard, place.ordinal - 1)), limit=1)
    return {**letter, "event": event}


async def _letters(operator: Operator) -> list[Json]:
    """Those of the main process and of the projector, where one runs beside it; what both know comes once."""
    found = await operator.dead_letters()
    if operator.projector is not None:
        found += [letter for letter in await operator.projector.dead_letters() if letter not in found]
    return found


@app.command("retry")
def retry(processor: Processor, originator: Originator, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Run the processor again over what waits, in order."""
    _act(processor, originator, lambda held: held.retry_dead_letters(processor, originator), data_dir, as_json)


@app.command("drop")
def drop(processor: Processor, originator: Originator, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Give up what waits for good; the events stay on the log."""
    _act(processor, originator, lambda held: held.drop_dead_letters(processor, originator), data_dir, as_json)


def _act(
    processor: str, originator: str, action: Callable[[Operator], Awaitable[Json]], data_dir: DataDir, as_json: bool
) -> None:
    """Where the originator's events are parked."""
    import asyncio

    from infra.cli.backend import open_backend
    from infra.cli.terminal import print_facts, print_json

    async def done() -> Json:
        async with open_backend(data_dir, tables=True, upkeep=True) as operator:
            projector = operator.projector
            if projector is None:
                return await action(operator)
            theirs = {(letter["processor"], letter["originatorId"]) for letter in await projector.dead_letters()}
            return await action(projector if (processor, originator) in theirs else operator)

    outcome = asyncio.run(done())
    if as_json:
        print_json(outcome)
    else:
        print_facts(outcome)
