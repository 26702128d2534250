"""uvicorn's HTTP protocol over llhttp, with bounds on how much and how slowly a client may send.

llhttp takes a fifth of the processor time that parsing in Python takes, and keeps what it reads of a head or a trailer
for as long as that goes on. uvicorn waits for the rest of a request for as long as the connection stands: whoever sent
a byte a minute on each of a thousand connections would use up the process's open files, and no caller would get in.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST_HEAD_BYTES: Final = 64 * 1024
"""Of a request's line and fields, within one read from the socket."""

SLOWEST_BYTES: Final = 1024
"""That have to come within the protocol's patience, as long as the request is not whole."""

_TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection. It is closed when neither a head, a piece of a body nor an end shows in so many bytes, and when
    the rest of a request is longer in coming than it may be. What the process itself is not ready to read is not held
    against the client, and a connection between two requests is uvicorn's to close."""

    patience_s: ClassVar[float] = 30.0

    _unread_bytes = 0
    _came_of_it = False
    _recent_bytes = 0
    _waiting_since_s: float | None = None
    _look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn's own
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._waiting_since_s = self.loop.time()
        self._look = self.loop.call_later(self.patience_s, self._judge_pace)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        super().connection_lost(exc)
        self._stop_looking()

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to the protocol of calls."""
        self._stop_looking()
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        """Parse what has come, and count what is still an unfinished part of something."""
        self._came_of_it = False
        self._recent_bytes += len(data)
        super().data_received(data)
        self._unread_bytes = 0 if self._came_of_it else self._unread_bytes + len(data)
        if self._unread_bytes > LONGEST_HEAD_BYTES and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.send_400_response(f"The head of the request has more than {LONGEST_HEAD_BYTES} bytes.")
            else:
                self.transport.close()

    def on_message_begin(self) -> None:
        """Wait for the rest of a request."""
        self._waiting_since_s = self.loop.time()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a field of the head; those of a trailer come when the request is already being answered."""
        if "method" not in self.scope:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        self._came_of_it = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hand a piece on."""
        self._came_of_it = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Hand the end on."""
        self._came_of_it = True
        self._waiting_since_s = None
        super().on_message_complete()

    def _judge_pace(self) -> None:
        since_s, recent, self._recent_bytes = self._waiting_since_s, self._recent_bytes, 0
        waited = since_s is not None and self.loop.time() - since_s >= self.patience_s
        if waited and recent < SLOWEST_BYTES and not self.flow.read_paused:
            if self.cycle is None or not self.cycle.response_started:
                self.transport.write(_TOO_SLOW)
            self.transport.close()
        else:
            self._look = self.loop.call_later(self.patience_s, self._judge_pace)

    def _stop_looking(self) -> None:
        if self._look is not None:
            self._look.cancel()
