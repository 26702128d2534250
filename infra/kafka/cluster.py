"""A Kafka cluster on loopback in a folder: started, stopped, and hurt on purpose.

What is running is written in the folder, not kept in an object: a cluster outlives whoever started it, and any number
of ``DevCluster`` objects, in any process, act on the same one.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.kafka.configuration import HOST, NodeAddress, node_properties
from infra.kafka.errors import ClusterDiffers, NoCluster, PortTaken, WrongCondition
from infra.kafka.node import Node, format_storage, new_cluster_id, start_node
from infra.kafka.ports import free_ports, is_free
from infra.kafka.processes import Condition, wait_for
from infra.kafka.program import Program
from infra.kafka.readiness import Starting, await_ready
from infra.kafka.state import ClusterFolder, ClusterState
from streams.kafka.access import OPEN, KafkaAccess

READY_SECONDS = 120.0
STOP_SECONDS = 15.0
_SIGNAL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """A broker as it is now. ``pid`` is ``None`` when it is dead, ``resident_mb`` is its memory."""

    id: int
    address: str
    condition: Condition
    pid: int | None
    resident_mb: float
    log: Path


class DevCluster:
    """``brokers`` nodes in ``folder``, each a broker and a controller of the quorum.

    ``install`` gives the Kafka to run; it is only asked when a broker has to be started, and may fetch it then.
    ``settings`` override those of every broker; both count when the folder's cluster is founded, at the first
    ``start``. Without ``brokers`` a folder's cluster is taken as it is, and a new one has one. ``access`` is how the
    listeners that ``settings`` asked for are spoken to.

    Every method may raise ``NoCluster``; those that name a node also ``NoSuchNode`` and ``WrongCondition``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        install: Callable[[], Program],
        brokers: int | None = None,
        settings: Mapping[str, str] | None = None,
        access: KafkaAccess = OPEN,
    ) -> None:
        self.folder = folder.absolute()
        self._kept = ClusterFolder(self.folder)
        self._install = install
        self._brokers = brokers
        self._access = access
        self._settings = None if settings is None else dict(settings)

    @property
    def bootstrap(self) -> str:
        """``host:port`` of every broker, separated by commas, as Kafka clients want it."""
        return ",".join(f"{HOST}:{node.address.port}" for node in self._kept.load().nodes)

    @property
    def log_url(self) -> str:
        """The value of ``CALLFOLD_LOG`` for this cluster."""
        return f"kafka://{self.bootstrap}"

    def statuses(self) -> list[NodeStatus]:
        """Every broker as it is now, in the order of their numbers."""
        return [self._status(node) for node in self._kept.load().nodes]

    def start(self, *, seconds: float = READY_SECONDS) -> None:
        """Bring every broker up, founding the cluster when the folder holds none; return when all of them serve.

        Those that run are left alone, paused ones resume. When one does not get ready within ``seconds``, those that
        this call started are ended again. Raises ``NodeFailed``, ``PortTaken``, ``ClusterDiffers``, and what
        ``install`` raises.
        """
        dead: list[Node] = []
        try:
            with self._kept.changing():
                state = self._founded()
                dead += (node for node in state.nodes if not _alive(node))
                self._launch(state, dead)
                for node in state.nodes:
                    if node.process and node.process.condition is Condition.PAUSED:
                        node.process.send(signal.SIGCONT)
            self._await(self._kept.load().nodes, seconds)
        except BaseException:
            for node in dead:
                self._end(node.address.id)
            raise

    def await_ready(self, *, seconds: float = READY_SECONDS) -> None:
        """Return when every broker that is not dead or paused serves. Raises ``NodeFailed`` after ``seconds``."""
        nodes = self._kept.load().nodes
        running = [node for node in nodes if node.process and node.process.condition is Condition.RUNNING]
        self._await(running, seconds)

    def stop(self, *, seconds: float = STOP_SECONDS) -> None:
        """End every broker: in good order, by force where that has not worked after ``seconds``. Data stays."""
        with self._kept.changing():
            processes = [node.process for node in self._kept.load().nodes if node.process]
            for process in processes:
                process.send(signal.SIGTERM)
                process.send(signal.SIGCONT)
            deadline = time.monotonic() + seconds
            for process in processes:
                if not process.wait(deadline - time.monotonic()):
                    process.send(signal.SIGKILL)
                    process.wait(_SIGNAL_SECONDS)

    def destroy(self) -> None:
        """End every broker at once and delete everything the cluster kept."""
        with contextlib.suppress(NoCluster):
            for node in self._kept.load().nodes:
                self._end(node.address.id)
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self, node_id: int) -> None:
        """SIGKILL: the broker is gone without a word. Returns when it is."""
        self._signal(node_id, signal.SIGKILL, (Condition.RUNNING, Condition.PAUSED), Condition.DEAD)

    def pause(self, node_id: int) -> None:
        """SIGSTOP: the broker is alive, keeps its connections, and does nothing. Returns when it is so."""
        self._signal(node_id, signal.SIGSTOP, (Condition.RUNNING,), Condition.PAUSED)

    def resume(self, node_id: int) -> None:
        """SIGCONT: a paused broker goes on where it stood. Does not wait until the cluster trusts it again."""
        self._signal(node_id, signal.SIGCONT, (Condition.PAUSED,), Condition.RUNNING)

    def restart(self, node_id: int, *, wait: bool = True, seconds: float = READY_SECONDS) -> None:
        """Start a dead broker again, on its data and under its address; return when it serves, if ``wait``.

        It can serve only while more than half of the brokers are up; one that does not within ``seconds`` is left
        to go on trying. Raises ``NodeFailed``, ``PortTaken``.
        """
        with self._kept.changing():
            state = self._kept.load()
            node = state.node(node_id)
            if _alive(node):
                raise WrongCondition(f"broker {node_id} is running; only a dead one can be started")
            self._launch(state, [node])
        if wait:
            self._await([self._kept.load().node(node_id)], seconds)

    def _founded(self) -> ClusterState:
        """The folder's cluster, or a new one of the wanted shape."""
        try:
            state = self._kept.load()
        except NoCluster:
            count = self._brokers or 1
            ports = free_ports(2 * count)
            addresses = zip(range(1, count + 1), ports[:count], ports[count:], strict=True)
            nodes = tuple(Node(NodeAddress(*each)) for each in addresses)
            state = ClusterState(new_cluster_id(), self._settings or {}, nodes)
            self._kept.save(state)
            return state
        if self._brokers not in (None, len(state.nodes)):
            raise ClusterDiffers(
                f"the cluster in {self.folder} has {len(state.nodes)} broker(s), not {self._brokers}; delete it with "
                "`callfold dev kafka down --delete`, or name another folder with --dir"
            )
        if self._settings not in (None, state.settings):
            raise ClusterDiffers(
                f"the cluster in {self.folder} was founded with other broker settings ({state.settings or 'none'}); "
                "delete it with `callfold dev kafka down --delete`, or name another folder with --dir"
            )
        return state

    def _launch(self, state: ClusterState, nodes: Sequence[Node]) -> None:
        """Start these brokers' processes, formatting new ones before. They need not serve yet."""
        if not nodes:
            return
        program = self._install()
        addresses = [node.address for node in state.nodes]
        folders = {node.address.id: self._kept.node(node.address.id) for node in nodes}
        for node in nodes:
            if node.process:
                node.process.wait(_SIGNAL_SECONDS)  # the last threads of a dying broker still hold its ports
            _refuse_taken_ports(node.address)
            folder = folders[node.address.id]
            folder.write_properties(
                node_properties(node.address, addresses, data=folder.data, overrides=state.settings)
            )
        unformatted = [folder for folder in folders.values() if not folder.formatted]
        format_storage(program, unformatted, cluster_id=state.cluster_id)
        for node in nodes:
            process = start_node(program, folders[node.address.id])
            state = state.replaced(Node(node.address, process))
            self._kept.save(state)

    def _await(self, nodes: Iterable[Node], seconds: float) -> None:
        starting = [
            Starting(node.address, node.process, self._kept.node(node.address.id)) for node in nodes if node.process
        ]
        await_ready(starting, seconds=seconds, access=self._access)

    def _signal(self, node_id: int, number: signal.Signals, allowed: tuple[Condition, ...], wanted: Condition) -> None:
        with self._kept.changing():
            process = self._kept.load().node(node_id).process
            condition = process.condition if process else Condition.DEAD
            if process is None or condition not in allowed or not process.send(number):
                raise WrongCondition(
                    f"broker {node_id} is {condition.value}; this needs one that is "
                    f"{' or '.join(each.value for each in allowed)}"
                )
            if not wait_for(process, wanted, seconds=_SIGNAL_SECONDS):
                raise WrongCondition(f"broker {node_id} did not become {wanted.value} after {number.name}")

    def _end(self, node_id: int) -> None:
        """Kill a broker in whatever condition it is."""
        process = self._kept.load().node(node_id).process
        if process and process.send(signal.SIGKILL):
            process.wait(_SIGNAL_SECONDS)

    def _status(self, node: Node) -> NodeStatus:
        condition = node.process.condition if node.process else Condition.DEAD
        alive = node.process if condition is not Condition.DEAD else None
        return NodeStatus(
            id=node.address.id,
            address=f"{HOST}:{node.address.port}",
            condition=condition,
            pid=alive.pid if alive else None,
            resident_mb=alive.resident_mb if alive else 0.0,
            log=self._kept.node(node.address.id).log,
        )


def _alive(node: Node) -> bool:
    return node.process is not None and node.process.condition is not Condition.DEAD


def _refuse_taken_ports(address: NodeAddress) -> None:
    for port in (address.port, address.controller_port):
        if not is_free(port):
            raise PortTaken(
                f"broker {address.id} listens on port {port}, which another process has taken; end that process, or "
                "start the cluster in another folder with --dir"
            )
