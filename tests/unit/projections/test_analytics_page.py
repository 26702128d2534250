"""Given generated calls, then every statement of docs/analytics.md runs, for all and for one organisation, and tells
what the events say."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from typing import Any
from uuid import NAMESPACE_OID, uuid5
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from domain.call.events import (
    AssistantActivated,
    AssistantInterrupted,
    CallCreated,
    CallEnded,
    CallStarted,
    MessageCommitted,
    ToolCompleted,
    ToolFailed,
    TurnMeasured,
    UsageMetered,
    Warned,
)
from domain.call.state import Deleted
from domain.event import Event
from domain.log.codec import EventCodec
from domain.log.commit import Commit, Slot
from domain.log.ports import Positioned
from domain.pricing.cost import call_cost
from projections.analytics.engine import ClickHouseAnalytics
from projections.folds import CallTables
from projections.sink import ClickHouseSink
from projections.store import AnalyticsStore, Limits
from streams.archive.archiver import archive_shard
from streams.archive.asking import Archive, opened_archive
from streams.archive.source import opened_source
from streams.log.append import append_all
from streams.log.embedded import EmbeddedLog
from tests.unit.projections.conftest import folded
from tests.unit.projections.histories import BEGIN, on_log

PAGE = (Path(__file__).parents[3] / "docs" / "analytics.md").read_text(encoding="utf-8")
EXAMPLE_CALL = "0199f3a2-6c10-7b45-9a9e-2d1f5f8c7b10"
QUESTIONS = dict(re.findall(r"^## (.*?)\n.*?```sql\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL))
IN_ARCHIVE = {title: text for title, text in QUESTIONS.items() if title.startswith("In the archive: ")}
STATEMENTS = {title: text for title, text in QUESTIONS.items() if title not in IN_ARCHIVE}

Row = dict[str, Any]


def embellished(event: Positioned) -> Positioned:
    """Two of three calls are made for one of two campaigns, all begin with one of two versions of their assistant, some
    have the number of a regular caller, and where the histories warn, another assistant takes over."""
    fact, number = event.recorded.event, int(event.recorded.originator_id.rpartition("-")[2])
    told: Event
    match fact:
        case CallCreated():
            request = dict(fact.request)
            if number % 3:
                request["campaignId"] = f"campaign-{number % 3}"
            if number % 4:
                request["customer"] = {"number": f"+4{number % 4}30{number % 7}"}
            told = replace(fact, request=request, assistant_version=f"v{number % 2}")
        case CallStarted():
            told = replace(fact, assistant_version=f"v{number % 2}")
        case Warned():
            told = AssistantActivated(
                by="handoff", assistant={}, context="all", at_ms=fact.at_ms or 0.0, from_name="Desk", name="Billing"
            )
        case _:
            return event
    return replace(event, recorded=replace(event.recorded, event=told))


@pytest.fixture(scope="module")
def archive(log: Sequence[Positioned], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """The same events in Parquet files."""
    folder, codec = tmp_path_factory.mktemp("archive"), EventCodec()
    path = folder / "log.db"
    with closing(EmbeddedLog.open(path, clock=lambda: BEGIN, new_id=lambda: "")) as kept:
        commits = [
            Commit(
                commit_id=str(uuid5(NAMESPACE_OID, recorded.id)),
                slots=(Slot(recorded.originator_id, recorded.originator_version),),
                topics=(recorded.event.TYPE,),
                bodies=(codec.encode(recorded.event, id=recorded.id, time=recorded.time),),
            )
            for recorded in (event.recorded for event in log)
        ]
        with kept.application.datastore.transaction(commit=True) as cursor:
            append_all(cursor.sqlite_cursor.connection, commits)
    with opened_source(path, 0) as source:
        archive_shard(source, folder / "archive")
    with opened_archive(folder / "archive") as opened:
        yield opened


@pytest.fixture(scope="module")
def log(store: AnalyticsStore) -> Sequence[Positioned]:
    events = [embellished(event) for event in on_log(5, 80)]
    ClickHouseSink(store).write(events[0].position, events[-1].position, folded(events))
    return events


@pytest.fixture
async def analytics(store: AnalyticsStore, log: Sequence[Positioned]) -> AsyncIterator[ClickHouseAnalytics]:
    # Unhurried: a busy machine may take its time.
    engine = ClickHouseAnalytics(store, clock=lambda: BEGIN, limits=Limits(seconds=600, niceness=0))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def kept(log: Sequence[Positioned]) -> dict[str, list[Event]]:
    """The events of each call that was not deleted."""
    fold, states, events = CallTables(), dict[str, Any](), defaultdict[str, list[Event]](list)
    for positioned in log:
        recorded = positioned.recorded
        if recorded.event.TYPE in fold.handles:
            states[recorded.originator_id], _ = fold.apply(states.get(recorded.originator_id), positioned)
            events[recorded.originator_id].append(recorded.event)
    return {call_id: events[call_id] for call_id, state in states.items() if not isinstance(state, Deleted)}


@pytest.fixture(scope="module")
def eventful(kept: dict[str, list[Event]]) -> str:
    """A call in which a tool failed and the caller cut in."""
    return next(
        call_id for call_id, events in kept.items() if {ToolFailed, AssistantInterrupted} <= {*map(type, events)}
    )


async def answer(
    analytics: ClickHouseAnalytics, question: str, call_id: str = "", org_id: str | None = None
) -> list[Row]:
    [statement] = [text for title, text in STATEMENTS.items() if question in title]
    result = await analytics.sql(statement.replace(EXAMPLE_CALL, call_id), org_id=org_id)
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]


def of(kept: dict[str, list[Event]], kind: type[Event]) -> list[tuple[str, Any]]:
    return [(call_id, event) for call_id, events in kept.items() for event in events if type(event) is kind]


def test_every_question_has_its_statement() -> None:
    assert len(QUESTIONS) == PAGE.count("\n## ") == PAGE.count("```sql")
    assert len(STATEMENTS) >= 10
    assert IN_ARCHIVE.keys() == {f"In the archive: {title[0].lower()}{title[1:]}" for title in STATEMENTS}


@pytest.mark.parametrize("question", STATEMENTS)
async def test_it_runs_for_all_and_for_one_organisation(
    analytics: ClickHouseAnalytics, eventful: str, question: str
) -> None:
    everything = await answer(analytics, question, eventful)
    assert everything
    assert await answer(analytics, question, eventful, "org-nobody") == []


async def test_the_slowest_stage_is_named(
    analytics: ClickHouseAnalytics, kept: dict[str, list[Event]], eventful: str
) -> None:
    rows = await answer(analytics, "turn slow", eventful)
    waits = {
        marks.turn: marks.t7_ms - marks.t0_ms
        for call_id, marks in of(kept, TurnMeasured)
        if call_id == eventful and marks.t0_ms is not None
    }
    assert [row["turn"] for row in rows] == sorted(waits, key=waits.__getitem__, reverse=True)
    for row in rows:
        stages = ("transcriber", "endpointing", "model_first_token", "voice")
        assert max(stages, key=row.__getitem__).startswith(row["slowest"])
        assert row["rule"] == "heuristic"


async def test_costs_by_day_add_up(analytics: ClickHouseAnalytics, kept: dict[str, list[Event]]) -> None:
    rows = await answer(analytics, "per day")
    expected = sum(float(call_cost((reading,)).total_usd) for _, reading in of(kept, UsageMetered))
    assert sum(row["usd"] for row in rows) == pytest.approx(expected, abs=len(rows) * 0.0001)


async def test_interruptions_are_counted_by_voice(analytics: ClickHouseAnalytics, kept: dict[str, list[Event]]) -> None:
    [row] = await answer(analytics, "by voice")
    answers = [said for _, said in of(kept, MessageCommitted) if said.role == "assistant"]
    cuts = [said for said in answers if said.interrupted]
    assert (row["provider"], row["answers"], row["interrupted"]) == ("vapi", len(answers), len(cuts))
    assert row["heard_before_ms"] == round(fmean(said.ended_ms - said.started_ms for said in cuts))


async def test_a_failed_tool_and_the_next_interruption_are_found(
    analytics: ClickHouseAnalytics, kept: dict[str, list[Event]]
) -> None:
    rows = await answer(analytics, "tool time out")
    first_frame = {(call_id, marks.turn): marks.t7_ms for call_id, marks in of(kept, TurnMeasured)}
    expected = set()
    for call_id, failure in of(kept, ToolFailed):
        cuts = [
            first_frame[other, cut.turn] + cut.heard_ms
            for other, cut in of(kept, AssistantInterrupted)
            if other == call_id
        ]
        if later := [at for at in cuts if at > failure.at_ms]:
            expected.add((call_id, round(failure.at_ms), round(min(later))))
    assert expected
    assert {(row["call_id"], row["failed_ms"], row["interrupted_ms"]) for row in rows} == expected


async def test_percentiles_cover_every_model_turn(analytics: ClickHouseAnalytics, kept: dict[str, list[Event]]) -> None:
    rows = await answer(analytics, "95th percentile")
    assert sum(row["turns"] for row in rows) == sum(marks.source == "model" for _, marks in of(kept, TurnMeasured))
    assert all(120 <= row["model_p95"] <= 700 for row in rows)


async def test_a_timeline_is_in_order_and_leaves_nothing_out(
    analytics: ClickHouseAnalytics, kept: dict[str, list[Event]], eventful: str
) -> None:
    rows = await answer(analytics, "in order", eventful)
    assert [row["second"] for row in rows] == sorted(row["second"] for row in rows)
    counts = Counter(row["what"] for row in rows)
    said = Counter(event.role for event in kept[eventful] if isinstance(event, MessageCommitted))
    assert {role: counts[role] for role in said} == said
    assert counts["tool failed"] == sum(isinstance(event, ToolFailed) for event in kept[eventful])
    assert counts["caller cut in"] == sum(isinstance(event, AssistantInterrupted) for event in kept[eventful])


async def test_shares_of_ended_reasons_make_a_whole(
    analytics: ClickHouseAnalytics, kept: dict[str, list[Event]]
) -> None:
    rows = await answer(analytics, "calls end")
    assert Counter({row["ended_reason"]: 0 for row in rows}).keys() == {end.reason for _, end in of(kept, CallEnded)}
    for assistant in {row["assistant"] for row in rows}:
        assert sum(row["share"] for row in rows if row["assistant"] == assistant) == pytest.approx(1, abs=0.005)
    assert sum(row["calls"] for row in rows) == len(of(kept, CallEnded))


async def test_failing_tools_name_their_usual_failure(
    analytics: ClickHouseAnalytics, kept: dict[str, list[Event]]
) -> None:
    [row] = await answer(analytics, "tools are slow")
    assert (row["tool"], row["mostly"]) == ("book", "timeout")
    assert row["failing"] == pytest.approx(len(of(kept, ToolFailed)) / row["calls"], abs=0.001)


async def test_conversion_counts_calls_with_a_booking(
    analytics: ClickHouseAnalytics, kept: dict[str, list[Event]]
) -> None:
    rows = await answer(analytics, "campaign")
    calls = defaultdict[str, list[list[Event]]](list)
    for events in kept.values():
        created = next(event for event in events if isinstance(event, CallCreated))
        calls[created.request.get("campaignId", "")].append(events)

    def having(campaign: str, kind: type[Event]) -> int:
        return sum(any(isinstance(event, kind) for event in events) for events in calls[campaign])

    assert {row["campaign_id"] for row in rows} == calls.keys() - {""} == {"campaign-1", "campaign-2"}
    for row in rows:
        campaign = row["campaign_id"]
        assert (row["calls"], row["reached"]) == (len(calls[campaign]), having(campaign, CallStarted))
        assert row["converted"] == having(campaign, ToolCompleted)
        assert row["conversion"] == pytest.approx(row["converted"] / row["reached"], abs=0.001)


async def test_words_are_found_whoever_said_them(analytics: ClickHouseAnalytics, kept: dict[str, list[Event]]) -> None:
    rows = await answer(analytics, "said what")
    said = [message for _, message in of(kept, MessageCommitted) if "appointment" in message.text]
    assert len(rows) == min(len(said), 100)
    assert all("appointment" in row["text"] and "Tuesday" in row["text"] for row in rows)


async def test_calls_at_once_are_never_more_than_there_are(
    analytics: ClickHouseAnalytics, kept: dict[str, list[Event]]
) -> None:
    rows = await answer(analytics, "at the same time")
    begun = [begin for events in kept.values() for begin in events if isinstance(begin, CallStarted)]
    assert {row["hour"] for row in rows} >= {
        (begin.clock_origin + timedelta(milliseconds=begin.at_ms)).replace(minute=0, second=0, microsecond=0)
        for begin in begun
    }
    assert 1 <= max(row["at_once"] for row in rows) <= len(begun)


async def test_hours_are_those_of_the_zone(
    analytics: ClickHouseAnalytics, log: Sequence[Positioned], kept: dict[str, list[Event]]
) -> None:
    rows = await answer(analytics, "When do people call")
    zone = ZoneInfo("Europe/Berlin")
    expected = Counter(
        event.recorded.time.astimezone(zone).hour
        for event in log
        if isinstance(event.recorded.event, CallCreated) and event.recorded.originator_id in kept
    )
    assert {row["hour"]: row["calls"] for row in rows} == expected
    assert sum(row["never_began"] for row in rows) == len(kept) - len(of(kept, CallStarted))


async def test_last_words_are_the_last_message(analytics: ClickHouseAnalytics, kept: dict[str, list[Event]]) -> None:
    rows = await answer(analytics, "said last")
    hung_up = {call_id for call_id, end in of(kept, CallEnded) if end.reason == "customer-ended-call"}
    last = {call_id: said for call_id, said in of(kept, MessageCommitted) if call_id in hung_up}
    assert {row["call_id"]: (row["speaker"], row["last_words"], row["cut_off"]) for row in rows} == {
        call_id: (said.role, said.text, said.interrupted) for call_id, said in last.items()
    }
    assert all(0 <= row["silent_seconds"] < 1 for row in rows)


async def test_first_answers_are_told_apart_by_country(
    analytics: ClickHouseAnalytics, kept: dict[str, list[Event]]
) -> None:
    rows = await answer(analytics, "by country")
    first: dict[str, float] = {}
    for call_id, marks in of(kept, TurnMeasured):
        if marks.t0_ms is not None and marks.t7_ms is not None:
            first.setdefault(call_id, marks.t7_ms - marks.t0_ms)
    waited = defaultdict[str, list[float]](list)
    for call_id, created in of(kept, CallCreated):
        if (customer := created.request.get("customer")) and call_id in first:
            waited[customer["number"][:3]].append(first[call_id])
    assert len(rows) >= 3
    assert {row["prefix"]: (row["calls"], row["p50_ms"]) for row in rows} == {
        prefix: (len(each), round(median(each))) for prefix, each in waited.items()
    }


async def test_the_longest_silence_comes_first(analytics: ClickHouseAnalytics, kept: dict[str, list[Event]]) -> None:
    rows = await answer(analytics, "silences")
    silent = [
        after.started_ms - before.ended_ms
        for events in kept.values()
        for before, after in pairwise(event for event in events if isinstance(event, MessageCommitted))
    ]
    assert [row["silent_seconds"] for row in rows] == [
        pytest.approx(each / 1000, abs=0.051) for each in sorted(silent, reverse=True)[:20]
    ]


async def test_people_who_call_again_are_counted_by_how_the_call_before_ended(
    analytics: ClickHouseAnalytics, log: Sequence[Positioned], kept: dict[str, list[Event]]
) -> None:
    rows = await answer(analytics, "call again")
    of_caller = defaultdict[tuple[str, str], list[str]](list)
    began, ended = {}, {}
    for recorded in (event.recorded for event in log if event.recorded.originator_id in kept):
        match recorded.event:
            case CallCreated(request={"customer": {"number": str(number)}}, org_id=org_id):
                of_caller[org_id, number].append(recorded.originator_id)
                began[recorded.originator_id] = recorded.time
            case CallEnded(reason=reason):
                ended[recorded.originator_id] = reason, recorded.time
    again = Counter(
        ended[before][0]
        for calls in of_caller.values()
        for before, after in pairwise(calls)
        if began[after] < ended[before][1] + timedelta(days=7)
    )
    assert again
    assert {row["ended_reason"]: row["called_again"] for row in rows if row["called_again"]} == again
    assert sum(row["calls"] for row in rows) == len(began)


async def test_unusual_costs_are_compared_with_the_median_of_the_assistant(
    analytics: ClickHouseAnalytics,
) -> None:
    rows = await answer(analytics, "far more than usual")
    assert [row["times_the_usual"] for row in rows] == sorted((row["times_the_usual"] for row in rows), reverse=True)
    calls = (await analytics.sql("SELECT * FROM calls WHERE duration_seconds >= 10")).rows
    assert rows[0]["times_the_usual"] >= 1
    assert len(rows) == min(len(calls), 20)


async def test_hand_overs_are_counted_by_call(
    analytics: ClickHouseAnalytics, log: Sequence[Positioned], kept: dict[str, list[Event]]
) -> None:
    [row] = await answer(analytics, "handed over")
    taken_over = [event.recorded.originator_id for event in log if isinstance(event.recorded.event, AssistantActivated)]
    of_kept = [call_id for call_id in taken_over if call_id in kept]
    assert (row["from_assistant"], row["to_assistant"], row["how"]) == ("Desk", "Billing", "handoff")
    assert row["calls"] == len(of_kept)
    ended = dict(of(kept, CallEnded))
    hung_up = sum(ended[call_id].reason == "customer-ended-call" for call_id in of_kept)
    assert row["hung_up"] == pytest.approx(hung_up / len(of_kept), abs=0.001)


async def test_versions_have_a_line_each(analytics: ClickHouseAnalytics, kept: dict[str, list[Event]]) -> None:
    rows = await answer(analytics, "versions of an assistant")
    created = [made for _, made in of(kept, CallCreated) if made.assistant_id is not None]
    assert {(row["assistant_id"], row["assistant_version"]): row["calls"] for row in rows} == Counter(
        (made.assistant_id, made.assistant_version) for made in created
    )


class TestTheArchive:
    """The same questions, asked of files, have the same answers but for calls that were deleted later."""

    def ask(self, archive: Archive, question: str, call_id: str = "") -> list[Row]:
        [statement] = [text for title, text in IN_ARCHIVE.items() if question in title]
        answered = archive.ask(statement.replace(EXAMPLE_CALL, call_id), limit=10_000)
        return [dict(zip(answered.columns, row, strict=True)) for row in answered.rows]

    async def test_a_slow_turn_has_the_same_stages(
        self, archive: Archive, analytics: ClickHouseAnalytics, eventful: str
    ) -> None:
        rows, live = self.ask(archive, "turn slow", eventful), await answer(analytics, "turn slow", eventful)
        shared = ("turn", "whole_ms", "transcriber", "endpointing", "model_first_token", "voice")
        assert [row["whole_ms"] for row in rows] == sorted((row["whole_ms"] for row in live), reverse=True)
        assert {tuple(row[name] for name in shared) for row in rows} == {
            tuple(row[name] for name in shared) for row in live
        }

    async def test_interruptions_are_all_counted(self, archive: Archive, log: Sequence[Positioned]) -> None:
        [row] = self.ask(archive, "by voice")
        events = [event.recorded.event for event in log]
        answers = [event for event in events if isinstance(event, MessageCommitted) and event.role == "assistant"]
        assert (row["provider"], row["answers"]) == ("vapi", len(answers))
        assert row["interrupted"] == sum(answer.interrupted for answer in answers) > 0

    async def test_time_outs_before_an_interruption_are_found(
        self, archive: Archive, analytics: ClickHouseAnalytics, kept: dict[str, list[Event]]
    ) -> None:
        rows = [row for row in self.ask(archive, "time out") if row["call_id"] in kept]
        live = await answer(analytics, "tool time out")
        assert [(row["call_id"], row["tool"]) for row in rows] == [(row["call_id"], row["tool"]) for row in live]

    async def test_percentiles_cover_every_model_turn(self, archive: Archive, log: Sequence[Positioned]) -> None:
        rows = self.ask(archive, "95th percentile")
        measured = [event.recorded.event for event in log if isinstance(event.recorded.event, TurnMeasured)]
        assert sum(row["turns"] for row in rows) == sum(marks.source == "model" for marks in measured)
        assert all(120 <= row["model_p95"] <= 700 for row in rows)

    async def test_a_timeline_is_the_history(self, archive: Archive, log: Sequence[Positioned], eventful: str) -> None:
        rows = self.ask(archive, "in order", eventful)
        history = [event.recorded.event.TYPE for event in log if event.recorded.originator_id == eventful]
        assert [row["type"] for row in rows] == history

    async def test_costs_add_up_by_the_prices_that_readings_name(
        self, archive: Archive, log: Sequence[Positioned]
    ) -> None:
        rows = self.ask(archive, "per day")
        readings = [event.recorded.event for event in log if isinstance(event.recorded.event, UsageMetered)]
        expected = sum(float(call_cost((reading,)).total_usd) for reading in readings)
        assert sum(row["usd"] for row in rows) == pytest.approx(expected, abs=len(rows) * 0.0001)
        assert archive.ask("SELECT count(cost_usd(data)) FROM events", limit=1).rows == [(len(readings),)]

    async def test_ends_tools_and_words_are_all_counted(self, archive: Archive, log: Sequence[Positioned]) -> None:
        events = [event.recorded.event for event in log]
        ends = self.ask(archive, "calls end")
        assert sum(row["calls"] for row in ends) == sum(isinstance(event, CallEnded) for event in events)
        [tool] = self.ask(archive, "tools are slow")
        failed = sum(isinstance(event, ToolFailed) for event in events)
        done = failed + sum(isinstance(event, ToolCompleted) for event in events)
        assert (tool["tool"], tool["calls"], tool["mostly"]) == ("book", done, "timeout")
        assert tool["failing"] == pytest.approx(failed / done, abs=0.001)
        said = [event for event in events if isinstance(event, MessageCommitted) and "appointment" in event.text]
        assert len(self.ask(archive, "said what")) == min(len(said), 100) > 0

    async def test_conversion_counts_calls_with_a_booking(self, archive: Archive, log: Sequence[Positioned]) -> None:
        rows = self.ask(archive, "campaign")
        booked = {event.recorded.originator_id for event in log if isinstance(event.recorded.event, ToolCompleted)}
        campaigns: dict[str, set[str]] = defaultdict(set)
        for event in log:
            if isinstance(created := event.recorded.event, CallCreated):
                campaigns[created.request.get("campaignId", "")].add(event.recorded.originator_id)
        assert {row["campaign_id"]: (row["calls"], row["converted"]) for row in rows} == {
            name: (len(calls), len(calls & booked)) for name, calls in campaigns.items() if name
        }
        assert all(row["conversion"] == pytest.approx(row["converted"] / row["reached"], abs=0.001) for row in rows)

    async def test_calls_at_once_are_never_more_than_there_are(
        self, archive: Archive, log: Sequence[Positioned]
    ) -> None:
        rows = self.ask(archive, "at the same time")
        begun = sum(isinstance(event.recorded.event, CallStarted) for event in log)
        assert 1 <= max(row["at_once"] for row in rows) <= begun

    @pytest.mark.parametrize(
        ("question", "keys"),
        [
            ("do people call?", ("hour", "calls")),
            ("by country", ("prefix", "calls")),
            ("again within a week", ("ended_reason", "calls")),
            ("handed over", ("from_assistant", "to_assistant", "calls")),
            ("versions of an assistant", ("assistant_id", "assistant_version", "calls")),
        ],
    )
    async def test_groups_are_those_of_the_tables_and_deleted_calls_are_in_them(
        self, archive: Archive, analytics: ClickHouseAnalytics, question: str, keys: tuple[str, ...]
    ) -> None:
        *names, count = keys
        archived = {tuple(row[name] for name in names): row[count] for row in self.ask(archive, question)}
        live = await answer(analytics, question)
        assert archived.keys() >= {tuple(row[name] for name in names) for row in live}
        assert all(archived[tuple(row[name] for name in names)] >= row[count] for row in live)

    @pytest.mark.parametrize(
        ("question", "figure"), [("said last", "last_words"), ("silences", "silent_seconds"), ("than usual", "usd")]
    )
    async def test_of_single_calls_the_same_is_told(
        self, archive: Archive, analytics: ClickHouseAnalytics, question: str, figure: str
    ) -> None:
        live = await answer(analytics, question)
        # A call may be there several times, with its largest figure first.
        told = {row["call_id"]: row[figure] for row in reversed(self.ask(archive, question))}
        both = [row for row in live if row["call_id"] in told]
        assert len(both) > len(live) / 2
        assert {row["call_id"]: row[figure] for row in reversed(both)} == {
            row["call_id"]: told[row["call_id"]] for row in both
        }
