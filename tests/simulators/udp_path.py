"""A network path between two peers of WebRTC that can be cut: UDP relayed both ways, or dropped."""

from __future__ import annotations

import asyncio
import re

_CANDIDATE = re.compile(r"^(a=candidate:\S+ \d+ udp \d+ )(\S+) (\d+)( typ host.*)$", re.MULTILINE | re.IGNORECASE)
_HERE = "127.0.0.1"


class _End(asyncio.DatagramProtocol):
    """Stands for one port of one peer: what the other peer sends here is sent on to ``port``."""

    def __init__(self, path: UdpPath, port: int) -> None:
        self.path = path
        self.port = port
        self.socket: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # it is one
        self.socket = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.path.carry(data, addr[1], self)


class UdpPath:
    """Give each session description to ``through`` on its way: the peers then know each other by this path only."""

    def __init__(self) -> None:
        self.cut = False
        self.dropped = 0
        self._ends: dict[int, _End] = {}

    async def through(self, sdp: str) -> str:
        """The description with an end of the path in the place of each of its ports."""
        for port in {int(match[3]) for match in _CANDIDATE.finditer(sdp)} - set(self._ends):
            end = _End(self, port)
            await asyncio.get_running_loop().create_datagram_endpoint(lambda end=end: end, local_addr=(_HERE, 0))
            self._ends[port] = end
        return _CANDIDATE.sub(lambda match: f"{match[1]}{_HERE} {self._at(int(match[3]))}{match[4]}", sdp)

    def carry(self, data: bytes, source: int, towards: _End) -> None:
        """One packet of the peer at port ``source``, or nothing of it."""
        sender = self._ends.get(source)
        if self.cut or sender is None or sender.socket is None:
            self.dropped += 1
            return
        sender.socket.sendto(data, (_HERE, towards.port))

    def close(self) -> None:
        for end in self._ends.values():
            if end.socket is not None:
                end.socket.close()

    def _at(self, port: int) -> int:
        socket = self._ends[port].socket
        assert socket is not None
        return int(socket.get_extra_info("sockname")[1])
