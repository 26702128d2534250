"""Calls of the use cases, whoever holds them: the system, tools and vendors they need, and what must be so of each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from typer.testing import CliRunner

from infra.cli.main import app
from media.providers.local.dialogue.model import answer
from tests.end_to_end.system_process import SystemProcess, running
from tests.simulators.cartesia_server import CartesiaServer
from tests.simulators.deepgram_server import DeepgramServer
from tests.simulators.openai_platform_server import OpenAiPlatformServer
from tests.simulators.vendor_server import KEY
from tests.use_cases import UseCase

VENDORS: dict[str, Any] = {
    "transcriber": {"provider": "deepgram", "model": "nova-3"},
    "voice": {"provider": "cartesia", "voiceId": "v1"},
}


@dataclass
class HeldCall:
    """A call as the API shows it when it is over."""

    id: str
    body: dict[str, Any]

    @property
    def tools(self) -> list[str]:
        """Names of the tools that were called, in order."""
        listed = [message["toolCalls"] for message in self.body["messages"] if message["role"] == "tool_calls"]
        return [call["function"]["name"] for calls in listed for call in calls]


class ThinkingServer(OpenAiPlatformServer):
    """OpenAI's wire with the mind of the local dialogue model, so that simulated calls have something to say."""

    def _chunks(self, body: dict[str, Any]) -> list[bytes]:
        reply = answer(body["messages"], body.get("tools") or [])
        self.says = reply.text
        self.tool = (reply.call.name, json.dumps(dict(reply.arguments))) if reply.call is not None else None
        return super()._chunks(body)


@contextmanager
def tool_server(answers: dict[str, str]) -> Iterator[str]:
    """Answers every call of a tool with what there is under its name."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["content-length"])))["message"]
            results = [{"toolCallId": call["id"], "result": answers[call["name"]]} for call in message["toolCallList"]]
            body = json.dumps({"results": results}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/tools"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@asynccontextmanager
async def system(root: Path, **environment: str) -> AsyncIterator[SystemProcess]:
    """One that takes calls and may call this machine's tools."""
    # A machine that other tests keep busy is no reason to refuse a call here.
    settings = {"CALLFOLD_EGRESS_ALLOW": "127.0.0.0/8", "CALLFOLD_ADMISSION_LAG_MS": "10000", **environment}
    context = running(root, **settings)
    started = await asyncio.to_thread(context.__enter__)
    try:
        yield started
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)


def until_ended(started: SystemProcess, call_id: str) -> None:
    """Wait for the end of the call on the log."""
    parameters = {"follow": "true", "after": "0:0", "originator": call_id, "types": "call.ended"}
    with started.operator() as operator, operator.stream("GET", "/operator/events", params=parameters) as events:
        assert any(line.startswith("data: ") for line in events.iter_lines())


def assert_conversation(case: UseCase, held: HeldCall) -> None:
    """Every question was answered, the tools were called, the squad's members took over, the assistant hung up."""
    said = " ".join(message["message"] for message in held.body["messages"] if message["role"] == "bot")
    assert all(turn.answer.lower() in said.lower() for turn in case.turns), said
    assert tuple(dict.fromkeys(held.tools)) == case.called
    assert held.body["endedReason"] == "assistant-ended-call"
    assert [each["assistantName"] for each in held.body["artifact"]["assistantActivations"]][1:] == list(case.activated)


def assert_replays(root: Path, call_id: str) -> None:
    """The command's verdict on a recorded call: as it was, with a longer greeting, and with a longer wait."""
    told = replayed(root, call_id, "firstMessage=" + "This is a greeting that nobody has configured. " * 3)
    assert told["exact"] is True, told["difference"]
    assert told["inputs"] > 50
    assert told["comparison"]["changed"]["before"] != told["comparison"]["changed"]["after"]
    waits = replayed(root, call_id, "startSpeakingPlan.waitSeconds=2.5")["comparison"]
    turns = zip(waits["before"], waits["after"], strict=False)
    later = [
        there["played_ms"] - here["played_ms"] for here, there in turns if here["played_ms"] and there["played_ms"]
    ]
    # Of a squad the first member alone waits longer, and hands over without an answer of its own.
    assert (max(later) > 1_000) == (waits["changed"] is not None)


def replayed(root: Path, call_id: str, change: str) -> dict[str, Any]:
    """What ``callfold replay --set`` tells."""
    shown = CliRunner().invoke(app, ["replay", call_id, "--data-dir", str(root), "--json", "--set", change])
    assert shown.exit_code == 0, shown.output
    told: dict[str, Any] = json.loads(shown.stdout)
    return told


@asynccontextmanager
async def simulated_vendors(texts: Sequence[str]) -> AsyncIterator[dict[str, str]]:
    """What a system's environment says of vendors on loopback, who hear one text after the other."""
    async with (
        DeepgramServer(texts, silence_told_ms=2_000) as deepgram,
        ThinkingServer() as openai,
        CartesiaServer() as cartesia,
    ):
        yield {
            "DEEPGRAM_API_KEY": KEY,
            "DEEPGRAM_BASE_URL": deepgram.base_url,
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": openai.base_url,
            "CARTESIA_API_KEY": KEY,
            "CARTESIA_BASE_URL": cartesia.base_url,
        }


def at_vendors(request: Any) -> Any:
    """The same with everything that is local at a vendor's instead."""
    if isinstance(request, list):
        return [at_vendors(each) for each in request]
    if not isinstance(request, dict):
        return request
    moved = {name: at_vendors(value) for name, value in request.items()}
    moved |= {name: VENDORS[name] for name in VENDORS if name in moved}
    if moved.get("model") == "guided-conversation":
        moved |= {"provider": "openai", "model": "gpt-4o"}
    return moved
