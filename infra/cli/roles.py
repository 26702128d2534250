"""``callfold api``, ``callfold media`` and ``callfold project``: parts of an installation, one process each."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.cli.announcement import Host, OwnPort, Port, ReadyAsJson, run_announced
from infra.cli.options import DataDir


def api(host: Host = None, port: Port = None, data_dir: DataDir = None, as_json: ReadyAsJson = False) -> None:
    """Run the REST API, the operator's routes and the analytics; calls are served by `callfold media`.

    Set CALLFOLD_MEDIA_URL to where callers reach the media processes.
    """
    from functools import partial

    from infra.cli.backend import settings_for
    from infra.serve import serve

    run_announced(settings_for(data_dir, host=host, port=port), partial(serve, role="api"), as_json)


def media(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    workers: Annotated[
        int, typer.Option("--workers", "-w", min=1, max=64, help="Processes that take calls from the one port.")
    ] = 1,
    as_json: ReadyAsJson = False,
    channel_fd: Annotated[int | None, typer.Option("--channel-fd", hidden=True)] = None,
) -> None:
    """Serve calls: their sound, listeners and control. The API runs elsewhere over the same log (`callfold api`).

    SIGTERM, SIGHUP or Ctrl-C drains: no new calls, running ones end with a recorded reason. A second SIGTERM or Ctrl-C
    forces.
    """
    import socket
    from functools import partial

    from infra.cli.backend import settings_for
    from infra.serve import serve
    from infra.workers import supervise

    settings = settings_for(data_dir, host=host, port=port)
    if workers > 1:
        run_announced(settings, partial(supervise, workers=workers), as_json)
    else:
        channel = None if channel_fd is None else socket.socket(fileno=channel_fd)
        run_announced(settings, partial(serve, role="media", channel=channel), as_json)


def project(host: Host = None, port: OwnPort = 0, data_dir: DataDir = None, as_json: ReadyAsJson = False) -> None:
    """Keep filling the tables of the ClickHouse server that CALLFOLD_CLICKHOUSE names; one process does.

    Its port answers /health/live, /health/ready and /metrics; `callfold rebuild` and `callfold dead` find it.
    """
    from functools import partial

    from infra.cli.backend import settings_for
    from infra.serve import serve

    run_announced(settings_for(data_dir, host=host, port=port), partial(serve, role="project"), as_json)
