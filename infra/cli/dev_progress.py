"""What a person sees while Kafka is being fetched: a bar on standard error."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn


class InstallProgressBar:
    """Draws nothing until there is something to do."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: TracebackType | object) -> None:
        self._progress.stop()

    def downloading(self, files: int, size: int) -> None:
        """``files`` jars of ``size`` bytes together are about to be fetched."""
        self._progress.start()
        self._task = self._progress.add_task(f"Apache Kafka, {files} files from Maven Central", total=size)

    def received(self, size: int) -> None:
        """``size`` bytes more have arrived."""
        assert self._task is not None, "downloading comes first"
        self._progress.advance(self._task, size)

    def preparing(self) -> None:
        """Everything is fetched."""
        self._progress.stop()
        self._progress.console.print("preparing Kafka for quick starts (once)")
