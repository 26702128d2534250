"""Kafka and Java on this machine, ready to start brokers: fetched once into a cache folder, then only looked at."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from infra.kafka.class_archive import make_class_archive
from infra.kafka.distribution import Artifact, Distribution, locked
from infra.kafka.download import Progress, download, forget_partial, matches
from infra.kafka.errors import DownloadFailed
from infra.kafka.java import find_java
from infra.kafka.program import Program


class InstallProgress(Protocol):
    """Whoever shows how an installation proceeds. Nothing is called when everything is there already."""

    def downloading(self, files: int, size: int) -> None:
        """``files`` jars of ``size`` bytes together are about to be fetched."""

    def received(self, size: int) -> None:
        """``size`` bytes more have arrived; fewer than none when an attempt is thrown away."""

    def preparing(self) -> None:
        """Everything is fetched; a class archive is being made."""


class Unwatched:
    """Shows nothing."""

    def downloading(self, files: int, size: int) -> None:
        """Nobody looks."""

    def received(self, size: int) -> None:
        """Nobody looks."""

    def preparing(self) -> None:
        """Nobody looks."""


Fetch = Callable[[Sequence[Artifact], Path, Progress], None]


def installed(
    cache: Path,
    progress: InstallProgress | None = None,
    *,
    check: bool = False,
    distribution: Distribution | None = None,
    environment: Mapping[str, str] = os.environ,
    fetch: Fetch = download,
) -> Program:
    """Kafka in the folder ``cache``, fetched and prepared as far as it is not there.

    Files that are there are known by name and size; ``check`` reads them all and fetches again what does not hash to
    what was pinned. Several processes may ask at once: one works, the others wait.

    Raises ``JavaMissing``, ``JavaTooOld``, ``DownloadFailed``, ``ChecksumMismatch``, ``NodeFailed``.
    """
    java, wanted, watcher = find_java(environment), distribution or locked(), progress or Unwatched()
    folder = cache.absolute() / f"kafka-{wanted.kafka}"
    jars = tuple(folder / artifact.file_name for artifact in wanted.artifacts)
    archive = folder / f"classes-{wanted.digest}-java-{java.version}.jsa"
    if check or _missing(wanted, folder) or not archive.exists():
        with _alone(folder):
            missing = _missing(wanted, folder)
            if check:
                missing = [artifact for artifact in wanted.artifacts if not matches(artifact, folder)]
            if missing:
                forget_partial(folder)
                watcher.downloading(len(missing), sum(artifact.size for artifact in missing))
                fetch(missing, folder, watcher.received)
            if not archive.exists():
                watcher.preparing()
                make_class_archive(Program(java, jars), archive)
    return Program(java, jars, archive)


def _missing(wanted: Distribution, folder: Path) -> list[Artifact]:
    """Jars that are not there, or have the wrong size."""

    def size(artifact: Artifact) -> int | None:
        try:
            return (folder / artifact.file_name).stat().st_size
        except OSError:  # whatever else is wrong with the folder is said when it is written to
            return None

    return [artifact for artifact in wanted.artifacts if size(artifact) != artifact.size]


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Make the folder and hold it against other processes."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise DownloadFailed(
            f"the cache folder {folder} cannot be written ({error.strerror}); let CALLFOLD_CACHE_DIR name another"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
