"""``callfold analysts``: accounts on a ClickHouse server that read one organisation's rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.options import DataDir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

app = typer.Typer(no_args_is_help=True, help="Accounts of analysts on a ClickHouse server.")

Name = Annotated[str, typer.Argument(help="Name of the account.")]
Shown = Annotated[bool, typer.Option("--print", help="Print the SQL instead of running it.")]
Database = Annotated[str, typer.Option("--database", help="With --print: the database of the tables.")]


@app.command("grant")
def grant(
    name: Name,
    org: Annotated[str, typer.Option("--org", help="Id of the organisation whose rows it reads.")],
    keep_password: Annotated[
        bool, typer.Option("--keep-password", help="Only renew the rights, after an upgrade for example.")
    ] = False,
    shown: Shown = False,
    database: Database = "default",
    data_dir: DataDir = None,
) -> None:
    """Make an account, or renew one, and print its password, which is shown this once."""
    import secrets

    from projections.analyst_accounts import account_statement, grant_statements
    from projections.store import Limits

    password, salt = secrets.token_urlsafe(24), secrets.token_hex(16)

    def statements(place: str) -> Iterator[str]:
        if not keep_password:
            yield account_statement(name, password, salt, database=place)
        yield from grant_statements(name, org, database=place, limits=Limits())

    _carry_out(statements, shown=shown, database=database, data_dir=data_dir)
    if not keep_password:
        typer.secho(f"password of {name}: {password}", err=shown)


@app.command("revoke")
def revoke(name: Name, shown: Shown = False, database: Database = "default", data_dir: DataDir = None) -> None:
    """Take an account away."""
    from projections.analyst_accounts import revoke_statements

    _carry_out(lambda place: revoke_statements(name, database=place), shown=shown, database=database, data_dir=data_dir)


def _carry_out(
    statements: Callable[[str], Iterator[str]], *, shown: bool, database: str, data_dir: Path | None
) -> None:
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from infra.cli.backend import settings_for
    from infra.cli.failure import CommandFailed
    from projections.analyst_accounts import database_of, run_statements
    from projections.store import AnalyticsStore, StoreUnavailable

    try:
        if shown:
            for statement in statements(database):
                typer.echo(f"{statement};")
            return
        location = settings_for(data_dir).clickhouse
        if location == "embedded":
            raise CommandFailed(
                "the embedded engine has no accounts: set CALLFOLD_CLICKHOUSE to the URL of a ClickHouse server, or "
                "ask for one organisation's rows with `callfold sql --org ID`"
            )
        store = AnalyticsStore.open(location)
        try:
            run_statements(store, statements(database_of(store)))
        finally:
            store.close()
    except (ClickHouseError, StoreUnavailable, ValueError) as error:
        raise CommandFailed(str(error)) from None
