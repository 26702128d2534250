"""A starting process says so to whoever asks, and what refuses it is known before anything big is loaded."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from infra.data_folder import DataFolder, RunningSystem
from infra.listening import listen
from infra.starting import starting
from tests.patience import PATIENCE_S

REFUSED = """
import sys
from pathlib import Path
from infra.serve import FAILURES, serve
from infra.settings import load
try:
    serve(load(data_dir=Path(sys.argv[1]), port=int(sys.argv[2])), print)
except FAILURES as refused:
    print(type(refused).__name__, "fastapi" in sys.modules)
"""


def refusal(folder: Path, port: int) -> str:
    command = [sys.executable, "-c", REFUSED, str(folder), str(port)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def answered(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"null")
    finally:
        connection.close()


def test_it_lives_and_is_not_ready_and_sends_all_else_elsewhere() -> None:
    with listen("127.0.0.1", 0) as listener, starting(listener):
        port = listener.getsockname()[1]
        lives, living = answered(port, "GET", "/health/live")
        ready, readiness = answered(port, "GET", "/health/ready?from=balancer")
        refused, refusal = answered(port, "POST", "/call", b"x" * 1_000_000)
        probed, nothing = answered(port, "HEAD", "/health")

    assert (lives, living["status"]) == (HTTPStatus.OK, "live")
    assert (ready, readiness["status"], readiness["reason"]) == (503, "not-ready", "the server is starting")
    assert (refused, refusal["message"], refusal["statusCode"]) == (503, "the server is starting", 503)
    assert (probed, nothing) == (503, None)


def test_a_client_that_says_nothing_holds_up_neither_others_nor_the_start() -> None:
    with listen("127.0.0.1", 0) as listener, starting(listener) as start:
        address = listener.getsockname()
        with socket.create_connection(address, timeout=PATIENCE_S) as silent:
            assert answered(address[1], "GET", "/health/live")[0] == HTTPStatus.OK
            start.over()
            assert silent.recv(1) == b""


def test_who_comes_when_it_is_over_waits_for_who_is_next() -> None:
    with listen("127.0.0.1", 0) as listener, starting(listener) as start:
        start.over()
        with socket.create_connection(listener.getsockname(), timeout=PATIENCE_S) as early:
            listener.setblocking(True)
            accepted, peer = listener.accept()
            with accepted:
                assert peer == early.getsockname()


def test_a_taken_folder_is_told_of_before_the_parts_of_a_system_are_loaded(tmp_path: Path) -> None:
    with DataFolder(tmp_path).own() as seat:
        seat.announce(RunningSystem(1, "http://127.0.0.1:9", ""))
        assert refusal(tmp_path, 0) == "FolderInUse False"


def test_a_taken_port_is_told_of_before_the_parts_of_a_system_are_loaded(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as taken:
        assert refusal(tmp_path, taken.getsockname()[1]) == "CannotListen False"


@pytest.mark.parametrize("head", [b"", b"GET /health/live HTTP/1.1\r\n", b"\r\n\r\n", b"\xff" * 70_000 + b"\r\n\r\n"])
def test_nonsense_ends_in_an_answer_or_a_closed_connection(head: bytes) -> None:
    with listen("127.0.0.1", 0) as listener, starting(listener):
        address = listener.getsockname()
        # What comes after too long a head is not read: the connection may be reset.
        with suppress(ConnectionError), socket.create_connection(address, timeout=PATIENCE_S) as odd:
            odd.sendall(head)
            odd.shutdown(socket.SHUT_WR)
            while odd.recv(65_536):
                pass
        assert answered(address[1], "GET", "/health/live")[0] == HTTPStatus.OK
