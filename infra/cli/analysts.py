"""``callfold analysts``: accounts on a ClickHouse server that read one organisation's rows."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.options import DataDir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from projections.store import AnalyticsStore

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

    from infra.cli.backend import settings_for
    from projections.analyst_accounts import (
        SystemTablesOpen,
        account_statement,
        database_of,
        grant_statements,
        refuse_open_system_tables,
        revoke_statements,
        run_statements,
    )
    from projections.store import Limits

    password, salt = secrets.token_urlsafe(24), secrets.token_hex(16)

    def account(place: str) -> Iterator[str]:
        if not keep_password:
            yield account_statement(name, password, salt, database=place)

    def rights(place: str) -> Iterator[str]:
        limits = Limits(disk_bytes=settings_for(data_dir).statement_disk_mb * 1024 * 1024)
        return grant_statements(name, org, database=place, limits=limits)

    with _failing():
        if shown:
            _show(chain(account(database), rights(database)))
        else:
            with _server(data_dir) as store:
                place = database_of(store)
                run_statements(store, account(place))
                try:
                    refuse_open_system_tables(store, name)
                except SystemTablesOpen:
                    if not keep_password:
                        run_statements(store, revoke_statements(name, database=place))
                    raise
                run_statements(store, rights(place))
    if not keep_password:
        typer.secho(f"password of {name}: {password}", err=shown)


@app.command("revoke")
def revoke(name: Name, shown: Shown = False, database: Database = "default", data_dir: DataDir = None) -> None:
    """Take an account away."""
    from projections.analyst_accounts import database_of, revoke_statements, run_statements

    with _failing():
        if shown:
            _show(revoke_statements(name, database=database))
        else:
            with _server(data_dir) as store:
                run_statements(store, revoke_statements(name, database=database_of(store)))


def _show(statements: Iterator[str]) -> None:
    for statement in statements:
        typer.echo(f"{statement};")


@contextmanager
def _failing() -> Iterator[None]:
    """What the server, its address or a name is wrong with, as the command's message."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from infra.cli.failure import CommandFailed
    from projections.analyst_accounts import SystemTablesOpen
    from projections.store import StoreUnavailable

    try:
        yield
    except (ClickHouseError, StoreUnavailable, SystemTablesOpen, ValueError) as error:
        raise CommandFailed(str(error)) from None


@contextmanager
def _server(data_dir: Path | None) -> Iterator[AnalyticsStore]:
    """The server that the settings name."""
    from infra.cli.backend import settings_for
    from infra.cli.failure import CommandFailed
    from projections.store import AnalyticsStore

    location = settings_for(data_dir).clickhouse
    if location == "embedded":
        raise CommandFailed(
            "the embedded engine has no accounts: set CALLFOLD_CLICKHOUSE to the URL of a ClickHouse server, or "
            "ask for one organisation's rows with `callfold sql --org ID`"
        )
    store = AnalyticsStore.open(location)
    try:
        yield store
    finally:
        store.close()
