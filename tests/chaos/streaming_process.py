"""``callfold stream`` several times over, as children to be killed: forked from a process that has imported it.

``python -m tests.chaos.streaming_process FOLDER`` starts one for each name on its input, in a data folder of that name,
and tells its process id, and on another line that it is ready. Settings come from the environment.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path

import msgspec

import infra.lifetime
import infra.streaming
import streams.faust.app
from infra.roles import Started
from infra.serve import serve
from infra.settings import load

SESSION_SECONDS = 4.0
"""After which a silent child is taken for dead. Brokers allow no less than 6 s unless told."""


class Told(msgspec.Struct, frozen=True):
    """A child was started, or is ready."""

    name: str
    pid: int
    ready: bool = False


def tell(told: Told) -> None:
    os.write(1, msgspec.json.encode(told) + b"\n")


def stream(folder: Path, name: str) -> None:
    """Until somebody kills this process."""
    lines = os.open(folder / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(lines, 2)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def on_started(started: Started) -> None:
        tell(Told(name, started.pid, ready=True))

    serve(load(data_dir=folder / name, port=0), on_started, role="stream")


def main(folder: Path) -> None:
    streams.faust.app.SESSION_SECONDS = SESSION_SECONDS
    streams.faust.app.HEARTBEAT_SECONDS = SESSION_SECONDS / 5
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a child here
    for line in sys.stdin:
        child = os.fork()
        if not child:
            try:
                stream(folder, line.strip())
            except BaseException:
                # Nobody else says what this child died of.
                traceback.print_exc()
            finally:
                os._exit(1)
        tell(Told(line.strip(), child))


if __name__ == "__main__":
    assert infra.lifetime
    assert infra.streaming
    main(Path(sys.argv[1]))
