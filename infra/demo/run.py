"""The demonstration from beginning to end."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.text import Text

from infra.cli.operator import Operator, client
from infra.cli.terminal import print_json
from infra.data_folder import DataFolder
from infra.demo import children, report, speech
from infra.demo.caller import Caller, ConversationFailed, Line
from infra.demo.evidence import Claim, call_seconds, claims
from infra.demo.inspection import Found, inspect
from infra.demo.screen import Screen
from infra.demo.script import LINES, TRANSPORT, assistant

_PIPE_COLUMNS = 140
"""A pipe has no width of its own."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The running system and everything that reaches it. ``stop`` is the command that ends what ``--keep`` left."""

    url: str
    private_key: str
    folder: DataFolder
    api: httpx2.AsyncClient
    operator: Operator
    tools_url: str
    book_url: str
    stop: str


def run(*, keep: bool, as_json: bool, split: bool = False) -> int:
    """Hold the call; 0 when every claim held, else 1. With ``as_json`` progress goes to standard error.

    ``split`` runs API and calls as two processes, as a log on Kafka does too.
    """
    console = Console(stderr=as_json, highlight=False)
    if not console.is_terminal:
        console = Console(stderr=as_json, highlight=False, width=_PIPE_COLUMNS)
    if reason := speech.missing_part():
        console.print(Text(f"error: {reason}", style="red"))
        return 1
    try:
        return asyncio.run(
            _demonstrate(console, keep=keep, as_json=as_json, split=split or bool(children.shared_log()))
        )
    except (children.ChildFailed, ConversationFailed, TimeoutError, httpx2.HTTPError) as error:
        console.print(Text(f"error: the demonstration stopped: {error or type(error).__name__}", style="red"))
        return 1
    except KeyboardInterrupt:
        return 130


async def _demonstrate(console: Console, *, keep: bool, as_json: bool, split: bool) -> int:
    root = Path(tempfile.mkdtemp(prefix="callfold-demo-"))
    async with opened_stage(console, root, keep=keep, split=split) as stage:
        with Screen(console) as screen:
            found = await hold_call(stage, console, assistant(stage.tools_url), LINES, screen.message)
        judged = claims(found.evidence)
        console.print(report.latencies(found.evidence.call))
        console.print(report.facts(found))
        console.print()
        report.verdict(console, judged)
        if as_json:
            print_json(_summary(found, judged))
        _say_how_to_go_on(console, stage, found, keep=keep)
    return 0 if all(claim.held for claim in judged) else 1


async def hold_call(
    stage: Stage,
    console: Console,
    configuration: dict[str, Any],
    lines: Sequence[Line],
    on_message: Callable[[dict[str, Any]], None],
) -> Found:
    """Create the assistant, place the call, speak the lines, and read everything back when it is over."""
    _step(console, "synthesising what the caller will say")
    spoken = await speech.synthesize(wording for line in lines for wording in line.wordings)
    _step(console, "creating an assistant and placing a call, over the REST API")
    created = await _post(stage.api, "/assistant", configuration)
    call = await _post(stage.api, "/call", {"assistantId": created["id"], "transport": TRANSPORT})
    caller = Caller(spoken, on_message)
    await caller.hold(call["transport"]["websocketCallUrl"], lines)
    if caller.hung_up:
        _step(console, "the caller was not understood when it said goodbye, and has hung up")
    _step(console, "reading the call back")
    return await inspect(
        call["id"],
        tuple(caller.said),
        api=stage.api,
        operator=stage.operator,
        folder=stage.folder,
        book_url=stage.book_url,
    )


@contextlib.asynccontextmanager
async def opened_stage(console: Console, root: Path, *, keep: bool, split: bool = False) -> AsyncIterator[Stage]:
    """A system on the data folder ``root``, and the dentist's appointment book, each a process of its own."""
    folder = DataFolder(root)
    what = "callfold's API, its calls" if split else "callfold"
    place = f"data in {root}" + (f", log on {log}" if (log := children.shared_log().get("CALLFOLD_LOG")) else "")
    _step(console, f"starting {what} and a dentist's appointment book ({place})")
    async with (
        children.appointment_book(root, keep=keep) as book,
        children.system(root, keep=keep, split=split) as system,
    ):
        running = folder.announced()
        if running is None:
            raise children.ChildFailed("the system did not say how to reach it")
        url = system.announced["url"]
        _step(console, f"callfold answers at {url}, documentation at {url}/docs")
        async with client(running.url, running.operator_token) as operator_client:
            operator = Operator(operator_client, place=running.url, live=True)
            # A log that others use too has organisations already, whose keys nobody can tell.
            organization = system.announced["organization"] or await operator.create_organization("demonstration")
            key = organization["privateKey"]
            headers = {"authorization": f"Bearer {key}"}
            async with httpx2.AsyncClient(base_url=url, headers=headers, trust_env=False) as api:
                yield Stage(
                    url=url,
                    private_key=key,
                    folder=folder,
                    api=api,
                    operator=operator,
                    tools_url=book.announcement,
                    book_url=book.announcement.replace("/tools", "/appointments"),
                    stop=" ".join(["kill", *(str(child.pid) for child in (*system.processes, book))]),
                )


async def _post(api: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
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
    program, directory = _program(), f"--data-dir {stage.folder.root}"
    console.print(f"  {program} calls show {call_id} {directory}", soft_wrap=True)
    console.print(f"  {program} events tail --once --of {call_id} {directory}", soft_wrap=True)
    console.print(f'  {program} sql "{found.statement}" {directory}', soft_wrap=True)
    if keep:
        console.print(f"Stop it with: {stage.stop}")


def _program() -> str:
    """How this person has to call the command from here."""
    started_as = Path(sys.argv[0])
    if shutil.which("callfold") or not started_as.is_absolute():
        return "callfold" if shutil.which("callfold") else str(started_as)
    here = Path.cwd()
    return str(started_as.relative_to(here)) if started_as.is_relative_to(here) else str(started_as)


def _summary(found: Found, judged: list[Claim]) -> dict[str, Any]:
    return {
        "callId": found.evidence.call["id"],
        "seconds": round(call_seconds(found.evidence.events), 1),
        "events": len(found.evidence.events),
        "recording": found.recording,
        "stateHash": found.evidence.document_hash,
        "claims": [{"claim": c.text, "held": c.held, "shownBy": c.shown_by} for c in judged],
    }
