"""``callfold replica``: copies of the replicas of a log on Kafka, new ones from them, and old calls let go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.options import AsJson, DataDir

if TYPE_CHECKING:
    from infra.data_folder import DataFolder
    from infra.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Replicas of a log on Kafka: copy them, start from a copy, prune them.")


@app.command("snapshot")
def snapshot(
    to: Annotated[
        Path | None, typer.Option("--to", help="Folder (default: CALLFOLD_REPLICA_SNAPSHOTS).", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Copy the replicas of this data folder, also while a system runs on them; the newest two of a shard are kept."""
    from domain.log.ports import LogUnavailable
    from infra.archiving import NothingToArchive, log_files
    from infra.cli.failure import CommandFailed
    from infra.cli.terminal import print_json, print_table
    from infra.replica_upkeep import save_snapshots

    settings, folder = _on_kafka(data_dir)
    target = to or settings.replica_snapshots
    if target is None:
        raise CommandFailed("say where to with --to or CALLFOLD_REPLICA_SNAPSHOTS")
    try:
        saved = save_snapshots(log_files(folder, on_kafka=True), target)
    except (LogUnavailable, NothingToArchive) as error:
        raise CommandFailed(str(error)) from None
    rows = [{"snapshot": str(path), "bytes": path.stat().st_size} for path in saved]
    if as_json:
        print_json(rows)
        return
    print_table("Snapshots", ("snapshot", "bytes"), [tuple(row.values()) for row in rows])


@app.command("bootstrap")
def bootstrap(
    source: Annotated[
        Path | None, typer.Option("--from", help="Folder (default: CALLFOLD_REPLICA_SNAPSHOTS).", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    seat: Annotated[str, typer.Option(help="Whose replicas: main, media-1, project-1, ...")] = "main",
    as_json: AsJson = False,
) -> None:
    """Replace a stopped process's replicas by the newest snapshots; what was there is moved aside, not deleted."""
    from domain.log.ports import LogUnavailable
    from infra.cli.failure import CommandFailed
    from infra.cli.terminal import print_json, print_table
    from streams.log.kafka.replica_folder import replaced_from_snapshots

    settings, folder = _on_kafka(data_dir)
    given = source or settings.replica_snapshots
    if given is None:
        raise CommandFailed("say where from with --from or CALLFOLD_REPLICA_SNAPSHOTS")
    try:
        replaced = replaced_from_snapshots(folder.replicas / seat, given)
    except LogUnavailable as error:
        raise CommandFailed(str(error)) from None
    if not replaced:
        raise CommandFailed(f"there are no snapshots in {given}; `callfold replica snapshot` makes them")
    rows = [
        {"shard": one.shard, "snapshot": str(one.snapshot), "aside": str(one.aside) if one.aside else ""}
        for one in replaced
    ]
    if as_json:
        print_json(rows)
        return
    print_table("Replicas", ("shard", "snapshot", "aside"), [tuple(row.values()) for row in rows])


@app.command("lost")
def lost(
    aside: Annotated[Path, typer.Argument(help="The replica that was moved aside.", show_default=False)],
    data_dir: DataDir = None,
    seat: Annotated[str, typer.Option(help="Whose replica took its place: main, media-1, project-1, ...")] = "main",
    shard: Annotated[int, typer.Option(min=0, help="The shard that both are of.")] = 0,
    as_json: AsJson = False,
) -> None:
    """List the events that a replica moved aside holds and the log has lost, as the replica in its place shows it."""
    import msgspec

    from domain.log.ports import LogUnavailable
    from infra.cli.failure import CommandFailed
    from infra.cli.terminal import print_json, print_table
    from streams.log.kafka.lost import lost_events
    from streams.log.kafka.replica_folder import replica_path

    _, folder = _on_kafka(data_dir)
    try:
        missing = lost_events(aside, replica_path(folder.replicas / seat, shard))
    except LogUnavailable as error:
        raise CommandFailed(str(error)) from None
    if as_json:
        print_json(
            [
                {
                    "position": f"{shard}:{event.ordinal}",
                    "commitId": event.commit_id,
                    "originator": event.originator_id,
                    "version": event.originator_version,
                    "event": msgspec.json.decode(event.body) if event.body else None,
                }
                for event in missing
            ]
        )
        return
    print_table(
        "Lost",
        ("position", "commit", "originator", "version", "type"),
        [
            (f"{shard}:{event.ordinal}", event.commit_id, event.originator_id, event.originator_version, event.type)
            for event in missing
        ],
    )


@app.command("prune")
def prune(
    days: Annotated[
        float | None, typer.Option(min=0.0, help="Age of ended calls (default: CALLFOLD_REPLICA_DAYS).")
    ] = None,
    archive: Annotated[
        Path | None, typer.Option(help="Archive that has to hold them (default: CALLFOLD_ARCHIVE_DIR).")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Give up what was said and done in calls that have ended and that the archive holds; also while a system runs."""
    from domain.log.ports import LogUnavailable
    from infra.archiving import NothingToArchive, log_files
    from infra.cli.failure import CommandFailed
    from infra.cli.terminal import print_json, print_table
    from infra.replica_upkeep import prune_replicas
    from streams.archive.archiver import ArchiveMismatch

    settings, folder = _on_kafka(data_dir)
    age = days if days is not None else settings.replica_days or None
    place = archive or settings.archive_dir
    if age is None or place is None:
        raise CommandFailed("say how old with --days or CALLFOLD_REPLICA_DAYS, and where the archive is with --archive")
    try:
        given_up = prune_replicas(log_files(folder, on_kafka=True), place, age)
    except (LogUnavailable, NothingToArchive, ArchiveMismatch) as error:
        raise CommandFailed(str(error)) from None
    if as_json:
        print_json([{"shard": shard, "calls": calls} for shard, calls in given_up.items()])
        return
    print_table("Given up", ("shard", "calls"), list(given_up.items()))


def _on_kafka(data_dir: Path | None) -> tuple[Settings, DataFolder]:
    from infra.cli.backend import settings_for
    from infra.cli.failure import CommandFailed
    from infra.data_folder import DataFolder

    settings = settings_for(data_dir)
    if settings.kafka is None:
        raise CommandFailed("only a log on Kafka has replicas; CALLFOLD_LOG names none")
    return settings, DataFolder(settings.data_dir.absolute())
