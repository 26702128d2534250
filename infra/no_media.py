"""A node without a media tier: it can be asked about calls, and serves none."""

from __future__ import annotations

from typing import Any

from domain.live_calls import CallNotLive, CallRejected, CallSocket

_TRY_LATER = 1013


class NoLiveCalls:
    """``LiveCalls`` of a process that only reads and changes the data folder."""

    async def serve(self, call_id: str, socket: CallSocket) -> None:
        raise CallRejected(_TRY_LATER, "this process serves no calls")

    async def listen(self, call_id: str, socket: CallSocket) -> None:
        raise CallNotLive(f"call {call_id} is not running here")

    async def control(self, call_id: str, message: dict[str, Any]) -> None:
        raise CallNotLive(f"call {call_id} is not running here")

    async def end(self, call_id: str, reason: str) -> None:
        raise CallNotLive(f"call {call_id} is not running here")

    def active(self) -> int:
        return 0

    def room(self) -> int:
        return 0

    async def drain(self, timeout_s: float) -> None:
        return
