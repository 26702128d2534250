"""Options that several commands share, so that they read and behave the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", "-d", help="Data folder (default: CALLFOLD_DATA_DIR, else ./data).", show_default=False),
]
FromArchive = Annotated[
    Path | None,
    typer.Option("--archive", help="Answer from this folder of `callfold archive` alone.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table for people.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="At most this many.")]
