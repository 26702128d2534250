"""One broker of a development cluster: its folder, its formatted storage, its process."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from infra.kafka.configuration import NodeAddress, rendered
from infra.kafka.errors import NodeFailed
from infra.kafka.processes import Process, spawn
from infra.kafka.program import Program

_LAST_LINES = 12
_FORMAT_SECONDS = 120


class Node(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A broker and the process that runs it, or ran it last; ``None`` before its first start."""

    address: NodeAddress
    process: Process | None = None


@dataclass(frozen=True, slots=True)
class NodeFolder:
    """``server.properties``, ``broker.log`` (of its last start) and ``data`` of one broker."""

    root: Path

    @property
    def properties(self) -> Path:
        return self.root / "server.properties"

    @property
    def log(self) -> Path:
        return self.root / "broker.log"

    @property
    def previous_log(self) -> Path:
        """What the start before this one said."""
        return self.root / "broker.previous.log"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def formatted(self) -> bool:
        """Kafka writes this file last."""
        return (self.data / "meta.properties").exists()

    def write_properties(self, properties: Mapping[str, str]) -> None:
        """Make the folder, if need be, and write the broker's settings."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.properties.write_text(rendered(properties))

    def last_words(self) -> str:
        """The end of the broker's log."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return "(nothing)"
        return "\n".join(lines[-_LAST_LINES:]) or "(nothing)"


def format_storage(program: Program, folders: Sequence[NodeFolder], *, cluster_id: str) -> None:
    """Have Kafka's own tool format the storage of these brokers, all at once. Raises ``NodeFailed``."""
    running = []
    for folder in folders:
        if folder.data.exists():
            shutil.rmtree(folder.data)  # what an interrupted attempt left: the tool would refuse it
        arguments = ("format", "--cluster-id", cluster_id, "--config", str(folder.properties))
        command = program.command("kafka.tools.StorageTool", *arguments, options=["-Dcallfold.kafka.log=warn"])
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))  # noqa: S603 - Kafka's tool, our arguments
    for folder, process in zip(folders, running, strict=True):
        said, _ = process.communicate(timeout=_FORMAT_SECONDS)
        if process.returncode or not folder.formatted:
            raise NodeFailed(f"Kafka could not format {folder.data}:\n{said.strip()}")


def start_node(program: Program, folder: NodeFolder, *, options: Sequence[str] = ()) -> Process:
    """Start a broker whose folder is ready; it is running, not yet answering."""
    if folder.log.exists():
        folder.log.rename(folder.previous_log)
    crash = ("-XX:+ExitOnOutOfMemoryError", f"-XX:ErrorFile={folder.root / 'crash.log'}")
    command = program.command("kafka.Kafka", str(folder.properties), options=[*crash, *options])
    # Kafka takes settings from KAFKA_ variables of whoever starts it; this cluster has its own.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KAFKA_")}
    return spawn(command, output=folder.log, environment=environment)


def new_cluster_id() -> str:
    """As Kafka makes them: 128 random bits in 22 URL-safe characters, the first of which is no dash."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text
