"""The demonstration from beginning to end."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.text import Text

from infra.cli.operator import Operator, client
from infra.cli.terminal import print_json
from infra.data_folder import DataFolder
from infra.demo import children, report, speech
from infra.demo.caller import Caller, ConversationFailed
from infra.demo.evidence import Claim, call_seconds, claims
from infra.demo.inspection import Found, inspect
from infra.demo.screen import Screen
from infra.demo.script import LINES, TRANSPORT, assistant


@dataclass(frozen=True, slots=True)
class Stage:
    """The running system and everything that reaches it. ``stop`` is the command that ends what ``--keep`` left."""

    url: str
    private_key: str
    folder: DataFolder
    api: httpx.AsyncClient
    operator: Operator
    book_url: str
    stop: str


def run(*, keep: bool, as_json: bool) -> int:
    """Hold the call; 0 when every claim held, else 1. With ``as_json`` progress goes to standard error."""
    console = Console(stderr=as_json, highlight=False)
    if reason := speech.missing_part():
        console.print(Text(f"error: {reason}", style="red"))
        return 1
    try:
        return asyncio.run(_demonstrate(console, keep=keep, as_json=as_json))
    except (children.ChildFailed, ConversationFailed, TimeoutError, httpx.HTTPError) as error:
        console.print(Text(f"error: the demonstration stopped: {error or type(error).__name__}", style="red"))
        return 1
    except KeyboardInterrupt:
        return 130


async def _demonstrate(console: Console, *, keep: bool, as_json: bool) -> int:
    async with _stage(console, keep=keep) as stage:
        _step(console, "synthesising what the caller will say")
        spoken = await speech.synthesize(line.text for line in LINES)
        _step(console, "creating an assistant and placing a call, over the REST API")
        created = await _post(stage.api, "/assistant", assistant(stage.book_url.replace("appointments", "tools")))
        call = await _post(stage.api, "/call", {"assistantId": created["id"], "transport": TRANSPORT})
        with Screen(console) as screen:
            await Caller(spoken, screen.message).hold(call["transport"]["websocketCallUrl"], LINES)
        _step(console, "reading the call back")
        found = await inspect(
            call["id"],
            tuple(line.text for line in LINES),
            api=stage.api,
            operator=stage.operator,
            folder=stage.folder,
            book_url=stage.book_url,
        )
        judged = claims(found.evidence)
        console.print(report.latencies(found.evidence.call))
        console.print(report.facts(found))
        console.print()
        report.verdict(console, judged)
        if as_json:
            print_json(_summary(found, judged))
        _say_how_to_go_on(console, stage, found, keep=keep)
    return 0 if all(claim.held for claim in judged) else 1


@contextlib.asynccontextmanager
async def _stage(console: Console, *, keep: bool) -> AsyncIterator[Stage]:
    """A system with a data folder of its own, and the dentist's appointment book."""
    root = Path(tempfile.mkdtemp(prefix="callfold-demo-"))
    folder = DataFolder(root)
    _step(console, f"starting callfold and a dentist's appointment book (data in {root})")
    async with (
        children.appointment_book(root, keep=keep) as book,
        children.system(root, keep=keep) as (system, started),
    ):
        running = folder.announced()
        if running is None:
            raise children.ChildFailed("the system did not say how to reach it")
        _step(console, f"callfold answers at {started['url']}, documentation at {started['url']}/docs")
        key = started["organization"]["privateKey"]
        headers = {"authorization": f"Bearer {key}"}
        async with (
            httpx.AsyncClient(base_url=started["url"], headers=headers, trust_env=False) as api,
            client(running.url, running.operator_token) as operator_client,
        ):
            yield Stage(
                url=started["url"],
                private_key=key,
                folder=folder,
                api=api,
                operator=Operator(operator_client, place=running.url, live=True),
                book_url=book.announcement.replace("/tools", "/appointments"),
                stop=f"kill {system.pid} {book.pid}",
            )


async def _post(api: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    response = await api.post(path, json=body)
    if response.is_error:
        raise ConversationFailed(f"POST {path} was refused with {response.status_code}: {response.text}")
    answer: dict[str, Any] = response.json()
    return answer


def _step(console: Console, text: str) -> None:
    console.print(Text("==> ", style="cyan") + Text(text), soft_wrap=True)


def _say_how_to_go_on(console: Console, stage: Stage, found: Found, *, keep: bool) -> None:
    call_id = found.evidence.call["id"]
    console.print()
    if not keep:
        console.print(f"The call stays in {stage.folder.root}; look at it again, for example:")
    else:
        console.print(f"callfold goes on at {stage.url} (documentation at {stage.url}/docs), for example:")
        console.print(
            f"  curl -H 'Authorization: Bearer {stage.private_key}' {stage.url}/call/{call_id}", soft_wrap=True
        )
    directory = f"--data-dir {stage.folder.root}"
    console.print(f"  callfold calls show {call_id} {directory}", soft_wrap=True)
    console.print(f"  callfold events tail --once --of {call_id} {directory}", soft_wrap=True)
    console.print(f'  callfold sql "{found.statement}" {directory}', soft_wrap=True)
    if keep:
        console.print(f"Stop it with: {stage.stop}")


def _summary(found: Found, judged: list[Claim]) -> dict[str, Any]:
    return {
        "callId": found.evidence.call["id"],
        "seconds": round(call_seconds(found.evidence.events), 1),
        "events": len(found.evidence.events),
        "recording": found.recording,
        "stateHash": found.evidence.document_hash,
        "claims": [{"claim": c.text, "held": c.held, "shownBy": c.shown_by} for c in judged],
    }
