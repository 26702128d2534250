"""``callfold org``: organisations and their keys."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.cli.options import AsJson, DataDir

app = typer.Typer(no_args_is_help=True, help="Organisations and their keys.")


@app.command("create")
def create(
    name: Annotated[str, typer.Option("--name", help="What to call it.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make an organisation and print its private and public key, which are shown this once."""
    import asyncio

    from infra.cli.backend import Json, open_backend
    from infra.cli.terminal import print_facts, print_json

    async def created() -> Json:
        async with open_backend(data_dir, create=True) as operator:
            return await operator.create_organization(name)

    organization = asyncio.run(created())
    if as_json:
        print_json({field: organization[field] for field in ("id", "privateKey", "publicKey")})
    else:
        print_facts(
            {
                "organisation": organization["id"],
                "private key": organization["privateKey"],
                "public key": organization["publicKey"],
            }
        )


@app.command("ls")
def ls(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List organisations. Keys are kept only as hashes and cannot be shown again."""
    import asyncio

    from infra.cli.backend import Json, open_backend
    from infra.cli.terminal import clock_time, print_json, print_table

    async def listed() -> list[Json]:
        async with open_backend(data_dir) as operator:
            return await operator.organizations()

    organizations = asyncio.run(listed())
    if as_json:
        print_json(organizations)
        return
    print_table(
        "Organisations",
        ("id", "name", "created"),
        [(o["id"], o["name"], clock_time(o.get("createdAt"))) for o in organizations],
        empty="no organisations yet; make one with `callfold org create --name NAME`",
    )


@app.command("seal-secrets")
def seal_secrets(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Seal secrets that were stored before CALLFOLD_SECRET_KEY was set: what is in force is written again.

    The log is never changed: events from before still hold such a secret. To be rid of it, replace it at its vendor.
    """
    import asyncio

    from infra.cli.backend import open_backend
    from infra.cli.terminal import print_facts, print_json

    async def sealed() -> dict[str, int]:
        async with open_backend(data_dir) as operator:
            return await operator.seal_secrets()

    counts = asyncio.run(sealed())
    if as_json:
        print_json(counts)
        return
    print_facts({f"{kind.replace('_', ' ')}s sealed": str(count) for kind, count in counts.items()})
    typer.echo(
        "Events from before still hold these secrets, for the log is never changed: replace them at their vendors too."
        if counts
        else "Nothing in force is unsealed."
    )
