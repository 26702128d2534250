"""``callfold stream``: the processors of an installation whose log is on Kafka."""

from __future__ import annotations

from infra.cli.announcement import Host, OwnPort, ReadyAsJson, run_announced
from infra.cli.options import DataDir


def stream(host: Host = None, port: OwnPort = 0, data_dir: DataDir = None, as_json: ReadyAsJson = False) -> None:
    """Run the stream processors over the log on Kafka; any number of processes share its shards.

    With a log in a file there is nothing to share: `callfold up` runs them itself. Its port answers /health/live,
    /health/ready and /metrics.
    """
    from functools import partial

    from infra.cli.backend import settings_for
    from infra.serve import serve

    run_announced(settings_for(data_dir, host=host, port=port), partial(serve, role="stream"), as_json)
