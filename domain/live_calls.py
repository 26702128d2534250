"""What the API may ask about calls that are running, here or in another process of the installation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class CallNotLive(Exception):
    """The call is over, unknown, or running elsewhere."""


class CallRejected(Exception):
    """The media tier will not take this connection; ``code`` is the WebSocket close code, ``reason`` the text."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class OwnerUnreachable(Exception):
    """Another process serves the call and cannot be asked now; the message says which and why."""


class CallSocket(Protocol):
    """A WebSocket as the media tier sees it; the API adapts its framework to this.

    ``deliver`` and ``send_now`` are short ways that save the wake-up of a task for every 20 ms of sound. A server that
    has none ignores the first and answers the second with ``False``.
    """

    def deliver(self, take: Callable[[bytes], bool]) -> None:
        """Give binary messages to ``take`` as they arrive. What it answers with ``False`` comes through ``receive``, as
        do all messages behind it until they have been received."""

    def send_now(self, data: bytes | str) -> bool:
        """Send at once. ``False``: it must be awaited, and nothing was sent."""

    async def receive(self) -> bytes | str | None:
        """Next message; ``None`` when the peer has gone."""

    async def send_bytes(self, data: bytes) -> None: ...

    async def send_text(self, text: str) -> None: ...

    async def close(self, code: int, reason: str) -> None: ...


class LiveCalls(Protocol):
    """Served by the media tier of this process, or by asking the process that serves the call.

    The latter may raise ``OwnerUnreachable`` wherever ``CallNotLive`` is said.
    """

    async def serve(self, call_id: str, socket: CallSocket) -> None:
        """Claim the call and hold its conversation on ``socket`` until it ends. Raises ``CallRejected``."""

    async def listen(self, call_id: str, socket: CallSocket) -> None:
        """Stream the call's mono mix (s16le 16 kHz) after one text frame that announces the format.

        Raises ``CallNotLive``.
        """

    async def control(self, call_id: str, message: dict[str, Any]) -> None:
        """One live-control message (``say``, ``add-message``, ``control``, ``end-call``). Raises ``CallNotLive``."""

    async def end(self, call_id: str, reason: str) -> None:
        """End a running call with this ``endedReason`` and wait until it is recorded. Raises ``CallNotLive``."""

    def active(self) -> int:
        """Calls running on this node; where it serves none itself, those running anywhere, as far as it has seen."""

    def room(self) -> int:
        """How many more calls this node would take now; 0 where it is full, too busy, draining, or serves none."""

    async def drain(self, timeout_s: float) -> None:
        """Take no new calls, end running ones with ``worker-shutdown``, return when all is recorded."""
