"""``callfold dev``: what a developer's machine needs besides callfold itself."""

from __future__ import annotations

import typer

from infra.cli import dev_kafka

app = typer.Typer(help="Real peers for developing on this machine.", no_args_is_help=True)
app.add_typer(dev_kafka.app, name="kafka")
