"""uvicorn's WebSocket protocol with a short way for audio: a whole binary message reaches the call in one plain call.

On the usual way a message of 20 ms passes a parser of generators, a queue, the pausing and resuming of the socket, a
wake-up of the reading task and several layers of ASGI. Here short unfragmented binary frames (RFC 6455 section 5.2)
are cut out and handed over as they arrive, once somebody asked for them. All else, and all that is odd, goes by the
book, frame by frame and in order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.speedups import apply_mask

from api.call_sockets import DIRECT_MESSAGES, DirectMessages

_FINAL_TEXT, _FINAL_BINARY = 0x81, 0x82
_MASKED = 0x80
_SHORT_LENGTHS = 126
_TWO_BYTE_LENGTH, _EIGHT_BYTE_LENGTH = 126, 127
_MASK_BYTES = 4
_LONGEST_HEADER = 8
"""Of a frame with a length of two bytes; longer frames are the library's."""


class CallProtocol(WebSocketsSansIOProtocol):
    """One connection. It is the ``DirectMessages`` in its application's scope."""

    _take: Callable[[bytes], bool] | None = None
    _rest = b""
    """The beginning of a frame whose end has not come."""
    _by_the_book = False
    """The library sees every byte from here on: something came that we do not cut."""

    # DirectMessages.

    def deliver(self, take: Callable[[bytes], bool]) -> None:
        """Give binary messages to ``take`` from now on; what it does not take comes through ``receive``."""
        self._take = take

    def send_now(self, data: bytes | str) -> bool:
        """Hand a message to the network; ``False`` when that would have to wait, or cannot be done any more."""
        if self.close_sent or self.disconnected or not self.writable.is_set() or self.transport.is_closing():
            return False
        if isinstance(data, str):
            payload = data.encode()
            self.transport.write(_header(_FINAL_TEXT, len(payload)) + payload)
        else:
            self.transport.write(_header(_FINAL_BINARY, len(data)) + data)
        return True

    # What arrives.

    def handle_connect(self, event: Request) -> None:
        """Let the application find the short way in its scope."""
        super().handle_connect(event)
        if not self.close_sent:
            cast(dict[str, DirectMessages], self.scope["extensions"])[DIRECT_MESSAGES] = self

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the call: a finished one is to be freed without the collector."""
        super().connection_lost(exc)
        self._take = None
        if hasattr(self, "scope"):
            self.scope["extensions"].pop(DIRECT_MESSAGES, None)

    def data_received(self, data: bytes) -> None:
        """Cut what came into frames: straight to the call, or by the book."""
        if self._by_the_book or not self.handshake_initiated:
            super().data_received(data)
            return
        if self._rest:
            data, self._rest = self._rest + data, b""
        start, size = 0, len(data)
        while start < size and not self.transport.is_closing():
            header, length = _measure(data, start)
            if header > _LONGEST_HEADER:
                self._by_the_book = True
                super().data_received(data[start:])
                return
            end = start + header + length
            if end > size:
                self._rest = data[start:]
                return
            if data[start] != _FINAL_BINARY or not self._goes_straight(data, start + header, end):
                super().data_received(data[start:end])
            start = end

    def _goes_straight(self, data: bytes, start: int, end: int) -> bool:
        # What waits in the queue came earlier; fragments are a message that is not over.
        if self._take is None or self.close_sent or self.frames or not self.queue.empty():
            return False
        return self._take(apply_mask(data[start:end], data[start - _MASK_BYTES : start]))


def _measure(data: bytes, start: int) -> tuple[int, int]:
    """Bytes of header and of payload, as far as they can be told; a header above the longest where we do not judge."""
    if start + 1 == len(data):
        return 2, 0
    length = data[start + 1] - _MASKED
    if length < 0 or length == _EIGHT_BYTE_LENGTH:
        return _LONGEST_HEADER + 1, 0
    if length < _SHORT_LENGTHS:
        return 2 + _MASK_BYTES, length
    if start + 4 > len(data):
        return _LONGEST_HEADER, 0
    return _LONGEST_HEADER, data[start + 2] << 8 | data[start + 3]


@lru_cache(maxsize=256)
def _header(first_byte: int, length: int) -> bytes:
    if length < _SHORT_LENGTHS:
        return bytes((first_byte, length))
    if length <= 0xFFFF:
        return bytes((first_byte, _TWO_BYTE_LENGTH)) + length.to_bytes(2, "big")
    return bytes((first_byte, _EIGHT_BYTE_LENGTH)) + length.to_bytes(8, "big")
