"""``callfold up``: the whole system in one process."""

from __future__ import annotations

from infra.cli.announcement import Host, Port, ReadyAsJson, run_announced
from infra.cli.options import DataDir


def up(host: Host = None, port: Port = None, data_dir: DataDir = None, as_json: ReadyAsJson = False) -> None:
    """Run API, calls, log and analytics in one process.

    SIGTERM, SIGHUP or Ctrl-C drains: no new calls, running ones end with a recorded reason. A second SIGTERM or Ctrl-C
    forces.
    """
    from infra.cli.backend import settings_for
    from infra.serve import serve

    run_announced(settings_for(data_dir, host=host, port=port), serve, as_json)
