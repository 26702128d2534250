"""The processes a demonstration starts: the system and the tool server, each ready when it has said so."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.settings import LOOPBACK, PREFIX

_LOG = PREFIX + "LOG"
_READY_SECONDS = 90.0
"""A system is ready within 5 s; on a machine whose processors are taken it may need many times that."""

_STOP_SECONDS = 30.0


class ChildFailed(Exception):
    """A process did not get ready; the message carries the last lines it wrote."""


@dataclass(frozen=True, slots=True)
class Child:
    """A running process and the line it said that it is ready with. ``log`` is the file of what it complained about."""

    process: asyncio.subprocess.Process
    announcement: str
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid


@contextlib.asynccontextmanager
async def appointment_book(folder: Path, *, keep: bool) -> AsyncIterator[Child]:
    """The tool server; its announcement is the URL of its tools."""
    async with _child("-m", "infra.demo.appointment_book", log=folder / "appointment-book.log", keep=keep) as child:
        yield child


@dataclass(frozen=True, slots=True)
class System:
    """The processes of a started system, the one that answers the API last, and what that one said at its start."""

    processes: tuple[Child, ...]
    announced: dict[str, Any]


@contextlib.asynccontextmanager
async def system(folder: Path, *, keep: bool, split: bool = False) -> AsyncIterator[System]:
    """``callfold up`` on a free port, or API and calls as two processes; allowed to call tool servers on loopback."""
    environment = shared_log() | {PREFIX + "EGRESS_ALLOW": ",".join(LOOPBACK)}
    async with contextlib.AsyncExitStack() as processes:

        async def started(role: str, **more: str) -> Child:
            arguments = ("-m", "infra.cli", role, "--port", "0", "--data-dir", str(folder), "--json")
            log = folder / ("system.log" if role == "up" else f"{role}.log")
            return await processes.enter_async_context(_child(*arguments, log=log, keep=keep, **environment, **more))

        if split:
            media = await started("media")
            api = await started("api", **{PREFIX + "MEDIA_URL": json.loads(media.announcement)["url"]})
            yield System((media, api), json.loads(api.announcement))
        else:
            up = await started("up")
            yield System((up,), json.loads(up.announcement))


def shared_log() -> dict[str, str]:
    """The settings that say where a log on Kafka is; empty where the log is to be a file of the demonstration's own."""
    if not os.environ.get(_LOG, "").startswith("kafka://"):
        return {}
    return {name: value for name, value in os.environ.items() if name == _LOG or name.startswith(PREFIX + "KAFKA_")}


@contextlib.asynccontextmanager
async def _child(*arguments: str, log: Path, keep: bool, **environment: str) -> AsyncIterator[Child]:
    """Runs in a session of its own, so that Ctrl-C reaches the demonstration first and ``keep`` outlives it.

    Stops with the context, in order (SIGTERM), unless ``keep`` is set and the context ended well.
    """
    with log.open("ab") as complaints:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=complaints,
            # What a person has set for their own system must not reach this one: it could write to their database.
            env={name: value for name, value in os.environ.items() if not name.startswith(PREFIX)} | environment,
            start_new_session=True,
        )
    kept = False
    try:
        yield Child(process, await _announcement(process, log), log)
        kept = keep
    finally:
        if not kept:
            await _stop(process)


async def _announcement(process: asyncio.subprocess.Process, log: Path) -> str:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_READY_SECONDS):
            line = await process.stdout.readline()
    except TimeoutError:
        line = b""
    if not line:
        raise ChildFailed(await asyncio.to_thread(_last_words, log))
    return line.decode().strip()


def _last_words(log: Path) -> str:
    said = log.read_text(errors="replace").strip().splitlines()[-5:]
    return "\n".join(["a process did not get ready", *said])


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
