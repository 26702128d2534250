"""Our framework's WebSocket as the media tier wants to see it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Protocol

from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from domain.live_calls import CallNotLive, CallRejected, CallSocket, OwnerUnreachable

LOGGER: Final = logging.getLogger("callfold.api")
NORMAL: Final = 1000
POLICY_VIOLATION: Final = 1008
MESSAGE_TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011
TRY_LATER: Final = 1013
LONGEST_REASON_BYTES: Final = 123
"""What a close frame can carry, RFC 6455 section 5.5."""


DIRECT_MESSAGES: Final = "callfold.direct_messages"
"""The ASGI extension under which a server offers ``DirectMessages`` for a connection."""


class DirectMessages(Protocol):
    """What a server can do besides ASGI: messages without a wake-up of tasks. See ``CallSocket``."""

    def deliver(self, take: Callable[[bytes], bool]) -> None: ...

    def send_now(self, data: bytes | str) -> bool: ...


class StarletteCallSocket:
    """``CallSocket`` over an accepted Starlette WebSocket.

    That the peer has gone is learnt from ``receive`` alone (``None``); sending to it then does nothing. A message
    above ``limit_bytes`` closes the connection with 1009.
    """

    def __init__(self, websocket: WebSocket, limit_bytes: int) -> None:
        self._websocket = websocket
        self._limit_bytes = limit_bytes
        self._direct: DirectMessages | None = (websocket.scope.get("extensions") or {}).get(DIRECT_MESSAGES)

    def deliver(self, take: Callable[[bytes], bool]) -> None:
        """Short messages go to ``take`` where the server has a short way; every other comes through ``receive``."""
        if self._direct is not None:
            self._direct.deliver(take)

    def send_now(self, data: bytes | str) -> bool:
        """``False`` where it has to be awaited."""
        return self._direct is not None and self._is_open() and self._direct.send_now(data)

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


async def hold_socket(
    websocket: WebSocket, call_id: str, serve: Callable[[str, CallSocket], Awaitable[None]], limit_bytes: int
) -> None:
    """Give an accepted WebSocket to the media tier, and close it with the code and reason of how that ended."""
    socket = StarletteCallSocket(websocket, limit_bytes)
    try:
        await serve(call_id, socket)
    except CallRejected as rejected:
        await socket.close(rejected.code, rejected.reason)
    except CallNotLive:
        await socket.close(POLICY_VIOLATION, "The call is not running.")
    except OwnerUnreachable as unreachable:
        LOGGER.warning("call.owner_unreachable call=%s reason=%s", call_id, unreachable)
        await socket.close(TRY_LATER, "The process that serves the call does not answer; try again in a moment.")
    except asyncio.CancelledError:
        # The server ends and waits no longer for its connections; the media tier sees to the call.
        LOGGER.info("call.socket_abandoned call=%s", call_id)
    except Exception:
        # The last resort of a WebSocket, as LastResort is that of a request.
        LOGGER.exception("call.socket_failed call=%s", call_id)
        await socket.close(INTERNAL_ERROR, "The server failed; the call is over.")
    else:
        await socket.close(NORMAL, "The call is over.")


def _fit(reason: str) -> str:
    return reason.encode()[:LONGEST_REASON_BYTES].decode(errors="ignore")
