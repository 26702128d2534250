"""Heartbeats on ``callfold.leases``: for processes that share nothing but the log's cluster."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from math import inf

import msgspec
from kafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from streams.kafka.clients import Consumer, Fetched, consumer, partition, producer
from streams.kafka.connecting import unreachable
from streams.kafka.location import KafkaLocation
from streams.kafka.renewal import RenewedProducer
from streams.kafka.unfit import UnfitCluster
from streams.leases.beats import Beats

TOPIC = "leases"
SETTLED_SECONDS = 10.0
"""How long a process must have been heard to deliver messages before endpoints are handed to it: one that comes and
goes would move them to and fro."""

TROUBLE_SECONDS = 10.0
"""How long a process may miss its own heartbeats before it takes no new work: long enough for a leader's election."""

CLOCK_SECONDS = 30.0
"""How far this machine's clock may be from the brokers' untold: events carry the time of who wrote them."""

_POLL_MS = 200
_RETRY_SECONDS = 0.5
_LEAVE_SECONDS = 2.0
_GONE = (OffsetOutOfRangeError, NoOffsetForPartitionError)

_log = logging.getLogger(__name__)


class Beat(msgspec.Struct, frozen=True, omit_defaults=True):
    """The value of a record. Its key is the owner too, for people who look at the topic. ``delivers`` says whether it
    sends messages to tenants' servers; not said by processes that never did."""

    owner: str
    left: bool = False
    delivers: bool | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Beat).decode


