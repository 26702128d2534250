"""What a cluster's folder remembers: ``cluster.json``, and a lock for those who change it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from infra.kafka.errors import ClusterDiffers, ClusterError, NoCluster, NoSuchNode
from infra.kafka.node import Node, NodeFolder


class ClusterState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A founded cluster. ``settings`` override those of every broker."""

    cluster_id: str
    settings: dict[str, str]
    nodes: tuple[Node, ...]

    def node(self, node_id: int) -> Node:
        """The broker of this number. Raises ``NoSuchNode``."""
        for node in self.nodes:
            if node.address.id == node_id:
                return node
        numbers = ", ".join(str(node.address.id) for node in self.nodes)
        raise NoSuchNode(f"there is no broker {node_id}; this cluster has {numbers}")

    def replaced(self, changed: Node) -> ClusterState:
        """The same cluster with another process for one broker."""
        nodes = tuple(changed if node.address.id == changed.address.id else node for node in self.nodes)
        return msgspec.structs.replace(self, nodes=nodes)


@dataclass(frozen=True, slots=True)
class ClusterFolder:
    """Paths and state of the cluster in ``root``."""

    root: Path

    def node(self, node_id: int) -> NodeFolder:
        """Where a broker keeps its own."""
        return NodeFolder(self.root / f"broker-{node_id}")

    def load(self) -> ClusterState:
        """Raises ``NoCluster``; ``ClusterDiffers`` for a file that this version did not write."""
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=ClusterState)
        except FileNotFoundError:
            raise NoCluster(self.root) from None
        except msgspec.MsgspecError as error:
            raise ClusterDiffers(f"{self._file} is not what this version of callfold writes ({error})") from error

    def save(self, state: ClusterState) -> None:
        """Readers see the old state or the new one, never a part."""
        partial = self._file.with_suffix(".partial")
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=2) + b"\n")
        partial.rename(self._file)

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the cluster against other commands; waits for them. Makes the folder. Raises ``ClusterError``."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ClusterError(f"the cluster's folder {self.root} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    @property
    def _file(self) -> Path:
        return self.root / "cluster.json"
