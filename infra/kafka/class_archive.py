"""An archive of Kafka's loaded classes, which Java maps instead of reading, verifying and linking 7,000 of them.

Java writes it when a program ends (JEP 350), so a broker is run once on empty data and stopped. It holds for one Java
and one set of jars; Java itself refuses one that does not fit and goes on without.
"""

from __future__ import annotations

import signal
import tempfile
from pathlib import Path

from infra.kafka.configuration import NodeAddress, node_properties
from infra.kafka.errors import NodeFailed
from infra.kafka.node import NodeFolder, format_storage, new_cluster_id, start_node
from infra.kafka.ports import free_ports
from infra.kafka.program import Program
from infra.kafka.readiness import Starting, await_ready

_SECONDS = 120.0


def make_class_archive(program: Program, archive: Path) -> None:
    """Write ``archive`` beside the jars of ``program``. Raises ``NodeFailed``."""
    partial = archive.with_suffix(".partial")
    with tempfile.TemporaryDirectory(prefix="callfold-kafka-") as name:
        folder = NodeFolder(Path(name))
        port, controller_port = free_ports(2)
        address = NodeAddress(1, port, controller_port)
        folder.write_properties(node_properties(address, [address], data=folder.data, overrides={}))
        format_storage(program, [folder], cluster_id=new_cluster_id())
        process = start_node(program, folder, options=[f"-XX:ArchiveClassesAtExit={partial}"])
        try:
            await_ready([Starting(address, process, folder)], seconds=_SECONDS)
            process.send(signal.SIGTERM)
            if not process.wait(_SECONDS) or not partial.exists():
                raise NodeFailed(f"Java made no class archive; the broker said:\n{folder.last_words()}")
        finally:
            process.send(signal.SIGKILL)
            process.wait(_SECONDS)
        partial.rename(archive)
