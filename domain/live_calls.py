"""What the API may ask of the media tier about calls that are running on this node."""

from __future__ import annotations

from typing import Any, Protocol


class CallNotLive(Exception):
    """The call is over, unknown, or running elsewhere."""


class CallRejected(Exception):
    """The media tier will not take this connection; ``code`` is the WebSocket close code, ``reason`` the text."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class CallSocket(Protocol):
    """A WebSocket as the media tier sees it; the API adapts its framework to this."""

    async def receive(self) -> bytes | str | None:
        """Next message; ``None`` when the peer has gone."""

    async def send_bytes(self, data: bytes) -> None: ...

    async def send_text(self, text: str) -> None: ...

    async def close(self, code: int, reason: str) -> None: ...


class LiveCalls(Protocol):
    """Served by the media tier of this process."""

    async def serve(self, call_id: str, socket: CallSocket) -> None:
        """Claim the call and hold its conversation on ``socket`` until it ends. Raises ``CallRejected``."""

    async def listen(self, call_id: str, socket: CallSocket) -> None:
        """Stream the call's mono mix (s16le 16 kHz) after one text frame that announces the format."""

    async def control(self, call_id: str, message: dict[str, Any]) -> None:
        """One live-control message (``say``, ``add-message``, ``control``, ``end-call``). Raises ``CallNotLive``."""

    async def end(self, call_id: str, reason: str) -> None:
        """End a running call with this ``endedReason`` and wait until it is recorded. Raises ``CallNotLive``."""

    def active(self) -> int:
        """Calls running on this node."""

    async def drain(self, timeout_s: float) -> None:
        """Take no new calls, end running ones with ``worker-shutdown``, return when all is recorded."""
