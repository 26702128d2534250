"""uvicorn's HTTP protocol over llhttp, with a bound on what a client may send without anything coming of it.

llhttp takes a fifth of the processor time that parsing in Python takes, and keeps what it reads of a head or a trailer
for as long as that goes on.
"""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST_HEAD_BYTES: Final = 64 * 1024
"""Of a request's line and fields, within one read from the socket."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection. It is closed when neither a head, a piece of a body nor an end shows in so many bytes."""

    _unread_bytes = 0
    _came_of_it = False

    def data_received(self, data: bytes) -> None:
        """Parse what has come, and count what is still an unfinished part of something."""
        self._came_of_it = False
        super().data_received(data)
        self._unread_bytes = 0 if self._came_of_it else self._unread_bytes + len(data)
        if self._unread_bytes > LONGEST_HEAD_BYTES and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.send_400_response(f"The head of the request has more than {LONGEST_HEAD_BYTES} bytes.")
            else:
                self.transport.close()

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
        super().on_message_complete()
