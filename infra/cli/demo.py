"""``callfold demo``: one real call on this machine, to be watched."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.cli.options import AsJson


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the system running and say how to go on.")] = False,
    split: Annotated[
        bool, typer.Option("--split", help="Run API and calls as two processes, as with a log on Kafka.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start a system, hold one spoken call with it, show it live, and check everything that it claims."""
    import sys

    from infra.demo.run import run

    sys.exit(run(keep=keep, as_json=as_json, split=split))
