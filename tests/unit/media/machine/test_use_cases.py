"""The conversations that people build voice agents for, whole, in virtual time with the local dialogue model: they go
as they should, their replay is exact, and another configuration shows where it parts from them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from domain.call.events import (
    AssistantActivated,
    CallEnded,
    CallStarted,
    MessageCommitted,
    RecordingConsentAnswered,
    ToolCalled,
    TurnDecided,
)
from domain.call.squads import Squad
from domain.fragments import Fragment
from infra.replaying import compared
from media.machine import inputs, outputs
from media.machine.inputs import RequestedTool
from media.machine.recorded import RecordedCall, judge, recorded_call
from media.machine.replay import encode_input
from media.providers.local.dialogue.model import answer
from tests.unit.domain.specification import START
from tests.unit.media.machine.scenario import Reply, Scenario
from tests.use_cases import APPOINTMENT, IVR, SQUAD, SUPPORT, USE_CASES, Turn, UseCase, complete

FACTS: dict[str, Any] = {"thinks_ahead": True, "final_on_request": True}


class Held(Scenario):
    """A use case in virtual time: its tools answer, its squad takes over, the local model thinks."""

    def __init__(self, case: UseCase) -> None:
        self.case = case
        super().__init__(case.first, clock_origin_ms=START.timestamp() * 1000, **FACTS)
        for name, result in case.tools.items():
            self.results[name] = (300.0, inputs.ToolReturned(tool_call_id="", result=result))

    def whole(self) -> Held:
        self.connect().run_until_quiet().run(3_000)
        for turn in self.case.turns:
            self._take(turn)
            self.run_until_quiet()
        self.run(5_000)
        return self

    def _take(self, turn: Turn) -> None:
        for key in turn.keys:
            self.feed(inputs.KeyPressed(key=key))
            self.run(150)
        if turn.said:
            self.hear(turn.said, speak_ms=60.0 * len(turn.said))

    def _start_model(self, order: outputs.StartModel) -> None:
        reply = answer(order.messages, self.state.plan.tool_definitions)
        calls = (
            (RequestedTool(f"call-{order.request_id}", reply.call.name, dict(reply.arguments)),) if reply.call else ()
        )
        self.replies = [Reply(reply.text, calls=calls, delay_ms=40, token_ms=1)]
        super()._start_model(order)

    def _carry_out(self, made: Any) -> None:
        super()._carry_out(made)
        for output in made:
            if isinstance(output, outputs.ResolveAssistant):
                found = Squad(members=self.case.members).member(output.destination["assistantName"])
                assert found is not None
                resolved = inputs.AssistantResolved(
                    tool_call_id=output.tool_call_id, assistant=complete(found), final_on_request=True
                )
                self.at(30, lambda ready=resolved: self.feed(ready))

    def recorded(self) -> RecordedCall:
        """As log and fragment log hold it."""
        made = [output for _, output in self.log]
        kept = [
            ("machine.plan", 0.0, FACTS),
            ("machine.began", 0.0, {}),
            *(("machine.input", at_ms, encode_input(happened)) for at_ms, happened in self.fed),
            *((output.type, 0.0, output.data) for output in made if isinstance(output, outputs.Note)),
        ]
        started = CallStarted(clock_origin=START, at_ms=0.0, assistant=self.case.first)
        return recorded_call(
            [started, *(output.event for output in made if isinstance(output, outputs.Record))],
            [Fragment(seq=seq, type=kind, at_ms=at_ms, data=data) for seq, (kind, at_ms, data) in enumerate(kept)],
        )


@pytest.fixture(scope="module")
def held() -> dict[str, Held]:
    """Each of them, held once."""
    return {case.name: Held(case).whole() for case in USE_CASES}


every_case = pytest.mark.parametrize("case", USE_CASES, ids=lambda case: case.name.replace(" ", "-"))


@every_case
def test_the_conversation_goes_as_it_should(case: UseCase, held: dict[str, Held]) -> None:
    call = held[case.name]
    said = [event.text for event in call.events(MessageCommitted) if event.role == "assistant"]
    position = 0
    for turn in case.turns:
        place = next(
            (n for n, text in enumerate(said[position:], position) if turn.answer.lower() in text.lower()), None
        )
        assert place is not None, (turn, said)
        position = place
    assert tuple(event.name for event in call.events(ToolCalled)) == case.called
    assert tuple(event.name for event in call.events(AssistantActivated)) == case.activated
    assert call.ended == "assistant-ended-call"


@every_case
def test_its_replay_is_exact(case: UseCase, held: dict[str, Held]) -> None:
    verdict = judge(held[case.name].recorded())
    assert verdict.exact, verdict.difference
    assert verdict.events > 15
    assert verdict.notes > 15


@every_case
def test_another_configuration_shows_where_it_parts(case: UseCase, held: dict[str, Held]) -> None:
    call = held[case.name].recorded()
    assert compared(call, None, ()).changed is None
    path = "startSpeakingPlan.transcriptionEndpointingPlan.onNoPunctuationSeconds=1.7"
    smart = "startSpeakingPlan.smartEndpointingPlan.waitFunction=1700 + 0 * x"
    other = compared(call, None, [smart if "smartEndpointingPlan" in case.first["startSpeakingPlan"] else path])
    assert other.changed is not None
    turns = zip(other.before, other.after, strict=False)
    waits = [(here.wait_ms, there.wait_ms) for here, there in turns if here.rule not in ("", "keypad", "number")]
    assert waits
    assert any(there == 1_700 for _, there in waits)


def test_nothing_in_a_use_case_is_asked_ahead_in_vain(held: dict[str, Held]) -> None:
    """Answers are prepared while pauses run, and in calm conversations each of them is used."""
    for call in held.values():
        decided = [event for event in call.events(TurnDecided) if event.rule != "keypad"]
        taken = [output for output in call.outputs(outputs.Note) if output.type == "speculation.taken"]
        dropped = [output for output in call.outputs(outputs.Note) if output.type == "speculation.dropped"]
        assert len(taken) >= len(decided) - 1
        assert not dropped


def test_what_is_special_about_each_of_them_happened(held: dict[str, Held]) -> None:
    appointment, ivr, squad = (held[case.name] for case in (APPOINTMENT, IVR, SQUAD))
    assert [event.granted for event in appointment.events(RecordingConsentAnswered)] == [True]
    assert ("user", "User's Keypad Entry: 4711") in ivr.messages()
    assert [event.from_name for event in squad.events(AssistantActivated)] == ["Reception", "Workshop"]
    assert squad.messages()[-1] == ("assistant", "Drive safely. Goodbye!")


def test_an_event_of_a_use_case_that_was_forged_is_found(held: dict[str, Held]) -> None:
    call = held[SUPPORT.name].recorded()
    forged = tuple(
        msgspec.structs.replace(event, reason="customer-ended-call") if isinstance(event, CallEnded) else event
        for event in call.events
    )
    assert not judge(msgspec.structs.replace(call, events=forged)).exact
