"""The limited process seen from the event loop: one for every file, so that no file can harm another."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from streams.knowledge.extraction.job import JOB, SOURCE, Extract, Index, Job, Outcome, Refused, read_outcome
from streams.knowledge.extraction.limits import Limits

logger = logging.getLogger(__name__)

_MODULE: Final = "streams.knowledge.extraction.worker"
_TOLD_CHARACTERS: Final = 500
_KEPT_VARIABLES: Final = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV", "TZ")
"""The process has no use for the others, and some of them are secrets."""


class Extractor:
    """``at_once`` processes at most. ``scratch`` is where they work, and nobody else: what is left there is deleted."""

    def __init__(self, scratch: Path, limits: Limits, *, at_once: int = 1) -> None:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700, parents=True)
        self._scratch = scratch
        self._limits = limits
        self._turns = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def extracted(self, source: BinaryIO, name: str, media_type: str) -> AsyncIterator[tuple[Outcome, Path]]:
        """What came of reading ``source``, which it closes, and the folder of text and index until the block ends."""
        async with self._work(source, Extract(name=name, media_type=media_type, limits=self._limits)) as done:
            yield done

    @asynccontextmanager
    async def indexed(self, text: BinaryIO) -> AsyncIterator[tuple[Outcome, Path]]:
        """The same for a text that was read before: only its index."""
        async with self._work(text, Index(limits=self._limits)) as done:
            yield done

    @asynccontextmanager
    async def _work(self, source: BinaryIO, job: Job) -> AsyncIterator[tuple[Outcome, Path]]:
        async with self._turns:
            folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=self._scratch))
            try:
                await asyncio.to_thread(_prepare, folder, source, job)
                yield await self._run(folder), folder
            finally:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _run(self, folder: Path) -> Outcome:
        process = await asyncio.to_thread(_started, folder)
        try:
            errors = await asyncio.to_thread(self._ended, process)
        except BaseException:
            # Whoever waited does so no more; the thread comes back as soon as the process is gone.
            process.kill()
            raise
        if errors is None:
            return _too_slow(f"{self._limits.wall_seconds:g} seconds")
        outcome = read_outcome(folder)
        return outcome if process.returncode == 0 and outcome is not None else self._died(process.returncode, errors)

    def _ended(self, process: subprocess.Popen[bytes]) -> bytes | None:
        """What the process said on its standard error, or nothing where it had to be killed for taking too long."""
        try:
            return process.communicate(timeout=self._limits.wall_seconds)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return None

    def _died(self, status: int | None, errors: bytes) -> Refused:
        if status in (-signal.SIGXCPU, -signal.SIGKILL):
            return _too_slow(f"{self._limits.cpu_seconds} seconds of processor time")
        told = errors.decode("utf-8", "replace").strip().rpartition("\n")[2][:_TOLD_CHARACTERS]
        logger.warning("knowledge.reader_died", extra={"status": status, "reason": told})
        if "MemoryError" in told or "Cannot allocate memory" in told or "memory" in told.lower():
            return Refused(code="too-much-memory", reason="Reading it takes more memory than a file may.")
        return Refused(code="crashed", reason="Reading it ended the process that read it.")


def _started(folder: Path) -> subprocess.Popen[bytes]:
    # The loop's own way to start a process forks, and the analytics engine in this process does not survive that: the
    # child waits for ever for locks that its threads held. What follows uses vfork, which copies nothing.
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-P", "-m", _MODULE, str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=_environment(),
        start_new_session=True,
    )


def _prepare(folder: Path, source: BinaryIO, job: Job) -> None:
    with source, (folder / SOURCE).open("wb") as target:
        shutil.copyfileobj(source, target, 1024 * 1024)
    (folder / JOB).write_bytes(msgspec.json.encode(job))


def _too_slow(limit: str) -> Refused:
    return Refused(code="too-slow", reason=f"Reading it takes longer than {limit}.")


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    # Threads of the linear algebra reserve address space that counts, and nothing here is large enough for them.
    return {**kept, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
