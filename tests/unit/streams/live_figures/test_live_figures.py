"""Live figures: what events add, that entries are right however ranges come, and what is reported of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.call.events import CallCreated, CallDeleted, CallEnded, CallStarted, TurnMeasured
from domain.event import Event, Recorded
from domain.live_figures import ActiveCalls
from domain.log.ports import Positioned
from domain.log.position import Position
from domain.processing import Rows
from streams.live_figures.delays import GROWTH, merged, quantile_ms, size_of
from streams.live_figures.entries import KEPT_MINUTES, Entry, Minute, decode, encode, fold, reached
from streams.live_figures.facts import LiveCall, LiveFacts
from streams.live_figures.file import LiveFigureFile
from streams.live_figures.kept import KeptFigures
from streams.live_figures.report import report, reports

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
Rowed = tuple[Position, list[Rows]]


class History:
    """Events of calls as they stand on one shard."""

    def __init__(self) -> None:
        self.events: list[Positioned] = []
        self._versions: dict[str, int] = {}

    def add(self, call_id: str, at_s: float, event: Event) -> None:
        version = self._versions[call_id] = self._versions.get(call_id, 0) + 1
        position = Position(0, len(self.events) + 1)
        recorded = Recorded(call_id, version, f"{call_id}.{version}", NOON + timedelta(seconds=at_s), event)
        self.events.append(Positioned(position, recorded))

    def call(self, call_id: str, at_s: float, *, org_id: str = "org", assistant_id: str | None = "frida") -> None:
        """Created and begun."""
        created = CallCreated(org_id=org_id, type="webCall", request={}, transport={}, assistant_id=assistant_id)
        self.add(call_id, at_s, created)
        assistant = {"model": {"provider": "openai"}, "voice": {"provider": "local"}}
        self.add(call_id, at_s, CallStarted(clock_origin=NOON, at_ms=0.0, assistant=assistant))

    def turn(self, call_id: str, at_s: float, model_ms: float) -> None:
        self.add(call_id, at_s, TurnMeasured(turn=1, source="model", t3_ms=0.0, t4_ms=model_ms))

    def end(self, call_id: str, at_s: float) -> None:
        self.add(call_id, at_s, CallEnded(reason="customer-ended-call"))

    def rows(self) -> list[Rowed]:
        """By event, in order."""
        facts, states = LiveFacts(), dict[str, LiveCall]()
        made = []
        for event in self.events:
            call_id = event.recorded.originator_id
            states[call_id], effects = facts.apply(states.get(call_id, facts.initial()), event)
            made.append((event.position, list(effects)))
        return made


def take(entries: dict[str, Entry], events: Sequence[Rowed]) -> None:
    """Fold one range into the entries."""
    changes = fold(entries, events[-1][0], [part for _, rows in events for part in rows])
    for key, entry in changes.items():
        put(entries, key, entry)


def put(entries: dict[str, Entry], key: str, entry: Entry | None) -> None:
    if entry is None:
        entries.pop(key, None)
    else:
        entries[key] = entry


def busy() -> History:
    """Calls of two organisations: some end, one runs on, one is deleted while it runs."""
    history = History()
    history.call("a", 5)
    history.turn("a", 12, 400)
    history.call("b", 20, org_id="other")
    history.turn("a", 40, 800)
    history.call("c", 50, assistant_id=None)
    history.end("a", 130)
    history.turn("c", 140, 90)
    history.add("c", 150, CallDeleted())
    history.call("d", 160)
    return history


def test_minutes_of_talk_fall_into_the_minutes_in_which_they_were_spoken() -> None:
    entries: dict[str, Entry] = {}
    take(entries, busy().rows())
    now = NOON + timedelta(seconds=170)
    found = report(entries.items(), "org", now, 3)
    assert found.active_calls == 1
    assert found.by_assistant == (ActiveCalls("frida", 1),)
    assert [minute.time for minute in found.minutes] == [NOON + timedelta(minutes=n) for n in range(3)]
    assert [(minute.calls_started, minute.calls_ended) for minute in found.minutes] == [(2, 0), (0, 0), (1, 2)]
    # a talked from 5 to 130, c from 50 to 150, d from 160 on.
    assert [minute.call_minutes for minute in found.minutes] == pytest.approx(
        [(55 + 10) / 60, (60 + 60) / 60, (10 + 30 + 10) / 60], abs=0.001
    )


def test_stages_are_told_by_assistant_and_provider() -> None:
    entries: dict[str, Entry] = {}
    take(entries, busy().rows())
    stages = report(entries.items(), "org", NOON + timedelta(seconds=170), 3).stages
    assert [(stage.stage, stage.assistant_id, stage.provider, stage.count) for stage in stages] == [
        ("model", None, "openai", 1),
        ("model", "frida", "openai", 2),
    ]
    assert stages[1].p50 == pytest.approx(400, rel=0.025)
    assert stages[1].p95 == pytest.approx(800, rel=0.025)


def test_organizations_see_nothing_of_each_other() -> None:
    entries: dict[str, Entry] = {}
    take(entries, busy().rows())
    now = NOON + timedelta(seconds=170)
    assert report(entries.items(), "other", now, 3).active_calls == 1
    assert report(entries.items(), "other", now, 3).stages == ()
    # An id that begins like another one's is another organisation.
    assert report(entries.items(), "o", now, 3).active_calls == 0
    assert {org_id: found.active_calls for org_id, found in reports(entries.items(), now, 3).items()} == {
        "org": 1,
        "other": 1,
    }


@given(data=st.data())
def test_crashes_between_any_two_entries_and_repeated_ranges_change_nothing(data: st.DataObject) -> None:
    """Ranges of any length; of each perhaps only some of the changes were kept, and then it comes again, cut anew."""
    events = busy().rows()
    whole: dict[str, Entry] = {}
    take(whole, events)
    entries: dict[str, Entry] = {}
    while (begun := reached(entries, 0).through) < len(events):
        length = data.draw(st.integers(1, len(events) - begun), label="length")
        part = events[begun : begun + length]
        changes = list(fold(entries, part[-1][0], [rows for _, made in part for rows in made]).items())
        # How far the shard is comes last, so that a prefix without it is what a crash leaves.
        kept = data.draw(st.integers(0, len(changes)), label="kept") if data.draw(st.booleans()) else len(changes)
        for key, entry in changes[:kept]:
            put(entries, key, entry)
    assert entries == whole


@given(parked=st.sampled_from(["a", "b", "c", "d"]), twice=st.booleans())
def test_a_call_whose_events_were_parked_is_counted_once_when_they_are_tried_again(parked: str, twice: bool) -> None:
    history = busy()
    events = history.rows()
    owners = {event.position: event.recorded.originator_id for event in history.events}
    entries: dict[str, Entry] = {}
    take(entries, [(position, [] if owners[position] == parked else rows) for position, rows in events])
    for late in [event for event in events if owners[event[0]] == parked]:
        for _ in range(1 + twice):
            take(entries, [late])
    whole: dict[str, Entry] = {}
    take(whole, events)
    now = NOON + timedelta(seconds=170)
    assert reports(entries.items(), now, 3) == reports(whole.items(), now, 3)


def test_old_minutes_go_and_calls_that_run_stay() -> None:
    history = History()
    history.call("long", 0)
    history.call("short", 1)
    history.end("short", 2)
    history.call("later", KEPT_MINUTES * 60 + 61)
    entries: dict[str, Entry] = {}
    take(entries, history.rows())
    kept = [key for key, entry in entries.items() if isinstance(entry, Minute)]
    assert len(kept) == 1
    assert [key.split("|")[3] for key in entries if "|call|" in key] == ["long", "later"]


def test_entries_come_back_as_they_were_written() -> None:
    entries: dict[str, Entry] = {}
    take(entries, busy().rows())
    assert {key: decode(encode(entry)) for key, entry in entries.items()} == entries


def test_a_file_goes_on_where_it_was(tmp_path: Path) -> None:
    events = busy().rows()
    file = LiveFigureFile(tmp_path / "live.db", version=1)
    file.write(Position(0, 1), Position(0, 5), [part for _, rows in events[:5] for part in rows])
    file.close()
    again = LiveFigureFile(tmp_path / "live.db", version=1)
    assert again.resume_from(0) == Position(0, 5)
    again.write(Position(0, 6), events[-1][0], [part for _, rows in events[5:] for part in rows])
    whole: dict[str, Entry] = {}
    take(whole, events)
    now = NOON + timedelta(seconds=170)
    assert KeptFigures(again).reports(now, 3) == reports(whole.items(), now, 3)
    assert KeptFigures(again).reached() == {0: events[-1][0]}
    again.close()
    newer = LiveFigureFile(tmp_path / "live.db", version=2)
    assert newer.entries() == []
    newer.close()


@given(st.lists(st.floats(1, 60_000), min_size=1), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_quantiles_are_right_to_half_a_step(delays_ms: list[float], share: float) -> None:
    exact = sorted(delays_ms)[max(-(-len(delays_ms) * int(share * 100) // 100) - 1, 0)]
    found = quantile_ms(merged({size_of(delay): 1} for delay in delays_ms), share)
    assert found == pytest.approx(exact, rel=(GROWTH - 1) / 2 + 0.001)
