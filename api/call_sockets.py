"""Our framework's WebSocket as the media tier wants to see it."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

POLICY_VIOLATION: Final = 1008
MESSAGE_TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011
LONGEST_REASON_BYTES: Final = 123
"""What a close frame can carry, RFC 6455 section 5.5."""


class StarletteCallSocket:
    """``CallSocket`` over an accepted Starlette WebSocket.

    That the peer has gone is learnt from ``receive`` alone (``None``); sending to it then does nothing. A message
    above ``limit_bytes`` closes the connection with 1009.
    """

    def __init__(self, websocket: WebSocket, limit_bytes: int) -> None:
        self._websocket = websocket
        self._limit_bytes = limit_bytes

    async def receive(self) -> bytes | str | None:
        """Next message; ``None`` when the peer has gone."""
        if self._websocket.client_state is WebSocketState.DISCONNECTED:
            return None
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        data = message.get("bytes")
        payload: bytes | str = message.get("text") or "" if data is None else data
        if len(payload) > self._limit_bytes:
            await self.close(MESSAGE_TOO_BIG, f"A message of {len(payload)} bytes exceeds {self._limit_bytes}.")
            return None
        return payload

    async def send_bytes(self, data: bytes) -> None:
        """One binary frame."""
        await self._send({"type": "websocket.send", "bytes": data})

    async def send_text(self, text: str) -> None:
        """One text frame."""
        await self._send({"type": "websocket.send", "text": text})

    async def close(self, code: int, reason: str) -> None:
        """Send a close frame once; the reason is cut to what the frame can carry."""
        await self._send({"type": "websocket.close", "code": code, "reason": _fit(reason)})

    async def _send(self, message: Message) -> None:
        if not self._is_open():
            return
        # The peer may vanish between our look and our send; its disconnect is then what receive() reports.
        with suppress(WebSocketDisconnect):
            await self._websocket.send(message)

    def _is_open(self) -> bool:
        return (
            self._websocket.client_state is WebSocketState.CONNECTED
            and self._websocket.application_state is WebSocketState.CONNECTED
        )


def _fit(reason: str) -> str:
    return reason.encode()[:LONGEST_REASON_BYTES].decode(errors="ignore")
