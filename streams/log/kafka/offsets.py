"""From Kafka's offsets to positions: what the records of a partition came to, as this node's replica judged them."""

from __future__ import annotations

from domain.log.position import Position
from streams.log.kafka.replica import Replica

_LAST_COMMIT = """
SELECT first_ordinal + (CASE WHEN void_reason IS NULL THEN events ELSE 0 END) - 1
FROM commits WHERE sequence <= ? ORDER BY sequence DESC LIMIT 1"""


def position_at(replica: Replica, offset: int, timeout_s: float) -> Position | None:
    """The last position that the records up to ``offset`` came to; ``None`` if the replica is not there in time.

    Void commits, repetitions and poison add nothing to it. Raises ``LogUnavailable`` where the replica has halted and
    will never get there.
    """
    if not replica.wait_past(offset, timeout_s):
        if replica.halted is not None:
            raise replica.halted
        return None
    # A record's sequence is its offset + 1.
    rows = replica.datastore.rows(_LAST_COMMIT, (offset + 1,))
    return Position(replica.shard, rows[0][0] if rows else 0)
