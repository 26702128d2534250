"""``callfold archive``: the log as Parquet files that are checked, asked and made a log again without a system."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from infra.cli.options import AsJson, DataDir
from infra.cli.verify import PublicKey

app = typer.Typer(help="Write the log to Parquet files; check them, make a log of them.")

Folder = Annotated[Path, typer.Argument(help="Folder that `callfold archive --to` wrote.", show_default=False)]

_CHAIN_SHOWN = 16


@app.callback(invoke_without_command=True)
def archive(
    context: typer.Context,
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder of the archive, made when missing.", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    shard: Annotated[
        list[int] | None, typer.Option("--shard", help="Only this shard; repeatable.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write what the log has and the archive has not; also while a system runs. Finished files are never touched."""
    if context.invoked_subcommand is not None:
        return
    if to is None:
        raise typer.BadParameter("give the folder of the archive with --to", ctx=context)
    from domain.log.ports import LogUnavailable
    from infra import archiving
    from infra.cli.backend import settings_for
    from infra.cli.failure import CommandFailed
    from infra.data_folder import DataFolder
    from streams.archive.archiver import ArchiveMismatch
    from streams.archive.source import Unarchivable

    settings = settings_for(data_dir)
    folder = DataFolder(settings.data_dir.absolute())
    try:
        files = archiving.shards_among(
            archiving.log_files(folder, on_kafka=settings.kafka is not None), tuple(shard or ())
        )
        with _bar("archiving", archiving.count_events(to, files), silent=as_json) as advance:
            done = archiving.archive(files, to, advance)
    except (archiving.NothingToArchive, LogUnavailable, ArchiveMismatch, Unarchivable) as error:
        raise CommandFailed(str(error)) from None
    except OSError as error:
        raise CommandFailed(f"the archive {to} cannot be written: {error}") from None
    _show([_facts(one) for one in done], "Archived", as_json=as_json)


@app.command("verify")
def verify(folder: Folder, public_key: PublicKey = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Judge, number and chain every archived record again, and say which is the first that does not hold.

    Checkpoints in the files are held against them where a key is named, or the data folder has one.
    """
    from domain.log.ports import LogUnavailable
    from infra.checkpoints import trusted_keys
    from infra.cli.backend import settings_for
    from infra.cli.failure import CommandFailed
    from infra.data_folder import DataFolder
    from streams.archive.verification import verify_archive
    from streams.log.checkpoint_key import InvalidKey

    _wanted(folder)
    settings = settings_for(data_dir)
    try:
        trusted = trusted_keys(settings, DataFolder(settings.data_dir.absolute()), public_key or ())
    except (InvalidKey, LogUnavailable) as error:
        raise CommandFailed(str(error)) from None
    with _bar("verifying", None, silent=as_json) as advance:
        found = verify_archive(folder, trusted=trusted, on_events=advance)
    _show([_facts(one) for one in found], "Verified", as_json=as_json)
    broken = [shard.broken for shard in found if shard.broken is not None]
    if broken:
        worst = broken[0]
        record = f"record {worst.record}: " if worst.record else ""
        raise CommandFailed(f"shard {worst.shard}, {worst.file}: {record}{worst.reason}")


@app.command("restore")
def restore(folder: Folder, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Make the log of a new data folder from an archive; the two come to the same chain, or nothing is left.

    An archive of a log on Kafka makes replicas of its shards, which go on with what Kafka has behind them.
    """
    from domain.log.ports import LogUnavailable
    from infra.archiving import restored
    from infra.cli.backend import settings_for
    from infra.cli.failure import CommandFailed
    from infra.data_folder import DataFolder, FolderInUse, FolderUnusable
    from streams.archive.restoring import Unrestorable

    _wanted(folder)
    target = DataFolder(settings_for(data_dir).data_dir.absolute())
    try:
        with target.own(), _bar("restoring", None, silent=as_json) as advance:
            done = restored(folder, target, advance)
    except (Unrestorable, LogUnavailable, FolderInUse, FolderUnusable) as error:
        raise CommandFailed(str(error)) from None
    _show([_facts(one) for one in done], "Restored", as_json=as_json)


def _wanted(folder: Path) -> None:
    from infra.cli.failure import CommandFailed
    from streams.archive.segment import segments

    if not segments(folder):
        raise CommandFailed(f"there is no archive in {folder}; `callfold archive --to {folder}` writes one")


def _facts(outcome: object) -> dict[str, Any]:
    from msgspec import to_builtins

    facts: dict[str, Any] = to_builtins(outcome)
    return facts


def _show(shards: list[dict[str, Any]], title: str, *, as_json: bool) -> None:
    from infra.cli.terminal import print_json, print_table

    if as_json:
        print_json(shards)
        return
    columns = [column for column in shards[0] if column != "broken"]
    print_table(
        title,
        [column.replace("_", " ") for column in columns],
        [[one[column][:_CHAIN_SHOWN] if column == "chain" else one[column] for column in columns] for one in shards],
    )


@contextmanager
def _bar(what: str, events: int | None, *, silent: bool) -> Iterator[Callable[[int], object]]:
    """A bar on standard error that counts events; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Speed(ProgressColumn):
        """Events so far, and per second."""

        def render(self, task: Task) -> Text:
            speed = f", {task.speed:,.0f} events/s" if task.speed else ""
            return Text(f"{int(task.completed):,} events{speed}")

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), Speed(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=silent or not console.is_terminal) as progress:
        task = progress.add_task(what, total=events)
        yield lambda more: progress.update(task, advance=more)
