"""``callfold dev kafka``: a real Kafka cluster on this machine, to develop with and to hurt."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.options import AsJson

if TYPE_CHECKING:
    from infra.kafka.cluster import DevCluster
    from infra.kafka.program import Program

app = typer.Typer(
    help="A real Kafka cluster on loopback, fetched from Maven Central and run by this machine's Java.",
    no_args_is_help=True,
)

Folder = Annotated[
    Path | None,
    typer.Option("--dir", help="Folder of the cluster (default: `kafka` in the data folder).", show_default=False),
]
Number = Annotated[int, typer.Argument(help="The broker's number, from 1.", show_default=False)]


@app.command("up", short_help="Start a cluster, or what is down of one.")
def up(
    brokers: Annotated[
        int | None,
        typer.Option(
            "--brokers", "-b", min=1, max=9, help="How many, when the folder holds no cluster yet (default: 1)."
        ),
    ] = None,
    folder: Folder = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of every new broker; may be given several times."),
    ] = None,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay until Ctrl-C or SIGTERM, and stop the cluster then.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start a cluster and say how to use it; it keeps running until `callfold dev kafka down`."""
    with _failing_in_a_sentence():
        cluster = _cluster(folder, brokers=brokers, settings=_broker_settings(setting), progress=not as_json)
        cluster.start()
        _show(cluster, as_json=as_json)
        if foreground:
            _stay(cluster)


@app.command("down", short_help="Stop the cluster.")
def down(
    folder: Folder = None,
    delete: Annotated[bool, typer.Option("--delete", help="Delete everything that it kept, too.")] = False,
) -> None:
    """Stop every broker; topics and records stay for the next `up` unless they are deleted."""
    with _failing_in_a_sentence():
        cluster = _cluster(folder)
        cluster.statuses()  # a folder without a cluster is not deleted
        if delete:
            cluster.destroy()
        else:
            cluster.stop()


@app.command("status", short_help="Which brokers run.")
def status(folder: Folder = None, as_json: AsJson = False) -> None:
    """Show every broker: where it listens, how it is, how much memory it takes."""
    with _failing_in_a_sentence():
        _show(_cluster(folder), as_json=as_json)


@app.command("fetch", short_help="Fetch Kafka without starting it.")
def fetch(as_json: AsJson = False) -> None:
    """Put Kafka into the cache folder, or check that what is there is whole."""
    with _failing_in_a_sentence():
        from infra.cli.terminal import print_facts, print_json
        from infra.kafka.distribution import locked

        program = _install(check=True, progress=not as_json)
        facts = {"kafka": locked().kafka, "java": program.java.version, "folder": program.jars[0].parent}
        print_json(facts) if as_json else print_facts(facts)


@app.command("kill", short_help="SIGKILL a broker.")
def kill(number: Number, folder: Folder = None) -> None:
    """End a broker without a word, as a power cut would."""
    with _failing_in_a_sentence():
        _cluster(folder).kill(number)


@app.command("pause", short_help="SIGSTOP a broker.")
def pause(number: Number, folder: Folder = None) -> None:
    """Freeze a broker: it keeps its connections and believes itself in office."""
    with _failing_in_a_sentence():
        _cluster(folder).pause(number)


@app.command("resume", short_help="SIGCONT a paused broker.")
def resume(number: Number, folder: Folder = None) -> None:
    """Let a paused broker go on where it stood."""
    with _failing_in_a_sentence():
        _cluster(folder).resume(number)


@app.command("start", short_help="Start a killed broker again.")
def start(number: Number, folder: Folder = None) -> None:
    """Start a dead broker on its data and under its address, and wait until it serves."""
    with _failing_in_a_sentence():
        _cluster(folder).restart(number)


@contextlib.contextmanager
def _failing_in_a_sentence() -> Iterator[None]:
    from infra.cli.failure import CommandFailed
    from infra.kafka.errors import ClusterError
    from infra.settings import SettingsInvalid

    try:
        yield
    except (ClusterError, SettingsInvalid) as error:
        raise CommandFailed(str(error)) from None


def _cluster(
    folder: Path | None, *, brokers: int | None = None, settings: dict[str, str] | None = None, progress: bool = True
) -> DevCluster:
    from functools import partial

    from infra.kafka.cluster import DevCluster
    from infra.settings import load

    root = folder or load().data_dir / "kafka"
    return DevCluster(root, install=partial(_install, progress=progress), brokers=brokers, settings=settings)


def _install(*, progress: bool, check: bool = False) -> Program:
    from infra.cli.dev_progress import InstallProgressBar
    from infra.kafka.installation import installed
    from infra.settings import load

    cache = load().cache_folder()
    if not progress:
        return installed(cache, check=check)
    with InstallProgressBar() as bar:
        return installed(cache, bar, check=check)


def _broker_settings(given: list[str] | None) -> dict[str, str] | None:
    if not given:
        return None
    settings = {}
    for each in given:
        name, separator, value = each.partition("=")
        if not separator or not name.strip():
            raise typer.BadParameter(f"{each!r} is not NAME=VALUE", param_hint="--set")
        settings[name.strip()] = value.strip()
    return settings


def _show(cluster: DevCluster, *, as_json: bool) -> None:
    from infra.cli.terminal import print_json, print_table

    statuses = cluster.statuses()
    if as_json:
        brokers = [
            {
                "id": each.id,
                "address": each.address,
                "condition": each.condition.value,
                "pid": each.pid,
                "residentMb": round(each.resident_mb),
                "log": each.log,
            }
            for each in statuses
        ]
        print_json({"bootstrap": cluster.bootstrap, "log": cluster.log_url, "dir": cluster.folder, "brokers": brokers})
        return
    print_table(
        f"Kafka in {cluster.folder}",
        ("broker", "address", "condition", "pid", "MB"),
        [(each.id, each.address, each.condition.value, each.pid, round(each.resident_mb)) for each in statuses],
    )
    typer.echo(f"export CALLFOLD_LOG={cluster.log_url}")


def _stay(cluster: DevCluster) -> None:
    """Until a signal says otherwise; then the cluster stops."""
    import signal

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupted)
    try:
        while True:
            signal.pause()
    except KeyboardInterrupt:
        cluster.stop()
