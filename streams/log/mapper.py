"""eventsourcing's mapper on typed bodies and the closed registry instead of importable topics."""

from __future__ import annotations

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent

from domain.event import Recorded
from domain.log.codec import EventCodec
from streams.log.state_codec import StateCodec, StateSnapshot


class LogMapper(Mapper[str]):
    """Recorded events and snapshots to stored events and back. Never imports what the log names."""

    def __init__(self, codec: EventCodec, states: StateCodec) -> None:
        super().__init__(transcoder=JSONTranscoder())
        self.codec = codec
        self.states = states

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredEvent:
        """Encode a ``Recorded`` or a ``StateSnapshot``. Raises ``TypeError`` for anything else."""
        match domain_event:
            case Recorded(event=event, id=id, time=time):
                topic, state = event.TYPE, self.codec.encode(event, id=id, time=time)
            case StateSnapshot(kind=kind, state=value):
                topic, state = self.states.topics[kind], self.states.encode(value)
            case _:
                raise TypeError(f"{type(domain_event).__name__} is neither a recorded event nor a snapshot")
        return StoredEvent(domain_event.originator_id, domain_event.originator_version, topic, state)

    def to_domain_event(self, stored_event: StoredEvent) -> Recorded | StateSnapshot:
        """Decode what ``to_stored_event`` made. Raises the codec's named errors."""
        originator_id, version = str(stored_event.originator_id), stored_event.originator_version
        kind = self.states.kinds.get(stored_event.topic)
        if kind is not None:
            return StateSnapshot(originator_id, version, kind, self.states.decode(kind, stored_event.state))
        return self.codec.decode(stored_event.topic, stored_event.state, originator_id, version)
