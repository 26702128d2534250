"""``callfold stream`` as a child that is to be killed: taken for dead after 6 s, the least that a broker allows."""

from __future__ import annotations

import streams.faust.app
from infra.cli.main import run

if __name__ == "__main__":
    streams.faust.app.SESSION_SECONDS = 6.0
    run()
