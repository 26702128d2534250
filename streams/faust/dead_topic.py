"""Dead letters on ``callfold.dead``, where the processes that share the processors find those of all.

The topic is compacted: the newest record of a key is what there is. A letter, the decision to drop it, and the request
to try an originator again have keys of their own, so that no process overwrites what another has decided.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import msgspec
from kafka.errors import KafkaError

from domain.log.ports import LogUnavailable
from domain.log.position import Position
from domain.processing import DeadLetter
from streams.kafka.clients import DELIVERY_MS, Fetched, Sent, producer
from streams.kafka.compacted import CompactedTopic
from streams.kafka.location import KafkaLocation
from streams.kafka.renewal import RenewedProducer
from streams.processing.dead_letters import DeadLetters

TOPIC = "dead"
PARTITION = 0

_WRITER = "writer"
_RETRY_SECONDS = 1.0
_log = logging.getLogger(__name__)


class RetryRequest(msgspec.Struct, frozen=True, tag="retry"):
    """Somebody asks whoever works on the originator's shard to try its parked events again."""

    processor: str
    originator_id: str
    request_id: str

    @property
    def key(self) -> str:
        return f"retry|{self.processor}|{self.originator_id}"


class LetterRecord(msgspec.Struct, frozen=True, tag="letter"):
    """A parked event."""

    processor: str
    originator_id: str
    shard: int
    ordinal: int
    reason: str
    attempt: int

    @property
    def key(self) -> str:
        return f"letter|{self.processor}|{self.shard}:{self.ordinal}"

    @classmethod
    def of(cls, letter: DeadLetter) -> LetterRecord:
        place = letter.position
        return cls(letter.processor, letter.originator_id, place.shard, place.ordinal, letter.reason, letter.attempt)

    @property
    def letter(self) -> DeadLetter:
        return DeadLetter(
            processor=self.processor,
            originator_id=self.originator_id,
            position=Position(self.shard, self.ordinal),
            reason=self.reason,
            attempt=self.attempt,
        )


class DropRecord(msgspec.Struct, frozen=True, tag="drop"):
    """A parked event that is passed over for ever."""

    dropped: LetterRecord

    @property
    def key(self) -> str:
        return self.dropped.key.replace("letter|", "drop|", 1)


_Record = LetterRecord | DropRecord | RetryRequest
_encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[_Record] = msgspec.json.Decoder(_Record)


