"""Events as lines of a terminal."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from infra.cli.terminal import clock_time, compact, print_json

_COLOURS = {
    "call.ended": "red",
    "call.assistant_interrupted": "yellow",
    "call.warned": "yellow",
    "call.tool_called": "magenta",
    "call.tool_completed": "magenta",
    "call.tool_failed": "red",
}


def print_event(event: dict[str, Any], *, as_json: bool) -> None:
    """One event: place, time, type, whose, and the fields that matter at a glance."""
    if as_json:
        print_json(event, line=True)
        return
    from rich.console import Console
    from rich.text import Text

    line = Text()
    line.append(f"{event['position']:>8} ", style="dim")
    line.append(f"{clock_time(event['time'])} ", style="dim")
    line.append(f"{event['type']:<27} ", style=_COLOURS.get(event["type"], "cyan"))
    line.append(f"{event['originatorId'][-12:]}:{event['originatorVersion']:<4} ", style="dim")
    line.append(in_words(event["type"], event["data"]))
    Console(soft_wrap=True).print(line)


def in_words(kind: str, data: dict[str, Any]) -> str:
    """What an event says, short."""
    match kind:
        case "call.message_committed":
            cut = " (cut off)" if data.get("interrupted") else ""
            return f"{data['role']}: {data['text']}{cut}"
        case "call.transcript_finalized":
            return f"{data['role']}: {data['text']}"
        case "call.tool_called":
            return f"{data['name']} {compact(data['arguments'])}"
        case "call.tool_completed":
            return f"{data['name']} -> {data['result']}"
        case "call.tool_failed":
            return f"{data['name']} failed: {data['failure']}, {data['error']}"
        case "call.assistant_interrupted":
            return f"by {data['by']} after {data['heard_ms']:.0f} ms of speech"
        case "call.turn_decided":
            return f"turn {data['turn']}: {data['rule']}, waited {data['wait_ms']:.0f} ms"
        case "call.artifact_stored":
            return f"{data['track']}: {data['location']} ({data['size_bytes']:,} bytes)"
        case "call.ended":
            return str(data["reason"])
        case "call.warned":
            return f"{data['code']}: {data['detail']}"
        case _:
            return compact(data)


def run_until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    """Ctrl-C is how a person ends a tail: not a failure."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(work)
