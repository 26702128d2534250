"""Given generated calls, then every statement of docs/analytics.md runs, for all and for one organisation, and tells
what the events say."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from domain.call.events import AssistantInterrupted, CallEnded, MessageCommitted, ToolFailed, TurnMeasured, UsageMetered
from domain.call.state import Deleted
from domain.event import Event
from domain.log.ports import Positioned
from domain.pricing.cost import call_cost
from projections.analytics.engine import ClickHouseAnalytics
from projections.folds import CallTables
from projections.sink import ClickHouseSink
from projections.store import AnalyticsStore
from tests.unit.projections.conftest import folded
from tests.unit.projections.histories import BEGIN, on_log

PAGE = (Path(__file__).parents[3] / "docs" / "analytics.md").read_text(encoding="utf-8")
EXAMPLE_CALL = "0199f3a2-6c10-7b45-9a9e-2d1f5f8c7b10"
STATEMENTS = dict(re.findall(r"^## (.*?)\n.*?```sql\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL))

Row = dict[str, Any]


@pytest.fixture(scope="module")
def log(store: AnalyticsStore) -> Sequence[Positioned]:
    events = on_log(5, 80)
    ClickHouseSink(store).write(events[0].position, events[-1].position, folded(events))
    return events


@pytest.fixture
async def analytics(store: AnalyticsStore, log: Sequence[Positioned]) -> AsyncIterator[ClickHouseAnalytics]:
    engine = ClickHouseAnalytics(store, clock=lambda: BEGIN)
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
    assert len(STATEMENTS) == PAGE.count("\n## ") == PAGE.count("```sql") >= 6


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
    answers, cuts = of(kept, TurnMeasured), of(kept, AssistantInterrupted)
    assert (row["provider"], row["answers"], row["interrupted"]) == ("vapi", len(answers), len(cuts))
    assert row["heard_before_ms"] == 900


async def test_a_failed_tool_and_the_next_interruption_are_found(
    analytics: ClickHouseAnalytics, kept: dict[str, list[Event]]
) -> None:
    rows = await answer(analytics, "tool fail")
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
