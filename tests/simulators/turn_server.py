"""A real TURN server, coturn's ``turnserver``, on loopback."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import pytest

USER, PASSWORD = "caller", "not-a-secret"
STARTED_SECONDS = 30.0


@dataclass(frozen=True)
class TurnServer:
    """``ice_server`` is it as a setting names it; ``log`` is what it says of its sessions."""

    port: int
    log: Path

    @property
    def ice_server(self) -> str:
        return f"turn:{USER}:{PASSWORD}@127.0.0.1:{self.port}?transport=udp"

    def said(self, words: str) -> int:
        """In how many lines of its log the words are."""
        return sum(words in line for line in self.log.read_text(errors="replace").splitlines())


@contextlib.contextmanager
def turn_server(folder: Path) -> Iterator[TurnServer]:
    """One that relays to loopback addresses for as long as the block lasts. Skips the test where there is none."""
    program = shutil.which("turnserver")
    if program is None:
        pytest.skip("turnserver is not installed (Debian's package coturn)")
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    log = folder / "turnserver.log"
    options = {
        "listening-ip": "127.0.0.1",
        "relay-ip": "127.0.0.1",
        "listening-port": port,
        "realm": "callfold",
        "user": f"{USER}:{PASSWORD}",
        "userdb": folder / "turn.db",
        "pidfile": folder / "turn.pid",
        "log-file": log,
    }
    flags = (
        "-n",
        "--lt-cred-mech",
        "--allow-loopback-peers",
        "--no-tls",
        "--no-dtls",
        "--no-cli",
        "--simple-log",
        "-v",
    )
    process = subprocess.Popen(
        [program, *flags, *(f"--{name}={value}" for name, value in options.items())],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, process)
        yield TurnServer(port, log)
    finally:
        process.terminate()
        process.wait(STARTED_SECONDS)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """It takes TCP at the same port: a connection is refused until it listens."""
    until = monotonic() + STARTED_SECONDS
    while monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
    raise AssertionError(f"turnserver does not listen (exit status {process.poll()})")
