"""A stand-in for Java: shell commands instead of Kafka's storage tool and broker."""

from __future__ import annotations

from pathlib import Path

from infra.kafka.java import Java
from infra.kafka.program import Program

FORMATS = 'data=$(sed -n s/^log.dirs=//p "$config"); mkdir -p "$data"; touch "$data/meta.properties"'
SILENT = "exec sleep 600"
"""A broker that runs and never listens."""


def stand_in(folder: Path, broker: str, *, storage: str = FORMATS) -> Program:
    """Kafka whose storage tool and broker are these commands; ``$config`` is the broker's settings file."""
    java = folder / "java"
    java.write_text(
        f'#!/bin/sh\nfor each; do config=$each; done\ncase "$*" in\n*StorageTool*) {storage};;\n*) {broker};;\nesac\n'
    )
    java.chmod(0o755)
    return Program(Java(java, "17"), ())
