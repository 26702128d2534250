"""Which message of an endpoint comes next, whatever becomes of those before it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.server_messages.server import Server
from domain.webhook.deliveries import Delivery
from streams.webhooks.due import Due, DueRow
from streams.webhooks.endpoint_queue import LOADED, LOADED_BYTES, EndpointQueue


@dataclass
class Kept:
    """Messages that wait, as an outbox would keep them."""

    rows: list[DueRow] = field(default_factory=list)
    reads: list[list[str]] = field(default_factory=list)
    text: str = "as it was"

    def due(self, endpoint: str, limit: int) -> list[DueRow]:
        return sorted(self.rows, key=lambda row: row.due_ms)[:limit]

    def load(self, ids: Sequence[str]) -> dict[str, Due]:
        self.reads.append(list(ids))
        return {row.id: due(row, self.text) for row in self.rows if row.id in ids}


def due(row: DueRow, text: str) -> Due:
    delivery = Delivery(
        number=1,
        id=row.id,
        org_id="org",
        endpoint_id="endpoint",
        origin="https://shop.example",
        about=row.about,
        sequence=1,
        type="hang",
        patience="live",
        event_id="event",
        happened_ms=row.due_ms,
        due_ms=row.due_ms,
        state="pending",
        attempts=row.tried,
        base=0,
        replay="",
        failure="",
        status=None,
        detail="",
    )
    return Due(delivery=delivery, server=Server(url="https://shop.example"), body=text.encode())


def queue(kept: Kept) -> EndpointQueue:
    return EndpointQueue("org", "endpoint", kept.due, kept.load)


def taken(working: EndpointQueue) -> bytes:
    """The body of the next message."""
    assert working.next(10) is not None
    found = working.take(working.start())
    assert found is not None
    return found.body


def test_messages_that_come_next_are_read_along_within_bounds() -> None:
    small = [DueRow(f"small-{n}", f"call-{n}", 1, 0, 100) for n in range(LOADED + 5)]
    kept = Kept(small)
    working = queue(kept)
    for _ in small:
        assert taken(working) == b"as it was"
    assert [len(read) for read in kept.reads] == [LOADED, 5]

    kept = Kept([DueRow(f"large-{n}", f"call-{n}", 1, 0, LOADED_BYTES // 2) for n in range(5)])
    working = queue(kept)
    for _ in kept.rows:
        assert taken(working) == b"as it was"
    assert [len(read) for read in kept.reads] == [2, 2, 1]


def test_what_is_not_due_yet_is_not_read_ahead() -> None:
    kept = Kept([DueRow("a", "call-a", 1, 0, 100), DueRow("in-an-hour", "call-b", 3_600_000, 1, 100)])
    assert taken(queue(kept)) == b"as it was"
    assert kept.reads == [["a"]]


def test_what_was_read_ahead_is_read_again_after_a_change() -> None:
    kept = Kept([DueRow("a", "call-a", 1, 0, 100), DueRow("report", "call-b", 2, 0, 100)])
    working = queue(kept)
    assert taken(working) == b"as it was"
    kept.text = "with the recording"
    working.changed()
    assert taken(working) == b"with the recording"


def test_what_another_one_has_settled_meanwhile_is_gone() -> None:
    kept = Kept([DueRow("a", "call-a", 1, 0, 100), DueRow("b", "call-b", 2, 0, 100)])
    working = queue(kept)
    assert taken(working) == b"as it was"
    kept.rows = []
    working.settled("b")
    assert working.next(10) is not None
    assert working.take(working.start()) is None


def test_what_is_due_later_is_not_started_and_says_when() -> None:
    waits = queue(Kept([DueRow("m", "call", 60_000, 0, 100)]))
    assert waits.next(1_000) is None
    assert waits.due_ms == 60_000
    found = waits.next(60_000)
    assert found is not None
    assert found.id == "m"


def test_what_becomes_due_earlier_after_all_is_noticed() -> None:
    kept = Kept([DueRow("report", "call", 60_000, 0, 100)])
    waits = queue(kept)
    assert waits.next(0) is None
    kept.rows = [DueRow("report", "call", 10, 0, 100)]
    waits.changed()
    assert waits.next(10) == kept.rows[0]


def test_a_first_attempt_holds_its_call_and_a_repeated_one_does_not() -> None:
    kept = Kept(
        [
            DueRow("a1", "a", 1, 0, 100),
            DueRow("a2", "a", 2, 0, 100),
            DueRow("b1", "b", 3, 2, 100),
            DueRow("b2", "b", 4, 0, 100),
        ]
    )
    working = queue(kept)
    started = []
    while working.next(10) is not None:
        started.append(working.start())
    assert [row.id for row in started] == ["a1", "b1", "b2"]
    working.ended(started[0])
    found = working.next(10)
    assert found is not None
    assert found.id == "a2"


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 20), st.integers(0, 1)), max_size=40), st.randoms())
def test_every_message_starts_once_and_first_attempts_of_a_call_one_after_the_other(
    given_rows: list[tuple[str, int, int]], chance: object
) -> None:
    rows = [DueRow(str(n), about, due, tried, 100) for n, (about, due, tried) in enumerate(given_rows)]
    kept, now_ms = Kept(), 0
    working = queue(kept)
    started: list[DueRow] = []
    under_way: list[DueRow] = []
    coming = list(rows)
    while coming or kept.rows or under_way:
        choice = chance.randrange(4)  # type: ignore[attr-defined]  # hypothesis' Random
        if choice == 0 and coming:
            kept.rows.append(coming.pop(0))
            working.changed()
        elif choice == 1 and under_way:
            row = under_way.pop(chance.randrange(len(under_way)))  # type: ignore[attr-defined]  # hypothesis' Random
            working.ended(row)
            kept.rows.remove(row)
            working.settled(row.id)
            working.changed()
        elif working.next(now_ms) is not None:
            row = working.start()
            assert row.due_ms <= now_ms
            assert row.about not in {other.about for other in under_way if other.tried == 0}
            started.append(row)
            under_way.append(row)
        else:
            now_ms += 1
    assert sorted(row.id for row in started) == sorted(row.id for row in rows)
    assert working.in_flight == 0
    in_order: dict[str, list[int]] = defaultdict(list)
    for row in started:
        in_order[row.about].append(row.due_ms)
    assert set(in_order) == {row.about for row in rows}
