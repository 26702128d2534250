"""A recorded call stepped again."""

from __future__ import annotations

import json
from typing import Any

from domain.call.events import MessageCommitted
from media.machine import inputs
from media.machine.outputs import Output
from media.machine.plan import CallPlan
from media.machine.replay import decode_input, encode_input, encode_output, first_difference, replay
from tests.unit.media.machine.scenario import Reply, Scenario

CONFIG: dict[str, Any] = {"firstMessage": "Hello, how can I help?", "stopSpeakingPlan": {"numWords": 2}}


def recorded_call() -> Scenario:
    call = Scenario(CONFIG)
    call.replies = [Reply("We open at nine in the morning, every day but Sunday.")]
    call.connect().run_until_quiet()
    call.hear("When do you open?").run(2500)
    call.feed(inputs.PartialHeard(text="and on Sunday"))
    call.run(100)
    call.feed(inputs.TransportClosed())
    call.run(10)
    assert call.ended
    return call


def stored(call: Scenario) -> list[tuple[float, inputs.Input]]:
    """The inputs as they come back from fragments."""
    return [(at_ms, decode_input(json.loads(json.dumps(encode_input(input))))) for at_ms, input in call.fed]


def test_the_same_code_gives_the_same_outputs() -> None:
    call = recorded_call()
    steps = replay(call.plan, stored(call))
    assert [output for outputs in steps for output in outputs] == [output for _, output in call.log]
    assert first_difference(call.plan, stored(call), steps) is None


def test_another_plan_shows_where_it_would_have_acted_differently() -> None:
    call = recorded_call()
    steps = replay(call.plan, call.fed)
    calmer = CallPlan.from_assistant({**CONFIG, "stopSpeakingPlan": {"numWords": 4}})
    difference = first_difference(calmer, call.fed, steps)
    assert difference is not None
    assert isinstance(call.fed[difference.input_index][1], inputs.PartialHeard)
    assert difference.recorded is not None
    assert difference.recorded["output"] == "StopPlayout"


def test_a_missing_end_is_a_difference() -> None:
    call = recorded_call()
    steps: list[tuple[Output, ...]] = replay(call.plan, call.fed)
    difference = first_difference(call.plan, call.fed, steps[:-1])
    assert difference is not None
    assert difference.recorded is None


def test_events_are_encoded_under_their_type() -> None:
    call = recorded_call()
    encoded = [encode_output(output) for _, output in call.log]
    messages = [data["event"] for data in encoded if data.get("type") == MessageCommitted.TYPE]
    assert [message["text"] for message in messages][:2] == ["Hello, how can I help?", "When do you open?"]
    json.dumps(encoded)
