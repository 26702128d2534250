"""``callfold listen``: an organization's messages on a developer's machine, without a tunnel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import httpx2

DEFAULT_SERVER = "http://127.0.0.1:8080"
AGAIN_SECONDS = 2.0
"""Before it is tried again to reach a callfold that went away."""
POST_SECONDS = 20.0


def listen(
    forward_to: Annotated[str, typer.Option("--forward-to", help="Your own server; messages are posted there.")],
    key: Annotated[str, typer.Option("--key", envvar="CALLFOLD_API_KEY", help="Private key of the organization.")],
    url: Annotated[str, typer.Option("--url", envvar="CALLFOLD_URL", help="Where callfold is.")] = DEFAULT_SERVER,
    types: Annotated[
        list[str] | None, typer.Option("--type", "-t", help="Only messages of this type; may be repeated.")
    ] = None,
) -> None:
    """Post every message of the organization to a server on this machine, as it happens, until interrupted."""
    import asyncio
    import contextlib

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_forward(url, key, forward_to, frozenset(types or ())))


async def _forward(url: str, key: str, target: str, types: frozenset[str]) -> None:
    import asyncio

    import httpx2

    from infra.cli.failure import CommandFailed

    connected = False
    async with httpx2.AsyncClient(timeout=httpx2.Timeout(30, read=None)) as client:
        while True:
            try:
                async with client.stream(
                    "GET", f"{url.rstrip('/')}/webhooks/stream", headers={"authorization": f"Bearer {key}"}
                ) as answer:
                    if answer.status_code != 200:
                        await answer.aread()
                        raise CommandFailed(f"{url} answered {answer.status_code}: {_reason(answer)}")
                    connected = True
                    await _forward_all(client, answer, target, types)
            except httpx2.HTTPError as error:
                if not connected:
                    raise CommandFailed(f"{url} cannot be reached: {error}") from None
            typer.echo(f"{url} went away; trying again. What happens meanwhile is not forwarded", err=True)
            await asyncio.sleep(AGAIN_SECONDS)


async def _forward_all(client: httpx2.AsyncClient, answer: httpx2.Response, target: str, types: frozenset[str]) -> None:
    import json

    async for line in answer.aiter_lines():
        if not line:
            continue
        told: dict[str, Any] = json.loads(line)
        if secret := told.get("signingSecret"):
            typer.echo(f"forwarding messages to {target}, signed with {secret}", err=True)
            continue
        kind = str(json.loads(told["body"])["message"]["type"])
        if not types or kind in types:
            typer.echo(f"{kind} -> {await _posted(client, target, told['headers'], told['body'])}")


async def _posted(client: httpx2.AsyncClient, target: str, headers: dict[str, str], body: str) -> str:
    import httpx2

    try:
        answer = await client.post(target, content=body.encode(), headers=headers, timeout=POST_SECONDS)
    except httpx2.HTTPError as error:
        return type(error).__name__
    return str(answer.status_code)


def _reason(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:300]