class DeadTopic(DeadLetters):
    """``DeadLetters`` of all processes. What is written is on the topic, durably, before it counts here.

    A process takes over a shard only after ``catch_up``: what the former owner parked stays parked. ``changed`` is
    called, on another thread, when somebody asks for a retry or one was done. Open with ``DeadTopic.open``.
    """

    def __init__(
        self, location: KafkaLocation, writer: str, sending: RenewedProducer, changed: Callable[[], None]
    ) -> None:
        super().__init__(":memory:")
        self._location = location
        self._writer = writer.encode()
        self._sending = sending
        self._changed = changed
        self._requests: dict[str, RetryRequest] = {}
        self._requests_moved = threading.Condition()
        self._topic: CompactedTopic | None = None
        self._closing = threading.Event()

    @classmethod
    def open(cls, location: KafkaLocation, *, writer: str, changed: Callable[[], None] = lambda: None) -> DeadTopic:
        """Read what there is and go on reading. ``writer`` is a name that no other process has, nor ever had.

        Raises ``UnfitCluster`` and ``LogUnavailable``.
        """
        with ExitStack() as undo:
            sending = RenewedProducer(lambda: producer(location), patience_s=DELIVERY_MS / 1000)
            undo.callback(sending.close)
            letters = cls(location, writer, sending, changed)
            letters._topic = CompactedTopic.open(location, TOPIC, (PARTITION,), letters._take)
            undo.callback(letters.close)
            letters.catch_up()
            undo.pop_all()
        return letters

    def catch_up(self) -> None:
        """Wait until everything that others wrote before now is known. Blocking. Raises ``LogUnavailable``."""
        assert self._topic is not None, "made by open"
        self._topic.catch_up()

    def park(self, letters: list[DeadLetter]) -> None:
        """See ``DeadLetters.park``. Waits for Kafka as long as it takes: nothing may go on before. Raises
        ``LogUnavailable`` when it is closed meanwhile."""
        known = {(letter.processor, letter.position) for letter in self.list()}
        new = [LetterRecord.of(letter) for letter in letters if (letter.processor, letter.position) not in known]
        while new:
            try:
                self._send(new)
                break
            except LogUnavailable as problem:
                _log.warning("dead.waiting", extra={"reason": str(problem)})
                if self._closing.wait(_RETRY_SECONDS):
                    raise
        super().park(letters)

    def drop(self, processor: str, position: Position) -> None:
        """See ``DeadLetters.drop``. Raises ``LogUnavailable`` too."""
        self._send([DropRecord(LetterRecord.of(self.show(processor, position)))])
        super().drop(processor, position)

    def settle(self, letter: DeadLetter) -> None:
        """See ``DeadLetters.settle``. Raises ``LogUnavailable``."""
        self._send([], gone=[LetterRecord.of(letter).key])
        super().settle(letter)

    def fail_again(self, letter: DeadLetter, reason: str) -> DeadLetter:
        """See ``DeadLetters.fail_again``. Raises ``LogUnavailable``."""
        tried = super().fail_again(letter, reason)
        self._send([LetterRecord.of(tried)])
        return tried

    def ask_retry(self, request: RetryRequest) -> None:
        """Ask whoever works on the originator's shard, now or later, to try again. Raises ``LogUnavailable``."""
        with self._requests_moved:
            self._requests[request.key] = request
        self._send([request])

    def retried(self, request: RetryRequest) -> None:
        """The request was carried out. Raises ``LogUnavailable``."""
        self._send([], gone=[request.key])
        self._forget_request(request.key)

    def requests(self) -> list[RetryRequest]:
        """What is asked for and was not carried out yet."""
        with self._requests_moved:
            return list(self._requests.values())

    def wait_retried(self, request: RetryRequest, timeout_s: float) -> bool:
        """Wait until somebody has carried it out; ``False`` after ``timeout_s``. Blocking."""
        with self._requests_moved:
            return self._requests_moved.wait_for(lambda: self._requests.get(request.key) != request, timeout_s)

    def close(self) -> None:
        """Stop reading. Safe to call twice."""
        self._closing.set()
        if self._topic is not None:
            self._topic.close()
            self._topic = None
            self._sending.close()
        super().close()

    def _send(self, records: Sequence[_Record], gone: Sequence[str] = ()) -> None:
        values: list[tuple[str, bytes | None]] = [(record.key, _encode(record)) for record in records]
        values += [(key, None) for key in gone]
        try:
            sent: list[Sent] = [
                self._sending.send(
                    self._location.topic(TOPIC),
                    value=value,
                    key=key.encode(),
                    headers=[(_WRITER, self._writer)],
                    partition=PARTITION,
                )
                for key, value in values
            ]
            for future in sent:
                future.get(timeout=DELIVERY_MS / 1000)
        except KafkaError as problem:
            self._sending.renew()
            raise LogUnavailable(f"Kafka does not take a dead letter: {problem}") from problem

    def _take(self, record: Fetched) -> None:
        """What another process wrote; this one's own records are in force already, and perhaps replaced."""
        if dict(record.headers).get(_WRITER) == self._writer:
            return
        try:
            if record.value is None:
                self._gone((record.key or b"").decode(errors="replace"))
            else:
                self._came(_decoder.decode(record.value))
        except (msgspec.DecodeError, ValueError):
            _log.warning("dead.foreign_record", extra={"offset": record.offset})

    def _came(self, found: _Record) -> None:
        match found:
            case LetterRecord():
                self.put(found.letter)
            case DropRecord(dropped=dropped):
                self.put(dropped.letter, dropped=True)
            case RetryRequest():
                with self._requests_moved:
                    self._requests[found.key] = found
                self._changed()

    def _gone(self, key: str) -> None:
        """Raises ``ValueError`` for a key that names no place."""
        what, _, rest = key.partition("|")
        if what == "retry":
            self._forget_request(key)
        elif what == "letter":
            processor, _, place = rest.rpartition("|")
            self.take_away(processor, Position.parse(place))

    def _forget_request(self, key: str) -> None:
        with self._requests_moved:
            self._requests.pop(key, None)
            self._requests_moved.notify_all()
        self._changed()
