"""The ``turns`` table: how each turn of a conversation was decided, answered, and perhaps interrupted."""

from __future__ import annotations

from domain.call.events import AssistantInterrupted, TurnDecided, TurnMeasured
from domain.call.state import Call
from domain.event import Event
from domain.log.ports import Positioned
from projections.call_state import place
from projections.table import Column, Row
from projections.tables.columns import TURN, facts_table

FACTS = (
    Column("rule", "LowCardinality(Nullable(String))", "Rule that decided that the user's turn was over"),
    Column("wait_ms", "Nullable(Float64)", "Pause that the rule asked for (ms)"),
    Column("decided_ms", "Nullable(Float64)", "When it was decided, on the call's own clock (ms)"),
    Column("source", "LowCardinality(Nullable(String))", "Origin of the answer's text: model, first-message, say, …"),
    Column("t0_ms", "Nullable(Float64)", "Last voiced frame of the user, on the call's own clock (ms)"),
    Column("t1_ms", "Nullable(Float64)", "Final transcript (ms)"),
    Column("t2_ms", "Nullable(Float64)", "Turn decision (ms)"),
    Column("t3_ms", "Nullable(Float64)", "Request to the model (ms)"),
    Column("t4_ms", "Nullable(Float64)", "First token of the model (ms)"),
    Column("t5_ms", "Nullable(Float64)", "First text handed to the voice (ms)"),
    Column("t6_ms", "Nullable(Float64)", "First audio from the voice (ms)"),
    Column("t7_ms", "Nullable(Float64)", "First frame sent to the caller (ms)"),
    Column("interrupted_by", "LowCardinality(Nullable(String))", "voice, words, phrase or control, if cut off"),
    Column("heard_ms", "Nullable(Float64)", "Audio that had been played when the caller cut in (ms)"),
)

TABLE = facts_table(
    "turns",
    comment="Turns of calls: one row per fact about a turn, the view folds them into one row a turn",
    identity=TURN,
    facts=FACTS,
)


READS: frozenset[type[Event]] = frozenset({TurnDecided, TurnMeasured, AssistantInterrupted})

_UNMEASURED = (None,) * 9


def rows(call: Call, event: Positioned) -> tuple[Row, ...]:
    """One row per fact; columns that the fact does not speak of are null."""
    match event.recorded.event:
        case TurnDecided() as decided:
            facts: Row = (decided.rule, decided.wait_ms, decided.at_ms, *_UNMEASURED, None, None)
            turn = decided.turn
        case TurnMeasured() as marks:
            times = (marks.t0_ms, marks.t1_ms, marks.t2_ms, marks.t3_ms, marks.t4_ms, marks.t5_ms, marks.t6_ms)
            facts = (None, None, None, marks.source, *times, marks.t7_ms, None, None)
            turn = marks.turn
        case AssistantInterrupted() as cut:
            facts = (None, None, None, *_UNMEASURED, cut.by, cut.heard_ms)
            turn = cut.turn
        case _:
            return ()
    return ((*place(call, event), event.recorded.originator_id, turn, *facts),)
