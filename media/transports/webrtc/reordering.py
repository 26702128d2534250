"""RTP packets in the order they were sent, each as soon as that is known.

There is no fixed delay: what arrives in order leaves at once. A hole waits for a few later packets, which may be the
late one's successors, and is then given up, so that one loss delays nothing but itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_MODULUS = 1 << 16
_LONGEST_HOLE = 25
"""Half a second of 20 ms packets. What is made up for a longer one would come all at once when the network is back, and
whatever is said from then on would wait behind it; nothing is made up for that."""
_LONGEST_DELAY = 200
"""Four seconds of packets: one that is older belongs to a sender who has begun anew."""


@dataclass(frozen=True, slots=True)
class Packet:
    """The payload of a packet."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """A packet that did not come. ``following`` is the payload after it, which may carry a copy of it."""

    following: bytes | None


class Reordering:
    """One sender's packets. ``hold`` is how many later packets a missing one is waited for."""

    __slots__ = ("_hold", "_next", "_waiting", "late", "lost")

    def __init__(self, hold: int = 3) -> None:
        self._hold = hold
        self._next: int | None = None
        self._waiting: dict[int, bytes] = {}
        self.lost = 0
        """Packets given up so far."""
        self.late = 0
        """Packets that came after they had been given up, or twice."""

    def push(self, sequence_number: int, payload: bytes) -> Iterator[Packet | Lost]:
        """What is known to come next, now that this packet (16-bit sequence number) has arrived."""
        if self._next is None:
            self._next = sequence_number
        ahead = (sequence_number - self._next) % _MODULUS
        if ahead >= _MODULUS // 2:
            if ahead >= _MODULUS - _LONGEST_DELAY:
                self.late += 1
                return
            ahead = _LONGEST_HOLE + 1
        if ahead > _LONGEST_HOLE:
            if ahead < _MODULUS // 2:
                self.lost += ahead - len(self._waiting)
            self._waiting.clear()
            self._next = sequence_number
        self._waiting[sequence_number] = payload
        while self._waiting:
            found = self._waiting.pop(self._next, None)
            if found is None and len(self._waiting) < self._hold:
                return
            self._next = (self._next + 1) % _MODULUS
            if found is None:
                self.lost += 1
                yield Lost(self._waiting.get(self._next))
            else:
                yield Packet(found)
