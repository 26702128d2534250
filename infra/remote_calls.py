"""Running calls, wherever they run: those of this process at once, the others by asking their owner."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from api.responses import POSITION_HEADER
from api.routes.forwarded import PREFIX
from domain.call.state import Claim, Live, Ringing
from domain.live_calls import CallNotLive, CallRejected, CallSocket, LiveCalls, OwnerUnreachable
from domain.log.ports import Documents, EventLog
from domain.log.position import Position
from domain.signing import call_token

_TRY_LATER = 1013
_NOT_RUNNING = 1008
_RUNNING = ("ringing", "in-progress")

CONNECT_SECONDS = 2.0
_ANSWER_SECONDS = 15.0
"""An owner that was asked to end a call answers when the end is on the log."""
_SEEN_SECONDS = 5.0


class RoutedCalls:
    """``LiveCalls`` of an installation of several processes.

    ``own`` are those of this process, ``None`` where it serves none; ``owner`` is its name in claims.
    """

    def __init__(self, own: LiveCalls | None, owner: str, documents: Documents, log: EventLog, secret: bytes) -> None:
        self._own = own
        self._owner = owner
        self._documents = documents
        self._log = log
        self._secret = secret
        self._client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(_ANSWER_SECONDS, connect=CONNECT_SECONDS), trust_env=False
        )

    async def close(self) -> None:
        """Let go of the connections to other processes."""
        await self._client.aclose()

    async def serve(self, call_id: str, socket: CallSocket) -> None:
        """Only calls of this process have their sound here: whoever gets the connection claims the call."""
        if self._own is None:
            raise CallRejected(_TRY_LATER, "this process serves no calls; connect to one that does (callfold media)")
        await self._own.serve(call_id, socket)

    async def listen(self, call_id: str, socket: CallSocket) -> None:
        """Stream the call, or pass on the stream of its owner. Raises ``CallNotLive`` and ``OwnerUnreachable``."""
        claim = self._claim(call_id)
        if claim.owner == self._owner:
            await self._mine(call_id).listen(call_id, socket)
            return
        address = _address(claim)
        url = f"{address.replace('http', 'ws', 1)}{PREFIX}/{call_id}/listen"
        try:
            stream = await connect(
                url,
                additional_headers=self._credential(call_id),
                compression=None,
                proxy=None,
                open_timeout=CONNECT_SECONDS,
                max_size=None,
            )
        except (OSError, TimeoutError, InvalidHandshake) as error:
            raise _unreachable(claim, error) from error
        async with stream:
            await _pass_on(stream, socket)

    async def control(self, call_id: str, message: dict[str, Any]) -> None:
        """One live-control message. Raises ``CallNotLive`` and ``OwnerUnreachable``."""
        claim = self._claim(call_id)
        if claim.owner == self._owner:
            await self._mine(call_id).control(call_id, message)
        else:
            await self._ask(claim, call_id, "control", message)

    async def end(self, call_id: str, reason: str) -> None:
        """End a running call; returns when this node has seen its end. Raises ``CallNotLive``, ``OwnerUnreachable``."""
        claim = self._claim(call_id)
        if claim.owner == self._owner:
            await self._mine(call_id).end(call_id, reason)
            return
        answer = await self._ask(claim, call_id, "end", {"reason": reason})
        ended = Position.parse(answer.headers[POSITION_HEADER])
        if not await self._log.wait_for(ended, _SEEN_SECONDS):
            raise OwnerUnreachable(
                f"call {call_id} has ended at {ended}, which this node has not read from the log yet"
            )

    def active(self) -> int:
        """Calls of this process, or all that run as far as this node has seen, where it serves none."""
        if self._own is not None:
            return self._own.active()
        return self._documents.count("call", status=_RUNNING)

    def room(self) -> int:
        """How many more calls this process would take now."""
        return self._own.room() if self._own is not None else 0

    async def drain(self, timeout_s: float) -> None:
        """Drain the calls of this process."""
        if self._own is not None:
            await self._own.drain(timeout_s)

    def _claim(self, call_id: str) -> Claim:
        document = self._documents.get("call", call_id)
        if document is None or not isinstance(document.state, Ringing | Live):
            raise CallNotLive(f"call {call_id} is not running")
        return document.state.claim

    def _mine(self, call_id: str) -> LiveCalls:
        if self._own is None:
            raise CallNotLive(f"call {call_id} is not running here")
        return self._own

    async def _ask(self, claim: Claim, call_id: str, what: str, body: Mapping[str, Any]) -> httpx2.Response:
        url = f"{_address(claim)}{PREFIX}/{call_id}/{what}"
        try:
            answer = await self._client.post(url, json=body, headers=self._credential(call_id))
        except httpx2.TransportError as error:
            raise _unreachable(claim, error) from error
        if answer.status_code == httpx2.codes.NOT_FOUND:
            # Its task has ended, or another process answers there now; the reaper will have seen to the call.
            raise CallNotLive(f"call {call_id} is not running at {claim.address}")
        if answer.is_error:
            raise OwnerUnreachable(f"{claim.owner} at {claim.address} refused with {answer.status_code}: {answer.text}")
        return answer

    def _credential(self, call_id: str) -> dict[str, str]:
        return {"authorization": f"Bearer {call_token(self._secret, call_id, 'forward')}"}


def _address(claim: Claim) -> str:
    if not claim.address:
        raise OwnerUnreachable(f"{claim.owner} said no address; set CALLFOLD_NODE_HOST for media processes")
    return claim.address


def _unreachable(claim: Claim, error: Exception) -> OwnerUnreachable:
    return OwnerUnreachable(f"{claim.owner} at {claim.address} does not answer ({error or type(error).__name__})")


async def _pass_on(stream: ClientConnection, socket: CallSocket) -> None:
    """What the owner sends, until it ends or the listener goes."""
    watch = asyncio.create_task(_until_gone(socket, stream))
    try:
        async for message in stream:
            if isinstance(message, str):
                await socket.send_text(message)
            else:
                await socket.send_bytes(message)
    except ConnectionClosed as closed:
        if stream.close_code == _NOT_RUNNING:
            raise CallNotLive(stream.close_reason or "the call is not running") from closed
        raise OwnerUnreachable(f"the owner's stream broke off ({closed})") from closed
    finally:
        watch.cancel()
        await asyncio.wait({watch})


async def _until_gone(socket: CallSocket, stream: ClientConnection) -> None:
    while await socket.receive() is not None:
        pass
    await stream.close()
