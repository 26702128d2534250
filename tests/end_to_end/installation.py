"""An installation of several processes, and what clients do at whichever of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.end_to_end.system_process import ANSWER_SECONDS, SystemProcess

WITHIN_SECONDS = 5.0
"""How long a call may outlive the process that served it."""


@dataclass(frozen=True)
class Node:
    """A process that serves calls, at an address of its own."""

    url: str
    pid: int


@dataclass
class Installation:
    """An API process, and two processes that serve calls."""

    api: SystemProcess
    first: Node
    second: Node

    def client(self) -> httpx.Client:
        assert self.api.organization is not None
        return self.api.api(self.api.organization["privateKey"])


def at(url: str, base: str) -> str:
    """The same path at another process."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{base.partition('://')[2]}/{rest.partition('/')[2]}"


def moved(call: dict[str, Any], node: Node) -> dict[str, Any]:
    """The call with its sound at this process."""
    return call | {"transport": {"websocketCallUrl": at(call["transport"]["websocketCallUrl"], node.url)}}


def end_call(call: dict[str, Any], base: str) -> httpx.Response:
    """Ask a process to end the call, through its control URL."""
    return httpx.post(at(call["monitor"]["controlUrl"], base), json={"type": "end-call"}, timeout=ANSWER_SECONDS)


def status(api: httpx.Client, call: dict[str, Any]) -> tuple[str, str | None]:
    found = api.get(f"/call/{call['id']}").json()
    return found["status"], found.get("endedReason")


def ended_reason(installation: Installation, call: dict[str, Any]) -> str:
    """Waits on the log for the call's end."""
    parameters = {"follow": "true", "after": "0:0", "originator": call["id"], "types": "call.ended"}
    with (
        installation.api.operator() as operator,
        operator.stream("GET", "/operator/events", params=parameters, timeout=2 * ANSWER_SECONDS) as answer,
    ):
        for line in answer.iter_lines():
            if line.startswith("data: "):
                reason: str = json.loads(line.removeprefix("data: "))["data"]["reason"]
                return reason
    raise AssertionError("the stream ended before the call did")


def heard_until_closed(socket: ClientConnection) -> int:
    """Messages until the other side closes."""
    heard = 0
    try:
        while True:
            socket.recv(timeout=ANSWER_SECONDS)
            heard += 1
    except ConnectionClosed:
        return heard
