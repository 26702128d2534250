"""Child processes on pipes: what they say arrives, they end when told, and none is left behind."""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import subprocess
import sys
from typing import Any

import pytest

from media.child_process import ChildProcess, start_child
from tests.patience import PATIENCE_S

ECHO = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"
STUBBORN = "import sys, time; print('up', flush=True); time.sleep(600)"


class Heard:
    def __init__(self) -> None:
        self.said = b""
        self.ended = asyncio.Event()
        self.begun = asyncio.Event()

    def take(self, data: bytes) -> None:
        self.said += data
        self.begun.set()

    async def started(self, program: str) -> ChildProcess:
        command = (sys.executable, "-c", program)
        return await start_child(command, output=self.take, output_ended=self.ended.set, quiet=True)


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_what_is_written_comes_back_whole() -> None:
    heard = Heard()
    child = await heard.started(ECHO)
    sent = os.urandom(1_000_000)
    child.write(sent)
    child.close_input()
    await heard.ended.wait()
    await child.end(within_s=PATIENCE_S)
    assert heard.said == sent
    assert not runs(child.pid)


async def test_who_does_not_leave_when_told_is_killed() -> None:
    heard = Heard()
    child = await heard.started(STUBBORN)
    await heard.begun.wait()
    await child.end(within_s=0.05)
    assert child.exited.is_set()
    assert not runs(child.pid)


async def test_a_killed_process_is_known_to_have_gone_and_takes_nothing_more() -> None:
    heard = Heard()
    child = await heard.started(STUBBORN)
    child.kill()
    await child.exited.wait()
    await heard.ended.wait()
    child.write(b"too late")
    child.drop()


async def test_nothing_is_left_of_a_start_that_nobody_waits_for_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    born: queue.Queue[subprocess.Popen[bytes]] = queue.Queue()

    class Noted(subprocess.Popen):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            born.put(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    starting = asyncio.create_task(Heard().started(STUBBORN))
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    process = await asyncio.to_thread(born.get, timeout=PATIENCE_S)
    assert await asyncio.to_thread(process.wait, PATIENCE_S) == -signal.SIGKILL


async def test_a_program_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        await start_child(("/no/such/program",), output=lambda data: None, output_ended=lambda: None)


async def test_descriptors_of_ours_are_not_theirs() -> None:
    heard = Heard()
    ours, theirs = os.pipe()
    os.set_inheritable(theirs, True)
    child = await heard.started("import os; print(sorted(os.listdir('/proc/self/fd')), flush=True)")
    await heard.ended.wait()
    await child.end(within_s=PATIENCE_S)
    os.close(ours)
    os.close(theirs)
    assert f"'{theirs}'" not in heard.said.decode()
