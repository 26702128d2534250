"""``callfold verify``: hold the log against itself, this machine's replica of it, and what was signed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.options import AsJson, DataDir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from infra.verifying import Verified, Watcher

PublicKey = Annotated[
    list[str] | None,
    typer.Option(
        "--public-key",
        "-k",
        help="Believe checkpoints signed by this key too (64 hexadecimal digits, as in checkpoint.pub); repeatable.",
        show_default=False,
    ),
]

_CHAIN_SHOWN = 16
_TOLD_EVERY = 500


def verify(data_dir: DataDir = None, public_key: PublicKey = None, as_json: AsJson = False) -> None:
    """Judge, order and chain every record of the log again; also while a system runs on it."""
    from domain.log.ports import LogUnavailable
    from infra.checkpoints import trusted_keys
    from infra.cli.backend import settings_for
    from infra.cli.failure import CommandFailed
    from infra.data_folder import DataFolder
    from infra.verifying import NothingToVerify, verify_file, verify_kafka
    from streams.log.checkpoint_key import InvalidKey

    settings = settings_for(data_dir)
    folder = DataFolder(settings.data_dir.absolute())
    try:
        trusted = trusted_keys(settings, folder, public_key or ())
        with _watching(silent=as_json) as watcher:
            if settings.kafka is None:
                found = verify_file(folder, trusted, watcher)
            else:
                found = verify_kafka(settings.kafka, folder, trusted, watcher)
    except (NothingToVerify, LogUnavailable, InvalidKey) as error:
        raise CommandFailed(str(error)) from None
    _show(found, as_json=as_json)
    if found.findings:
        worst = found.findings[0]
        more = f" ({len(found.findings)} findings in all)" if len(found.findings) > 1 else ""
        raise CommandFailed(f"shard {worst.shard}, {worst.place}: {worst.sentence}{more}")


def _show(found: Verified, *, as_json: bool) -> None:
    from msgspec import to_builtins

    from infra.cli.terminal import print_facts, print_json, print_table

    totals = {
        "log": found.log,
        "records": sum(shard.records - shard.begin for shard in found.shards),
        "events": sum(shard.events for shard in found.shards),
    }
    if as_json:
        shards = [to_builtins(shard) for shard in found.shards]
        for shard in shards:
            del shard["findings"]
        print_json({**totals, "shards": shards, "findings": to_builtins(found.findings), "notes": found.notes})
        return
    print_facts({**totals, "note": "; ".join(found.notes)})
    print_table(
        "Shards",
        ("shard", "from", "records", "events", "chain", "checkpoints", "holds"),
        [
            (
                shard.shard,
                shard.begin,
                shard.records,
                shard.events,
                shard.chain[:_CHAIN_SHOWN],
                shard.checkpoints,
                not any(finding.shard == shard.shard for finding in found.findings),
            )
            for shard in found.shards
        ],
    )
    if found.findings:
        print_table(
            "Findings",
            ("fault", "shard", "place", "what"),
            [(finding.fault, finding.shard, finding.place, finding.sentence) for finding in found.findings],
        )


def _watching(*, silent: bool) -> AbstractContextManager[Watcher]:
    from contextlib import contextmanager

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    class Bars:
        """One bar per shard, on standard error; nothing where that is no terminal."""

        def __init__(self, progress: Progress) -> None:
            self._progress = progress
            self._task: TaskID | None = None
            self._done = 0

        def begin(self, shard: int, records: int) -> None:
            self._task, self._done = self._progress.add_task(f"shard {shard}", total=records), 0

        def record(self) -> None:
            self._done += 1
            # Telling of every record would cost more than reading it.
            if self._done % _TOLD_EVERY == 0 and self._task is not None:
                self._progress.update(self._task, completed=self._done)

    @contextmanager
    def shown() -> Iterator[Watcher]:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True, disable=silent or not console.is_terminal) as progress:
            yield Bars(progress)

    return shown()
