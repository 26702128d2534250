"""Where an installation's outbox begins is said once."""

from __future__ import annotations

from datetime import UTC, datetime

from domain.event import Recorded
from domain.log.position import Position
from domain.webhook.events import OutboxStarted
from domain.webhook.outbox import OUTBOX_ID, Outbox, StartOutbox, decide, evolve

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def begun(*after: str) -> Outbox:
    return evolve(None, Recorded(OUTBOX_ID, 1, "e.1", NOON, OutboxStarted(after=after)))


def test_the_first_one_decides() -> None:
    assert decide(None, StartOutbox(after=("0:7",))) == [OutboxStarted(after=("0:7",))]
    assert decide(begun("0:7"), StartOutbox(after=("0:9",))) == []


def test_each_shard_begins_where_it_stood_and_a_later_one_at_its_beginning() -> None:
    outbox = begun("0:128", "1:0")
    assert [outbox.begins_after(shard) for shard in (0, 1, 2)] == [Position(0, 128), Position(1, 0), Position(2, 0)]
