from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from domain.call.events import MessageCommitted, TurnMeasured
from domain.call.performance import TurnLatency, performance_metrics, turn_latency, user_interruptions

instants = st.lists(st.none() | st.floats(0, 1e6), min_size=8, max_size=8)


def measured(points: list[float | None]) -> TurnMeasured:
    named: dict[str, Any] = {f"t{index}_ms": point for index, point in enumerate(points)}
    return TurnMeasured(turn=1, source="model", **named)


@pytest.mark.parametrize(
    ("points", "latency"),
    [
        (
            [0, 100, 150, 160, 400, 420, 500, 700],
            TurnLatency(
                transcriber_latency=100, endpointing_latency=50, model_latency=240, voice_latency=80, turn_latency=700
            ),
        ),
        ([None, None, None, None, None, 10, 90, 95], TurnLatency(voice_latency=80)),
        ([500, 400, 600, None, None, None, None, None], TurnLatency(transcriber_latency=0, endpointing_latency=200)),
        ([None] * 8, TurnLatency()),
    ],
)
def test_the_parts_of_a_turn(points: list[float | None], latency: TurnLatency) -> None:
    assert turn_latency(measured(points)) == latency


@for_all(st.lists(instants.map(measured), max_size=8))
def test_an_average_is_the_mean_of_the_turns_that_have_the_part(turns: list[TurnMeasured]) -> None:
    metrics = performance_metrics(turns, (), 0)
    for part in ("modelLatency", "voiceLatency", "transcriberLatency", "endpointingLatency", "turnLatency"):
        values = [turn[part] for turn in metrics["turnLatencies"] if part in turn]
        assert all(value >= 0 for value in values)
        if values:
            assert metrics[f"{part}Average"] == pytest.approx(sum(values) / len(values), abs=0.001)
        else:
            assert f"{part}Average" not in metrics


def test_turns_without_any_part_are_not_listed() -> None:
    assert performance_metrics([measured([None] * 8)], (), 2) == {
        "turnLatencies": [],
        "numUserInterrupted": 0,
        "numAssistantInterrupted": 2,
    }


@for_all(st.lists(st.tuples(st.sampled_from(["user", "assistant", "tool"]), st.integers(0, 9), st.integers(0, 9))))
def test_an_answer_that_begins_within_any_message_of_the_user_interrupts(spoken: list[tuple[Any, int, int]]) -> None:
    messages = [
        MessageCommitted(message_id="m", role=role, text="", started_ms=start, ended_ms=start + length, turn=1)
        for role, start, length in spoken
    ]
    users = [(start, start + length) for role, start, length in spoken if role == "user"]
    begins = [start for role, start, _ in spoken if role == "assistant"]
    assert user_interruptions(messages) == sum(any(s < begin < e for s, e in users) for begin in begins)