class KafkaLeases:
    """``owner`` is this process, ``is_gone`` what this machine knows of its own processes: one that died here is known
    at once. ``beat`` is due several times in ``lease_s``. Thread-safe; open with ``KafkaLeases.open``.
    """

    def __init__(
        self,
        location: KafkaLocation,
        sender: RenewedProducer,
        reader: Consumer,
        owner: str,
        is_gone: Callable[[str], bool],
        lease_s: float,
        trouble_s: float,
        wall_clock: Callable[[], float],
    ) -> None:
        self._location = location
        self._producer = sender
        self._consumer = reader
        self._partition = partition(location, TOPIC, 0)
        self._owner = owner
        self._is_gone = is_gone
        self._trouble_s = trouble_s
        self._beats = Beats(owner, lease_s, step_s=lease_s / 2)
        self._lease_s = lease_s
        self._waited_for_since_s: float | None = None
        self._renewed_at_s = 0.0
        self._came_back_at_s = -inf
        self._released = False
        self._delivers: bool | None = None
        self._delivering = (self._beats, frozenset((owner,)))
        """Who delivers, and what that was told from."""
        self._wall_clock = wall_clock
        self._clock_is_wrong = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)

    @classmethod
    def open(
        cls,
        location: KafkaLocation,
        *,
        owner: str,
        is_gone: Callable[[str], bool],
        lease_s: float,
        trouble_s: float = TROUBLE_SECONDS,
        wall_clock: Callable[[], float] = time.time,
    ) -> KafkaLeases:
        """Begin to listen. ``wall_clock`` tells seconds since 1970. Raises ``UnfitCluster``: no broker answers."""
        with ExitStack() as undo:
            sender = RenewedProducer(
                lambda: producer(location, delivery_ms=round(lease_s * 1000)), patience_s=2 * lease_s
            )
            undo.callback(sender.close)
            reader = consumer(location)
            undo.callback(reader.close)
            leases = cls(location, sender, reader, owner, is_gone, lease_s, trouble_s, wall_clock)
            try:
                leases._seek_to_now()
            except KafkaError as problem:
                raise unreachable(location, problem) from problem
            undo.pop_all()
        leases._thread.start()
        return leases

    @property
    def owner(self) -> str:
        """This process's name as an owner of calls."""
        return self._owner

    def beat(self) -> None:
        """This process is alive now, unless it was released. Raises ``OSError`` where Kafka takes nothing."""
        if self._released:
            return
        now_s = time.monotonic()
        if self._waited_for_since_s is None:
            self._waited_for_since_s = self._renewed_at_s = now_s
        elif now_s - max(self._waited_for_since_s, self._renewed_at_s) > 2 * self._lease_s:
            # Beats are not waited for: that none came back is how a producer that has lost track shows.
            self._renewed_at_s = now_s
            self._producer.renew()
        self._send(Beat(self._owner, delivers=self._delivers))

    def alive(self, owner: str) -> bool:
        """Whether the owner may still serve its calls."""
        return owner == self._owner or (not self._is_gone(owner) and self._beats.alive(owner))

    def deliver(self, delivers: bool) -> None:
        """Say with each heartbeat from here on whether this process delivers messages."""
        self._delivers = delivers

    def deliverers(self) -> frozenset[str]:
        """Who delivers messages, this process included: the others for ``SETTLED_SECONDS`` at least."""
        beats, known = self._beats, self._delivering
        if beats is not known[0]:
            found = beats.deliverers(SETTLED_SECONDS) | {self._owner}
            # The same object while it is the same: what follows from it is worked out once.
            self._delivering = (beats, known[1] if found == known[1] else found)
        return self._delivering[1]

    def resigned(self, owner: str) -> bool:
        """Whether it lives and says that it delivers no messages any more."""
        return owner in self._beats.resigned

    def last_beat(self, owner: str) -> datetime | None:
        """Nobody knows here: silence is counted by heartbeats as they come back, not by clocks."""
        return None

    def current(self) -> bool:
        """Whether a heartbeat of this process came back so lately that nobody can have taken it for dead: who judges
        it counts a lease, less one step of their own, from when they read that one."""
        return not self._released and time.monotonic() - self._came_back_at_s <= self._lease_s / 2

    def trouble(self) -> str:
        """Why the others cannot hear this process, or it them; empty when its own heartbeats come back in time."""
        since_s = self._waited_for_since_s
        silent_s = 0.0 if since_s is None else time.monotonic() - since_s
        if silent_s <= self._trouble_s:
            return ""
        return f"Kafka at {self._location.servers} has not given back a heartbeat for {silent_s:.0f} s"

    def release(self) -> None:
        """This process serves nothing any more; the others need not wait until its lease runs out."""
        self._released = True
        try:
            self._send(Beat(self._owner, left=True))
            self._producer.flush(timeout=_LEAVE_SECONDS)
        except (OSError, KafkaError) as problem:
            _log.warning("lease.not_released", extra={"reason": str(problem)})

    def close(self) -> None:
        """Stop listening."""
        self._closing.set()
        self._thread.join()
        self._producer.close()
        self._consumer.close()

    def _send(self, beat: Beat) -> None:
        try:
            self._producer.send(
                self._partition.topic, value=_encode(beat), key=self._owner.encode(), headers=[], partition=0
            )
        except (KafkaError, UnfitCluster) as problem:
            raise OSError(f"Kafka takes no heartbeat: {problem}") from problem

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._take(self._read())
            except KafkaError as problem:
                _log.warning("leases.not_read", extra={"reason": str(problem)})
                self._closing.wait(_RETRY_SECONDS)

    def _read(self) -> Sequence[Fetched]:
        try:
            return self._consumer.poll(timeout_ms=_POLL_MS).get(self._partition, ())
        except _GONE:
            self._seek_to_now()
            return ()

    def _take(self, fetched: Sequence[Fetched]) -> None:
        now_s = time.monotonic()
        for record in fetched:
            try:
                beat = _decode(record.value or b"")
            except msgspec.DecodeError:
                _log.warning("leases.foreign_record", extra={"offset": record.offset})
                continue
            if beat.owner == self._owner:
                self._waited_for_since_s = self._came_back_at_s = now_s
                self._compare_clocks(record.timestamp / 1000)
            beats = self._beats
            self._beats = (
                beats.left(beat.owner) if beat.left else beats.heard(beat.owner, now_s, delivers=beat.delivers)
            )

    def _compare_clocks(self, brokers_s: float) -> None:
        """The brokers stamp what is appended; nothing here depends on it, but people who read times do."""
        ahead_s = self._wall_clock() - brokers_s
        was_wrong, self._clock_is_wrong = self._clock_is_wrong, abs(ahead_s) > CLOCK_SECONDS
        if self._clock_is_wrong and not was_wrong:
            _log.warning(
                "leases.clock_differs",
                extra={"ahead_s": round(ahead_s), "fix": "set this machine's clock, or the broker's, by NTP"},
            )

    def _seek_to_now(self) -> None:
        """What was said before this process listened is about a time that it cannot judge."""
        self._consumer.assign([self._partition])
        self._consumer.seek(self._partition, self._consumer.end_offsets([self._partition])[self._partition])
