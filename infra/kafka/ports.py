"""Loopback ports for brokers: free now, and unlikely to be taken while a broker is down."""

from __future__ import annotations

import random
import socket
from pathlib import Path

from infra.kafka.configuration import HOST

_LOWEST = 20_000
_reserved: list[socket.socket] = []
"""What keeps other processes from choosing the same ports, until this one ends."""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, below those the kernel gives to outgoing connections, and that no other process has
    been given here: brokers take seconds until they listen.

    One of the kernel's could take the port of a killed broker, which must come back under its old address.
    """
    ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    candidates = range(_LOWEST, ephemeral) if ephemeral - _LOWEST >= 1000 else range(_LOWEST, 65_536)
    found: list[int] = []
    for port in random.sample(candidates, k=len(candidates)):
        if len(found) == count:
            break
        if is_free(port) and _reserve(port):
            found.append(port)
    return found


def _reserve(port: int) -> bool:
    """Whether no living process has it. A name without a file is its owner's alone, and goes with it."""
    name = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        name.bind(f"\0callfold-port-{port}")
    except OSError:
        name.close()
        return False
    _reserved.append(name)
    return True


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does: closed connections may linger
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
