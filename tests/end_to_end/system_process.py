"""``callfold up``, or a role of it, as a process of its own; and a caller who holds a line open to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from infra.data_folder import DataFolder

READY_SECONDS = 120
STOP_SECONDS = 90
ANSWER_SECONDS = 60
"""All of them long, for busy machines."""
_ROOM_ENOUGH = {
    "CALLFOLD_ADMISSION_LAG_MS": "10000",
    "CALLFOLD_ADMISSION_BUSY_PERCENT": "100",
    "CALLFOLD_ADMISSION_START_WAIT_MS": "60000",
    "CALLFOLD_ADMISSION_LOG_WAIT_MS": "600000",
}
"""Tests share the machine with others: no call is to be refused for that."""
SILENCE = bytes(640)
A_SECOND_AND_A_BIT = 48_000
TRANSPORT = {
    "provider": "vapi.websocket",
    "audioFormat": {"format": "pcm_s16le", "container": "raw", "sampleRate": 16000},
}
TALKATIVE: dict[str, Any] = {
    "firstMessage": "Hello. " + "This is a long greeting that goes on and on for quite a while. " * 5,
    "silenceTimeoutSeconds": 3600,  # tests end these calls, however long it takes until they come to it
    "model": {"provider": "vapi", "model": "guided-conversation", "messages": []},
}


@dataclass
class SystemProcess:
    """A started system. ``organization`` is what it printed at a folder's first start, else ``None``."""

    process: subprocess.Popen[bytes]
    url: str
    organization: dict[str, str] | None
    folder: DataFolder
    started_after_s: float

    def api(self, private_key: str) -> httpx.Client:
        headers = {"authorization": f"Bearer {private_key}"}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=ANSWER_SECONDS)

    def operator(self) -> httpx.Client:
        running = self.folder.announced()
        assert running is not None
        return self.api(running.operator_token)

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def wait_for_lines(self, containing: str, count: int) -> None:
        """Wait until so many lines of the log have contained a text, counted from the start of the process."""
        assert self.process.stderr is not None
        found = 0
        while found < count:
            line = self.process.stderr.readline()
            assert line, f"the log ended after {found} lines with {containing}"
            found += containing in line.decode()

    def standard_error(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()


@contextmanager
def running(data_dir: Path, *arguments: str, role: str = "up", **environment: str) -> Iterator[SystemProcess]:
    """A system that answers; stopped with the context if the test has not stopped it."""
    started = time.monotonic()
    process = start(data_dir, *arguments, role=role, **environment)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1].decode()
        announced = json.loads(line)
        yield SystemProcess(
            process, announced["url"], announced["organization"], DataFolder(data_dir), time.monotonic() - started
        )
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()


def start(data_dir: Path, *arguments: str, role: str = "up", **environment: str) -> subprocess.Popen[bytes]:
    """Start ``callfold up --json``, or another role, on a free port and do not wait for it."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("CALLFOLD_")}
    return subprocess.Popen(
        [sys.executable, "-m", "infra.cli", role, "--port", "0", "--data-dir", str(data_dir), "--json", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # What no test reads must not hold up the process that writes it.
        pipesize=1 << 20,
        env=own | _ROOM_ENOUGH | environment,
    )


def place_call(api: httpx.Client, assistant: dict[str, Any]) -> dict[str, Any]:
    """A queued call with a transient assistant."""
    answer = api.post("/call", json={"assistant": assistant, "transport": TRANSPORT})
    assert answer.status_code == 201, answer.text
    call: dict[str, Any] = answer.json()
    return call


def connected(url: str) -> ClientConnection:
    """A WebSocket that waits as long as a busy machine may need."""
    return connect(url, compression=None, proxy=None, open_timeout=ANSWER_SECONDS, ping_timeout=None)


@contextmanager
def on_the_line(call: dict[str, Any]) -> Iterator[OpenLine]:
    """A silent caller who hears the assistant speak."""
    with connected(call["transport"]["websocketCallUrl"]) as socket:
        line = OpenLine(socket)
        line.hear()
        yield line


class OpenLine:
    """A live call from the caller's side."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._hung_up = threading.Event()
        self._heard = threading.Event()
        threading.Thread(target=self._listen, name="caller", daemon=True).start()

    def hear(self) -> None:
        """Wait until more than a second of the assistant's voice has arrived."""
        self._socket.send(SILENCE)
        assert self._heard.wait(READY_SECONDS), "the assistant said nothing"

    def wait_for_hang_up(self) -> tuple[int | None, str | None]:
        """Close code and reason."""
        assert self._hung_up.wait(STOP_SECONDS), "the other side did not hang up"
        return self._socket.close_code, self._socket.close_reason

    def _listen(self) -> None:
        heard_bytes = 0
        try:
            for message in self._socket:
                heard_bytes += len(message) if isinstance(message, bytes) else 0
                if heard_bytes > A_SECOND_AND_A_BIT:
                    self._heard.set()
        except ConnectionClosed:
            pass  # the close code tells how, see wait_for_hang_up
        self._hung_up.set()
