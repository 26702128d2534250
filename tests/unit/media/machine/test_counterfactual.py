"""A recorded call under its own configuration and under another one, and the command that shows it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from domain.call.events import CallStarted, TurnDecided
from domain.fragments import Fragment
from infra.cli.failure import CommandFailed
from infra.cli.main import app
from infra.replaying import SettingInvalid, compared
from media.machine import inputs, outputs
from media.machine.counterfactual import ended, first_change, simulate, timings
from media.machine.plan import CallPlan
from media.machine.recorded import NotRecorded, RecordedCall, judge, recorded_call
from media.machine.replay import encode_input
from tests.unit.domain.specification import START
from tests.unit.media.call.rig import media_rig
from tests.unit.media.call.test_calls import dial, providers
from tests.unit.media.machine.scenario import Reply, Scenario

CONFIG: dict[str, Any] = {
    "firstMessage": "Hello, how can I help?",
    "startSpeakingPlan": {"waitSeconds": 0.8, "transcriptionEndpointingPlan": {"onPunctuationSeconds": 0.3}},
    "hooks": [{"on": "customer.speech.timeout", "do": [{"type": "say", "exact": "Still there?"}]}],
}


def held() -> Scenario:
    call = Scenario(CONFIG, clock_origin_ms=START.timestamp() * 1000)
    call.replies = [Reply("We open at nine in the morning."), Reply("Goodbye.")]
    call.connect().run_until_quiet()
    call.hear("When do you open?").run_until_quiet()
    call.run(9_000)
    call.hear("Thank you.").run_until_quiet()
    call.feed(inputs.TransportClosed())
    call.run(10)
    assert call.ended
    return call


def kept(call: Scenario) -> RecordedCall:
    """As the log and the fragment log hold it."""
    made = [output for _, output in call.log]
    fragments = [
        ("machine.plan", 0.0, {}),
        ("machine.began", 0.0, {}),
        *(("machine.input", at_ms, encode_input(happened)) for at_ms, happened in call.fed),
        *((output.type, 0.0, output.data) for output in made if isinstance(output, outputs.Note)),
    ]
    started = CallStarted(clock_origin=START, at_ms=0.0, assistant=CONFIG, assistant_version=None, variable_values={})
    return recorded_call(
        [started, *(output.event for output in made if isinstance(output, outputs.Record))],
        [Fragment(seq=seq, type=kind, at_ms=at_ms, data=data) for seq, (kind, at_ms, data) in enumerate(fragments)],
    )


def test_an_untouched_recording_is_exact() -> None:
    verdict = judge(kept(held()))
    assert verdict.exact
    assert verdict.events > 5
    assert verdict.notes > 5


def test_an_event_that_was_changed_is_found() -> None:
    call = kept(held())
    forged = [
        TurnDecided(turn=9, rule="x", wait_ms=1.0, at_ms=2.0) if isinstance(event, TurnDecided) else event
        for event in call.events
    ]
    verdict = judge(RecordedCall(**{**_fields(call), "events": tuple(forged)}))
    assert not verdict.exact
    assert verdict.difference is not None
    assert verdict.difference["recorded"]["data"]["turn"] == 9


def test_an_input_that_was_lost_is_found() -> None:
    call = kept(held())
    lost = tuple(each for each in call.inputs if not isinstance(each[1], inputs.FinalHeard))
    assert not judge(RecordedCall(**{**_fields(call), "inputs": lost})).exact


def _fields(call: RecordedCall) -> dict[str, Any]:
    return {name: getattr(call, name) for name in call.__struct_fields__}


def test_a_call_without_kept_inputs_cannot_be_stepped() -> None:
    with pytest.raises(NotRecorded, match="not kept"):
        recorded_call(kept(held()).events, [])


def test_the_same_configuration_simulates_to_the_same_call() -> None:
    call = held()
    run = simulate(call.plan, call.plan, call.fed, began_ms=0.0)
    assert [(at, output) for at, output in run] == call.log


def test_a_shorter_wait_answers_sooner_and_the_call_goes_on() -> None:
    call = held()
    plan = CallPlan.from_assistant(
        {**CONFIG, "startSpeakingPlan": {**CONFIG["startSpeakingPlan"], "waitSeconds": 0.2}},
        clock_origin_ms=START.timestamp() * 1000,
    )
    before, after = (simulate(each, call.plan, call.fed, began_ms=0.0) for each in (call.plan, plan))
    changed = first_change(before, after)
    assert changed is not None
    sooner = [
        (here.played_ms or 0.0) - (there.played_ms or 0.0)
        for here, there in zip(timings(before), timings(after), strict=True)
    ]
    assert sooner == pytest.approx([0.0, 540.0, 580.0])  # the voice is what is waited for then
    assert [end.reason for end in (ended(before), ended(after)) if end] == ["customer-ended-call"] * 2


def test_a_setting_is_written_as_a_path_and_a_value() -> None:
    call = kept(held())
    assert compared(call, None, ["startSpeakingPlan.waitSeconds=0.2"]).changed is not None
    assert compared(call, None, ["hooks.0.do.0.exact=Still there?"]).changed is None
    with pytest.raises(SettingInvalid, match="path=value"):
        compared(call, None, ["startSpeakingPlan.waitSeconds"])
    with pytest.raises(SettingInvalid, match="firstMessage is no object"):
        compared(call, None, ["firstMessage.text=x"])


def test_the_command_steps_a_real_call_again_and_under_another_configuration(tmp_path: Path) -> None:
    async def call() -> str:
        async with media_rig(
            tmp_path, providers("one two three", answers=("Six is what comes next, then seven, then eight.",))
        ) as rig:
            caller = await dial(rig)
            await caller.until_said(1)
            await caller.speak()
            await caller.until_said(2)
            await caller.hang_up()
            return caller.call_id

    call_id = asyncio.run(call())
    replay = ["replay", call_id, "--data-dir", str(tmp_path)]
    answer = CliRunner().invoke(app, [*replay, "--json", "--set", "startSpeakingPlan.waitSeconds=0.2"])
    assert answer.exit_code == 0, answer.output
    told = json.loads(answer.stdout)
    assert told["exact"] is True
    assert told["comparison"]["changed"]["before"] is not None
    turns = zip(told["comparison"]["before"], told["comparison"]["after"], strict=True)
    # As late as the pause makes it, unless a busy machine was later still with the answer.
    assert [there["played_ms"] >= here["played_ms"] for here, there in turns if here["turn"] == 1] == [True]

    shown = CliRunner().invoke(app, replay)
    assert shown.exit_code == 0
    assert "exactly" in shown.stdout
    wrong = CliRunner().invoke(app, [*replay, "--set", "startSpeakingPlan.waitSeconds=soon"])
    assert isinstance(wrong.exception, CommandFailed)
    assert "startSpeakingPlan.waitSeconds is not a number" in str(wrong.exception)
