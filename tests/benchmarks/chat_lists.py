"""What a list of 100 chats costs: chats apart from each other, in one chain, and in one session.

Run ``python -m tests.benchmarks.chat_lists [--turns 5] [--characters 900]``. Each chat of a chain or a session shows
all that was said before it, so the hundredth shows ninety-nine. The baseline is a bare route that answers the same
bytes. Processor time of the application alone, as medians and the slowest of twenty, and by how much its loop was late
at most meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Literal

import httpx
from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import Message, Scope

from api.app import create_app
from domain.chat.aggregate import CHAT
from domain.chat.commands import KeepChat
from domain.chat.events import ChatCompleted, ChatCreated, Fact, MessageCommitted, ToolCalled, ToolCompleted
from domain.log.ports import Step
from domain.session.aggregate import CONVERSATIONS, JoinConversation
from tests.benchmarks.lateness import measured_lateness
from tests.unit.api.installation import Installation, install, new_id

CHATS = 100
ROUNDS = 20
Kind = Literal["apart", "in a chain", "in a session"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5, help="answers in each chat, each with a tool call")
    parser.add_argument("--characters", type=int, default=900, help="of each answer")
    arguments = parser.parse_args()
    kinds: tuple[Kind, ...] = ("apart", "in a chain", "in a session")
    for kind in kinds:
        asyncio.run(_measure(kind, arguments.turns, "The quick brown fox. " * (arguments.characters // 21)))


async def _measure(kind: Kind, turns: int, text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        built = install(Path(folder))
        founding = await built.found("Acme")
        app = create_app(built.dependencies)
        key = {"authorization": f"Bearer {founding.private_key}"}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="https://c.example", headers=key) as client:
            session = (await client.post("/session", json={"assistant": {"name": "a"}})).json()["id"]
            await _fill(built, founding.organization_id, kind, session, turns, text)
            answer = await client.get("/chat?limit=100")
            assert len(answer.json()["results"]) == CHATS
            _add_bare_route(app, answer.content)
            for name, path in ((kind, "/chat?limit=100"), ("  a bare route", "/bare")):
                async with measured_lateness() as lateness:
                    taken = [await _cpu_ms(app, path, founding.private_key) for _ in range(ROUNDS)]
                    stops = lateness.taken()
                median, slowest = statistics.median(taken), max(taken)
                told = f"{median:7.1f} ms of processor time, slowest {slowest:.1f} ms, {stops}"
                print(f"{name:16} {len(answer.content) / 1e6:6.1f} MB: {told}")
        built.log.close()


async def _fill(built: Installation, org_id: str, kind: Kind, session: str, turns: int, text: str) -> None:
    previous = None
    for number in range(CHATS):
        chat_id, facts = new_id(), list[Fact]()
        for turn in range(1, turns + 1):
            call = {"tool_call_id": f"call_{turn}", "name": "find"}
            facts.append(MessageCommitted(text=text, turn=turn, at_ms=turn))
            facts.append(ToolCalled(**call, kind="function", arguments={"day": "Friday"}, turn=turn, at_ms=turn))
            facts.append(ToolCompleted(**call, result=text[:200], at_ms=turn))
        created = ChatCreated(
            org_id=org_id,
            request={"input": text},
            started_at=built.clock(),
            previous_chat_id=previous if kind == "in a chain" else None,
            session_id=session if kind == "in a session" else None,
            session_version=number + 1 if kind == "in a session" else None,
        )
        command = KeepChat(created=created, facts=tuple(facts), end=ChatCompleted(at_ms=1_000))
        steps = [Step(CHAT, chat_id, command)]
        if kind == "in a session":
            joining = JoinConversation(org_id=org_id, kind="chat", conversation_id=chat_id, began_at=created.started_at)
            steps.append(Step(CONVERSATIONS, session, joining))
        await built.log.execute_together(steps)
        previous = chat_id


def _add_bare_route(app: FastAPI, content: bytes) -> None:
    @app.get("/bare")
    async def bare() -> Response:
        return Response(content, media_type="application/json")


async def _cpu_ms(app: FastAPI, path: str, key: str) -> float:
    """One request to the application, whose answer nobody puts together."""
    scope: Scope = {
        "type": "http",
        "method": "GET",
        "path": path.partition("?")[0],
        "raw_path": path.partition("?")[0].encode(),
        "query_string": path.partition("?")[2].encode(),
        "root_path": "",
        "scheme": "https",
        "headers": [(b"host", b"c.example"), (b"authorization", f"Bearer {key}".encode())],
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        assert message.get("status", 200) == 200

    begun = time.process_time()
    await app(scope, receive, send)
    return (time.process_time() - begun) * 1000


if __name__ == "__main__":
    main()
