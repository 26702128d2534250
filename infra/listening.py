"""The address that a process answers on."""

from __future__ import annotations

import os
import socket
from typing import Final

WAITING: Final = 2048
"""Connections that the kernel may have taken and the process has not looked at yet."""


class CannotListen(Exception):
    """The address or port cannot be used; the message says which and why."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ``CannotListen``."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.getaddrinfo(host, port, family)
        return socket.create_server((host, port), family=family, backlog=WAITING)
    except socket.gaierror as error:
        raise CannotListen(f"cannot listen on {host}: {error.strerror}; give an address of this machine") from None
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise CannotListen(f"cannot listen on {host} port {port}: {reason}; choose another with --port") from None
