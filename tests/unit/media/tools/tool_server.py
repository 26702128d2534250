"""A real HTTP server on a local port whose answers the test scripts."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.patience import PATIENCE_S


@dataclass
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.body)["message"]
        return message


@dataclass
class ToolServer:
    """Answers with ``answers`` in order, the last one for ever. ``hold`` keeps answers back until it is set."""

    url: str
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.hold.set()

    def answer(self, *results: Any, status: int = 200, **body: Any) -> None:
        self.answers.append((status, json.dumps({"results": list(results), **body}).encode()))

    def next_answer(self) -> tuple[int, bytes]:
        return self.answers[min(len(self.received), len(self.answers)) - 1] if self.answers else (200, b"{}")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    """Connections beyond it are made a second later, or later still."""


@contextmanager
def tool_server() -> Iterator[ToolServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            script.received.append(
                Received(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            )
            status, answer = script.next_answer()
            script.hold.wait(PATIENCE_S)
            try:
                self.send_response(status)
                for name, value in script.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
            except OSError:
                return  # the client gave up, as some tests want

        do_GET = do_PUT = do_PATCH = do_DELETE = do_POST  # noqa: N815 - the names that http.server looks for

        def log_message(self, format: str, *arguments: Any) -> None:
            return

    server = _Server(("127.0.0.1", 0), Handler)
    script = ToolServer(f"http://127.0.0.1:{server.server_address[1]}/tools")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield script
    finally:
        script.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()
