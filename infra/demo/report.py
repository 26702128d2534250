"""What is shown when the call is over: latencies by turn, what was found where, and every claim with its proof."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.demo.evidence import Claim, call_seconds
from infra.demo.inspection import Found

_STAGES = {
    "endpointing": "endpointingLatency",
    "transcriber": "transcriberLatency",
    "model": "modelLatency",
    "voice": "voiceLatency",
    "total": "turnLatency",
}


def latencies(call: dict[str, Any]) -> Table:
    """Milliseconds by turn, as ``artifact.performanceMetrics`` has them."""
    turns = ((call.get("artifact") or {}).get("performanceMetrics") or {}).get("turnLatencies") or []
    table = Table(
        title="Latency by turn, ms (from the caller's last sound to our first)",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        header_style="bold",
    )
    for column in ("turn", *_STAGES):
        table.add_column(column, justify="right")
    for number, turn in enumerate(turns, start=1):
        table.add_row(str(number), *(_milliseconds(turn.get(field)) for field in _STAGES.values()))
    return table


def facts(found: Found) -> Table:
    """Where the call is now, and how to look at it."""
    evidence = found.evidence
    counted = Counter(event["type"].removeprefix("call.") for event in evidence.events)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in (
        ("call", f"{evidence.call['id']}, {call_seconds(evidence.events):.1f} s"),
        ("events", f"{counted.total()}: " + ", ".join(f"{n} {kind}" for kind, n in counted.most_common())),
        ("recording", found.recording),
        ("GET /call/{id}", _summary(evidence.call)),
        ("SQL", f"{found.statement}\n{evidence.row}"),
        ("state hash", f"{evidence.document_hash} (kept)\n{evidence.rebuilt_hash} (rebuilt from the log alone)"),
    ):
        grid.add_row(name, Text(value))
    return grid


def verdict(console: Console, claims: Sequence[Claim]) -> None:
    """One line a claim."""
    for claim in claims:
        mark = Text("✓ ", style="green") if claim.held else Text("✗ ", style="bold red")
        console.print(mark + Text(claim.text) + Text(f"  {claim.shown_by}", style="dim"), soft_wrap=True)


def _summary(call: dict[str, Any]) -> str:
    parts = (
        f"status {call.get('status')}",
        f"endedReason {call.get('endedReason')}",
        f"{len(call.get('messages') or ())} messages",
        f"cost {call.get('cost') or 0:.4f} USD",
    )
    return ", ".join(parts)


def _milliseconds(value: object) -> str:
    return f"{value:,.0f}" if isinstance(value, (int, float)) else ""
