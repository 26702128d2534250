"""``callfold verify``: check the log against itself."""

from __future__ import annotations

from infra.cli.options import AsJson, DataDir


def verify(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Judge, order and chain every record of the log again; also while a system runs on it."""
    import sqlite3
    from contextlib import closing

    from msgspec import to_builtins

    from infra.cli.backend import settings_for
    from infra.cli.failure import CommandFailed
    from infra.cli.terminal import print_facts, print_json
    from infra.data_folder import DataFolder
    from streams.log.verification import verify as verified

    log = DataFolder(settings_for(data_dir).data_dir.absolute()).log
    if not log.exists():
        raise CommandFailed(f"there is no log at {log}; name its folder with --data-dir")
    try:
        with closing(sqlite3.connect(f"{log.as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
            found = verified(connection)
    except sqlite3.Error as error:
        raise CommandFailed(f"the log at {log} cannot be read: {error}") from None
    facts = {"records": found.records, "events": found.events, "chain": found.chain}
    if as_json:
        print_json({**facts, "broken": to_builtins(found.broken)})
    else:
        print_facts(facts)
    if found.broken is not None:
        raise CommandFailed(
            f"record {found.broken.sequence} (first position 0:{found.broken.ordinal}) is broken: {found.broken.reason}"
        )
