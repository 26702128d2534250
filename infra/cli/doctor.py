"""``callfold doctor``: what is configured, what is missing, and how to fix it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from infra.cli.options import AsJson, DataDir

if TYPE_CHECKING:
    from infra.diagnosis import Finding

_MARKS = {"ok": ("✓", "green"), "absent": ("–", "dim"), "problem": ("✗", "red")}


def doctor(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Check Python, engines, speech, disk, the data folder, the running system and provider keys."""
    from infra.cli.terminal import print_json
    from infra.diagnosis import diagnose

    findings = diagnose(data_dir)
    if as_json:
        print_json([{"check": f.check, "status": f.status, "detail": f.detail, "fix": f.fix} for f in findings])
    else:
        _print(findings)
    raise typer.Exit(1 if any(f.status == "problem" for f in findings) else 0)


def _print(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for finding in findings:
        mark, colour = _MARKS[finding.status]
        detail = Text(finding.detail)
        if finding.fix:
            detail.append(f"\n{finding.fix}", style="yellow" if finding.status == "problem" else "dim")
        table.add_row(Text(mark, style=colour), Text(finding.check, style="bold"), detail)
    Console().print(table)
