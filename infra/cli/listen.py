"""``callfold listen``: an organization's messages on a developer's machine, without a tunnel."""

from __future__ import annotations

from typing import Annotated

import typer

DEFAULT_SERVER = "http://127.0.0.1:8080"


def listen(
    forward_to: Annotated[str, typer.Option("--forward-to", help="Your own server; messages are posted there.")],
    key: Annotated[str, typer.Option("--key", envvar="CALLFOLD_API_KEY", help="Private key of the organization.")],
    url: Annotated[str, typer.Option("--url", envvar="CALLFOLD_URL", help="Where callfold is.")] = DEFAULT_SERVER,
) -> None:
    """Post every message of the organization to a server on this machine, as it happens, until interrupted."""
    import asyncio
    import contextlib

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_forward(url, key, forward_to))


async def _forward(url: str, key: str, target: str) -> None:
    import json

    import httpx2

    from infra.cli.failure import CommandFailed

    async with httpx2.AsyncClient(timeout=httpx2.Timeout(30, read=None)) as client:
        try:
            async with client.stream(
                "GET", f"{url.rstrip('/')}/webhooks/stream", headers={"authorization": f"Bearer {key}"}
            ) as answer:
                if answer.status_code != 200:
                    await answer.aread()
                    raise CommandFailed(f"{url} answered {answer.status_code}: {answer.text[:300]}")
                typer.echo(f"forwarding messages to {target}", err=True)
                async for line in answer.aiter_lines():
                    if line:
                        told = json.loads(line)
                        await _post(client, target, told["headers"], told["body"])
        except httpx2.HTTPError as error:
            raise CommandFailed(f"{url} cannot be reached: {error}") from None


async def _post(client: object, target: str, headers: dict[str, str], body: str) -> None:
    import json

    import httpx2

    assert isinstance(client, httpx2.AsyncClient)
    kind = json.loads(body)["message"]["type"]
    try:
        answer = await client.post(target, content=body.encode(), headers=headers, timeout=20)
        typer.echo(f"{kind} -> {answer.status_code}")
    except httpx2.HTTPError as error:
        typer.echo(f"{kind} -> {type(error).__name__}")
