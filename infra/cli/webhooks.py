"""``callfold webhooks``: what was delivered to tenants' servers, why not, and sending it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.options import AsJson, DataDir, Limit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from infra.cli.backend import Operator

app = typer.Typer(no_args_is_help=True, help="Messages to tenants' servers: list, show, send again.")

Organization = Annotated[
    str,
    typer.Option(
        "--org", "--organization", "-o", help="Whose messages; may be left out where there is one organization."
    ),
]


@app.command("ls")
def ls(
    organization: Organization = "",
    state: Annotated[
        list[str] | None, typer.Option("--state", "-s", help="Only these: pending, delivered, dead, stale.")
    ] = None,
    call: Annotated[str, typer.Option("--call", help="Only messages about this call.")] = "",
    limit: Limit = 20,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List messages, newest first."""
    from infra.cli.terminal import print_json, print_table

    asked = {"limit": str(limit), "state": ",".join(state or ()), "callId": call}
    query = {name: value for name, value in asked.items() if value}
    messages = _ask(data_dir, lambda operator: operator.webhooks(organization, "GET", "/messages", params=query))
    if as_json:
        print_json(messages)
        return
    print_table(
        "Messages",
        ("id", "type", "happened", "state", "attempts", "next", "last outcome", "origin"),
        [
            (
                *(m["id"], m["type"], m["happenedAt"], m["state"], m["attempts"], m["nextAttemptAt"] or ""),
                *(m["detail"] or m["status"] or "", m["origin"]),
            )
            for m in messages
        ],
        empty="no such messages" if state or call else "no messages: no call of an assistant with a server happened",
    )


@app.command("show")
def show(
    message: Annotated[str, typer.Argument(help="Id of the message (msg_...).")],
    organization: Organization = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show a message: its body, and each attempt with its outcome."""
    from infra.cli.terminal import print_facts, print_json, print_table

    found = _ask(data_dir, lambda operator: operator.webhooks(organization, "GET", f"/messages/{message}"))
    if as_json:
        print_json(found)
        return
    attempts, body = found.pop("attemptLog"), found.pop("body")
    print_facts(found)
    print_table(
        "Attempts",
        ("attempt", "at", "ms", "outcome", "detail"),
        [(a["attempt"], a["at"], a["totalMs"], a["outcome"], a["detail"]) for a in attempts],
        empty="not sent yet",
    )
    print_json(body)


@app.command("endpoints")
def endpoints(organization: Organization = "", data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List endpoints: the servers that messages go to, and whether they are in use."""
    from infra.cli.terminal import print_json, print_table

    found = _ask(data_dir, lambda operator: operator.webhooks(organization, "GET", "/endpoints"))
    if as_json:
        print_json(found)
        return
    print_table(
        "Endpoints",
        ("id", "origin", "status", "delivered", "given up", "failing since"),
        [(e["id"], e["origin"], e["status"], e["delivered"], e["exhausted"], e["failingSince"] or "") for e in found],
        empty="no endpoints: nothing was delivered yet",
    )


@app.command("replay")
def replay(
    message: Annotated[str, typer.Argument(help="Id of the message (msg_...).")],
    organization: Organization = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Send a message again: the same bytes under the same id."""
    _shown(
        _ask(data_dir, lambda operator: operator.webhooks(organization, "POST", f"/messages/{message}/replay")), as_json
    )


@app.command("recover")
def recover(
    endpoint: Annotated[str, typer.Argument(help="Id of the endpoint; see `callfold webhooks endpoints`.")],
    since: Annotated[str, typer.Option(help="Events from this time on (ISO 8601).")] = "",
    until: Annotated[str, typer.Option(help="Events before this time (ISO 8601).")] = "",
    which: Annotated[str, typer.Option(help="dead (given up) or all.")] = "dead",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them.")] = False,
    organization: Organization = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Send again what an endpoint missed in a time."""
    asked: dict[str, Any] = {"which": which, "dryRun": dry_run}
    asked |= {name: value for name, value in (("since", since), ("until", until)) if value}
    path = f"/endpoints/{endpoint}/recover"
    _shown(_ask(data_dir, lambda operator: operator.webhooks(organization, "POST", path, json=asked)), as_json)


def _ask(data_dir: DataDir, question: Callable[[Operator], Awaitable[Any]]) -> Any:
    import asyncio

    from infra.cli.backend import open_backend

    async def answered() -> Any:
        async with open_backend(data_dir) as operator:
            return await question(operator)

    return asyncio.run(answered())


def _shown(outcome: Any, as_json: bool) -> None:
    from infra.cli.terminal import print_facts, print_json

    if as_json:
        print_json(outcome)
    else:
        print_facts(outcome)
