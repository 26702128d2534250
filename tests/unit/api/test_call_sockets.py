"""A WebSocket of a call as the server ends."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from starlette.websockets import WebSocket

from api.call_sockets import hold_socket
from domain.live_calls import CallSocket


async def test_a_connection_that_the_ending_server_gives_up_ends_without_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    serving = asyncio.Event()

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        assert message["type"] == "websocket.accept"

    async def serve(_: str, socket: CallSocket) -> None:
        serving.set()
        await asyncio.Event().wait()

    websocket = WebSocket({"type": "websocket", "headers": []}, receive, send)
    await websocket.accept()
    holding = asyncio.create_task(hold_socket(websocket, "a call", serve, 1_000))
    await serving.wait()
    with caplog.at_level(logging.INFO, "callfold.api"):
        holding.cancel("the server ends")
        await holding
    assert [record.levelno for record in caplog.records] == [logging.INFO]
    assert "a call" in caplog.text
