"""Ends a test's brokers when the test process has died without doing so: ``python -m tests.broker_guard FOLDER``.

Standard input is a pipe whose other end the test process holds, so it ends with that process, however that ended.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.kafka.program import Program


def main() -> None:
    sys.stdin.buffer.read()
    folder = Path(sys.argv[1])
    if not folder.exists():
        return
    from infra.kafka.cluster import DevCluster

    DevCluster(folder, install=_nothing).destroy()


def _nothing() -> Program:
    raise AssertionError("ending brokers starts none")


if __name__ == "__main__":
    main()
