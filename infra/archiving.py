"""Which log files of an installation are archived, and what an archive tells of one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from domain.aggregates import AGGREGATES
from domain.call.aggregate import CALL
from domain.call.wire import CallUrls, call_body
from domain.log.codec import EventCodec
from domain.registry import kind_of
from infra.checkpoints import CHECKPOINTS
from infra.data_folder import MAIN, DataFolder
from streams.archive.archiver import Archived, archive_shard
from streams.archive.asking import opened_archive
from streams.archive.restoring import Restored, archived_log, restore
from streams.archive.segment import segments
from streams.archive.source import opened_source
from streams.log.append import EMBEDDED_SHARD
from streams.log.head_file import HeadFile
from streams.log.kafka.replica_folder import replica_path


class NothingToArchive(Exception):
    """There is no log file where one was looked for."""


def log_files(folder: DataFolder, *, on_kafka: bool) -> dict[int, Path]:
    """The log file of each shard: the embedded log, or the replicas of one seat. Raises ``NothingToArchive``."""
    if not on_kafka:
        if not folder.log.exists():
            raise NothingToArchive(f"there is no log at {folder.log}; name its folder with --data-dir")
        return {EMBEDDED_SHARD: folder.log}
    replicas = sorted(folder.replicas.glob("*/shard-*.db"), key=lambda path: (path.parent.name != MAIN, path))
    if not replicas:
        raise NothingToArchive(f"no replica of the log in {folder.root}; archive where a `callfold api` process runs")
    seat = replicas[0].parent
    return {int(path.stem.removeprefix("shard-")): path for path in replicas if path.parent == seat}


def count_events(folder: Path, files: dict[int, Path]) -> int:
    """How many events there are to archive beyond what the archive has, to show how far it is."""
    last: dict[int, int] = {found.shard: found.last for found in segments(folder)}
    total = 0
    for shard, path in files.items():
        with opened_source(path, shard) as source:
            total += source.events_after(last.get(shard, 0))
    return total


def archive(files: dict[int, Path], to: Path, on_events: Callable[[int], object]) -> list[Archived]:
    """Bring the archive of each shard up to its log, and what was signed of it beside it. See ``archive_shard``."""
    done = []
    for shard, path in sorted(files.items()):
        signed = [text for _, text in HeadFile(path.with_name(CHECKPOINTS)).read()]
        with opened_source(path, shard) as source:
            done.append(archive_shard(source, to, checkpoints=signed, on_events=on_events))
    return done


def restored(folder: Path, target: DataFolder, on_events: Callable[[int], object] = lambda _: None) -> list[Restored]:
    """Make the log of a data folder from an archive: the embedded log, or a replica of each shard in the main seat.

    Raises ``Unrestorable``; shards that were finished before that stay, each of them whole.
    """
    name, by_shard = archived_log(folder)
    done = []
    for shard, files in by_shard.items():
        place = replica_path(target.replicas / MAIN, shard) if name else target.log
        done.append(restore(name, files, place, on_events=on_events))
    return done


def archived_call(folder: Path, call_id: str) -> dict[str, Any] | None:
    """The call as the API shows it, folded from archived events alone; ``None`` where the archive has none of it.

    Without addresses: no system need run. Raises ``NoArchive``, ``Unanswerable`` and the codec's errors.
    """
    with opened_archive(folder) as opened:
        history = opened.history(call_id, EventCodec())
    if not history or kind_of(history[0].event.TYPE) != CALL.kind:
        return None
    state: Any = None
    for recorded in history:
        state = AGGREGATES[CALL.kind].evolve(state, recorded)
    return call_body(state, urls=CallUrls())


def shards_among(files: dict[int, Path], wanted: Sequence[int]) -> dict[int, Path]:
    """Only the wanted shards, all where none is named. Raises ``NothingToArchive``."""
    absent = [shard for shard in wanted if shard not in files]
    if absent:
        known = ", ".join(map(str, sorted(files)))
        raise NothingToArchive(f"there is no shard {absent[0]} here; there are: {known}")
    return {shard: path for shard, path in files.items() if not wanted or shard in wanted}
