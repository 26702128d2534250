"""``callfold sql``: an analyst's own question to the ClickHouse tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.options import AsJson, DataDir, FromArchive

if TYPE_CHECKING:
    from pathlib import Path

    from infra.cli.backend import Json


def sql(
    statement: Annotated[
        str, typer.Argument(help='For example: "SELECT ended_reason, count() FROM calls GROUP BY 1".')
    ],
    data_dir: DataDir = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="At most this many rows.")] = 1000,
    org: Annotated[
        str | None, typer.Option("--org", help="Only this organisation's rows exist for the statement.")
    ] = None,
    archive: FromArchive = None,
    plot: Annotated[
        str | None, typer.Option("--plot", metavar="COLUMN", help="Draw this column of numbers as bars, a row each.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run one read-only ClickHouse statement on the tables (SHOW TABLES lists them, DESCRIBE explains one).

    With --archive the statement is DuckDB's, on the views `events` and `records` of archived files; no system and no
    data folder are needed.
    """
    import asyncio

    from infra.cli.backend import open_backend
    from infra.cli.failure import CommandFailed
    from infra.cli.terminal import print_bars, print_json, print_table

    async def answered() -> Json:
        async with open_backend(data_dir, tables=True) as operator:
            return await operator.sql(statement, limit=limit + 1, org_id=org)

    if archive is not None and org is not None:
        raise CommandFailed("an archive holds all organisations: narrow the statement by org_id instead of --org")
    result = asyncio.run(answered()) if archive is None else _archived(archive, statement, limit + 1)
    rows = result["rows"][:limit]
    if as_json:
        print_json([dict(zip(result["columns"], row, strict=True)) for row in rows])
    elif plot is not None and rows:
        try:
            print_bars(result["columns"], rows, plot)
        except ValueError as unfit:
            raise CommandFailed(str(unfit)) from None
    else:
        print_table("", result["columns"], rows, empty="no rows")
    if not as_json:
        count = len(rows)
        typer.secho(f"{count} {'row' if count == 1 else 'rows'}, {result['elapsedMs']:.1f} ms", dim=True, err=True)
    if len(result["rows"]) > limit:
        typer.secho(f"there are more rows than these {limit}: give --limit, or LIMIT and OFFSET", err=True)


def _archived(folder: Path, statement: str, limit: int) -> Json:
    from infra.cli.failure import CommandFailed
    from streams.archive.asking import NoArchive, Unanswerable, opened_archive

    try:
        with opened_archive(folder) as opened:
            answer = opened.ask(statement, limit=limit)
    except (NoArchive, Unanswerable) as error:
        raise CommandFailed(str(error)) from None
    return {"columns": answer.columns, "rows": answer.rows, "elapsedMs": answer.elapsed_ms}
