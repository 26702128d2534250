"""The ``callfold`` command. Each command group is a module of its own that imports what it needs only when it runs."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from infra.cli import (
    analysts,
    archive,
    calls,
    dead,
    demo,
    dev,
    doctor,
    events,
    listen,
    org,
    rebuild,
    replay,
    replica,
    roles,
    sql,
    stream,
    up,
    verify,
    webhooks,
)
from infra.cli.failure import CommandFailed

app = typer.Typer(
    name="callfold",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich help costs 200 ms of imports; rich is for what commands show
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
app.command("up", short_help="Run everything in one process.")(up.up)
app.command("api", short_help="Run the REST API and the analytics.")(roles.api)
app.command("media", short_help="Serve calls.")(roles.media)
app.command("project", short_help="Fill a ClickHouse server's tables.")(roles.project)
app.command("stream", short_help="Run the stream processors on Kafka.")(stream.stream)
app.command("demo", short_help="Hold one spoken call and show it.")(demo.demo)
app.command("sql", short_help="Ask the ClickHouse tables.")(sql.sql)
app.command("verify", short_help="Check the log's records and their chain.")(verify.verify)
app.command("replay", short_help="Step a recorded call again.")(replay.replay)
app.command("doctor", short_help="What is configured, what is missing.")(doctor.doctor)
app.command("listen", short_help="Post an organization's messages to this machine.")(listen.listen)
app.add_typer(rebuild.app, name="rebuild", short_help="Make the tables again from the log.")
app.add_typer(org.app, name="org")
app.add_typer(calls.app, name="calls")
app.add_typer(events.app, name="events")
app.add_typer(dead.app, name="dead")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(analysts.app, name="analysts")
app.add_typer(archive.app, name="archive")
app.add_typer(replica.app, name="replica")
app.add_typer(dev.app, name="dev")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"callfold {version('callfold')}")
        raise typer.Exit


@app.callback()
def callfold(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """A voice-AI call platform on an event log: real calls in, events, recordings and analytics out."""


def run() -> None:
    """Console script: run the command line; a failure is one sentence on standard error."""
    try:
        app()
    except CommandFailed as failure:
        typer.secho(f"error: {failure}", fg=typer.colors.RED, err=True)
        sys.exit(failure.code)
    except BrokenPipeError:
        # The reader (head, less) has gone; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
