"""An installation of several processes, and what clients do at whichever of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.end_to_end.system_process import SystemProcess

WITHIN_SECONDS = 5.0
"""How long a call may outlive the process that served it."""


@dataclass
class Installation:
    """An API process, a media process to which call URLs point, and a second one."""

    api: SystemProcess
    first: SystemProcess
    second: SystemProcess

    def client(self) -> httpx.Client:
        assert self.api.organization is not None
        return self.api.api(self.api.organization["privateKey"])


def at(url: str, process: SystemProcess) -> str:
    """The same path at another process."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{process.url.partition('://')[2]}/{rest.partition('/')[2]}"


def moved(call: dict[str, Any], process: SystemProcess) -> dict[str, Any]:
    """The call with its sound at another process."""
    return call | {"transport": {"websocketCallUrl": at(call["transport"]["websocketCallUrl"], process)}}


def status(api: httpx.Client, call: dict[str, Any]) -> tuple[str, str | None]:
    found = api.get(f"/call/{call['id']}").json()
    return found["status"], found.get("endedReason")


def ended_reason(installation: Installation, call: dict[str, Any]) -> str:
    """Waits on the log for the call's end."""
    parameters = {"follow": "true", "after": "0:0", "originator": call["id"], "types": "call.ended"}
    with (
        installation.api.operator() as operator,
        operator.stream("GET", "/operator/events", params=parameters, timeout=30) as answer,
    ):
        for line in answer.iter_lines():
            if line.startswith("data: "):
                reason: str = json.loads(line.removeprefix("data: "))["data"]["reason"]
                return reason
    raise AssertionError("the stream ended before the call did")


def claim(installation: Installation, call: dict[str, Any]) -> dict[str, Any]:
    """What the owner said when it took the call."""
    parameters = {"originator": call["id"], "types": "call.claimed"}
    with installation.api.operator() as operator:
        (claimed,) = operator.get("/operator/events", params=parameters).json()
    said: dict[str, Any] = claimed["data"]
    return said


def heard_until_closed(socket: ClientConnection) -> int:
    """Messages until the other side closes."""
    heard = 0
    try:
        while True:
            socket.recv(timeout=30)
            heard += 1
    except ConnectionClosed:
        return heard
