"""The worker's side of the pipe: blocking reads of whole messages, and a stdout that nothing else may write to."""

from __future__ import annotations

import os
import select
import signal
from collections import deque

import msgspec

from media.providers.local.messages import AreYouThere, Deframer, FromWorker, Here, ToWorker, frame

_READ_BYTES = 256 * 1024


class Pipe:
    """Messages in from standard input, messages out to what was standard output.

    Standard output is moved away and replaced by standard error, because native libraries print where they like and
    one stray line would break the framing. Interrupts of the terminal are ignored: the parent drains its calls first
    and then closes the pipe, which is what ends a worker (also when the parent was killed)."""

    def __init__(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._out = os.dup(1)
        os.dup2(2, 1)
        self._deframer = Deframer()
        self._decoder = msgspec.msgpack.Decoder(ToWorker)
        self._inbox: deque[ToWorker] = deque()

    def receive(self) -> ToWorker | None:
        """The next message, or None when the parent has gone."""
        while True:
            while not self._inbox:
                data = os.read(0, _READ_BYTES)
                if not data:
                    return None
                self._take(data)
            message = self._inbox.popleft()
            if not isinstance(message, AreYouThere):
                return message
            self.send(Here())

    def look_ahead(self) -> deque[ToWorker]:
        """Everything that has arrived by now, without waiting; what the caller removes counts as received."""
        while select.select([0], [], [], 0)[0]:
            data = os.read(0, _READ_BYTES)
            if not data:
                break
            self._take(data)
        return self._inbox

    def send(self, message: FromWorker) -> None:
        data = memoryview(frame(message))
        while data:
            data = data[os.write(self._out, data) :]

    def _take(self, data: bytes) -> None:
        self._inbox.extend(self._decoder.decode(body) for body in self._deframer.feed(data))
