"""``callfold calls``: the calls of every organisation, one call, or a call as it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.options import AsJson, DataDir, FromArchive, Limit

if TYPE_CHECKING:
    from pathlib import Path

    from infra.cli.backend import Json

app = typer.Typer(no_args_is_help=True, help="Calls: list them, show one, follow one live.")

_TAILED = (
    "call.created",
    "call.started",
    "call.message_committed",
    "call.assistant_interrupted",
    "call.tool_called",
    "call.tool_completed",
    "call.tool_failed",
    "call.warned",
    "call.ended",
)


@app.command("ls")
def ls(
    data_dir: DataDir = None,
    status: Annotated[
        list[str] | None, typer.Option("--status", "-s", help="Only these: queued, ringing, in-progress, ended.")
    ] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """List calls, newest first."""
    import asyncio

    from infra.cli.backend import open_backend
    from infra.cli.terminal import clock_time, print_json, print_table

    async def listed() -> list[Json]:
        async with open_backend(data_dir) as operator:
            return await operator.calls(limit=limit, status=status or ())

    calls = asyncio.run(listed())
    if as_json:
        print_json(calls)
        return
    print_table(
        "Calls",
        ("id", "status", "ended reason", "started", "seconds", "messages", "USD"),
        [
            (
                call["id"],
                call.get("status", ""),
                call.get("endedReason"),
                clock_time(call.get("startedAt") or call.get("createdAt")),
                _seconds(call),
                len(_conversation(call)),
                call.get("cost") and round(call["cost"], 4),
            )
            for call in calls
        ],
        empty="no calls yet; `callfold demo` holds one, and POST /call places one",
    )


@app.command("show")
def show(call_id: str, data_dir: DataDir = None, archive: FromArchive = None, as_json: AsJson = False) -> None:
    """Show one call: its state, transcript, costs and recordings.

    With --archive it is made again from archived events; no system and no data folder are needed.
    """
    import asyncio

    from infra.cli.backend import open_backend
    from infra.cli.terminal import clock_time, print_facts, print_json, print_table

    async def found() -> Json:
        async with open_backend(data_dir) as operator:
            return await operator.call(call_id)

    call = asyncio.run(found()) if archive is None else _archived(archive, call_id)
    if as_json:
        print_json(call)
        return
    artifact = call.get("artifact") or {}
    print_facts(
        {
            "call": call["id"],
            "organisation": call.get("orgId"),
            "assistant": call.get("assistantId"),
            "status": call.get("status"),
            "ended reason": call.get("endedReason"),
            "started": clock_time(call.get("startedAt")),
            "ended": clock_time(call.get("endedAt")),
            "cost, USD": call.get("cost"),
            "recording": artifact.get("recordingUrl"),
        }
    )
    print_table(
        "Transcript",
        ("at s", "who", "what"),
        [(m.get("secondsFromStart"), m.get("role"), _words(m)) for m in _conversation(call)],
        empty="nothing was said",
    )


@app.command("tail")
def tail(
    call_id: Annotated[str | None, typer.Argument(help="One call; without it, every call.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Follow calls as they happen until interrupted: messages, tool calls, interruptions, endings.

    Ends by itself when the one call it follows has ended.
    """
    from infra.cli.backend import open_backend
    from infra.cli.event_lines import print_event, run_until_interrupted

    async def followed() -> None:
        async with open_backend(data_dir) as operator:
            after = ["0:0"] if call_id else await operator.heads()
            if call_id:
                await operator.call(call_id)
            async for event in operator.follow_all(after=after, originator=call_id, types=_TAILED):
                print_event(event, as_json=as_json)
                if call_id and event["type"] == "call.ended":
                    return

    run_until_interrupted(followed())


def _archived(folder: Path, call_id: str) -> Json:
    from domain.log.codec import UNREADABLE
    from infra.archiving import archived_call
    from infra.cli.failure import CommandFailed
    from streams.archive.asking import NoArchive, Unanswerable

    try:
        call = archived_call(folder, call_id)
    except (NoArchive, Unanswerable, *UNREADABLE) as error:
        raise CommandFailed(str(error)) from None
    if call is None:
        raise CommandFailed(f"the archive in {folder} holds no call {call_id}", code=3)
    return call


def _seconds(call: Json) -> float | None:
    from datetime import datetime

    started, ended = call.get("startedAt"), call.get("endedAt")
    if not (started and ended):
        return None
    return round((datetime.fromisoformat(ended) - datetime.fromisoformat(started)).total_seconds(), 1)


def _conversation(call: dict[str, Any]) -> list[dict[str, Any]]:
    """What was said and done, without the instructions of whoever spoke."""
    return [message for message in call.get("messages") or () if message.get("role") != "system"]


def _words(message: Json) -> str:
    if calls := message.get("toolCalls"):
        return "; ".join(f"{c['function']['name']}({c['function']['arguments']})" for c in calls)
    return str(message.get("message") or message.get("result") or "")
