"""The turn-taking table: each row as from-state, event, guard, to-state, and what must come out."""

from __future__ import annotations

from typing import Any

import pytest

from domain.call.events import AssistantInterrupted, MessageCommitted, TranscriptFinalized, TurnDecided, TurnMeasured
from media.machine import inputs, outputs
from media.machine.history import INAUDIBLE
from tests.unit.media.machine.scenario import MS_PER_CHARACTER, Reply, Scenario

LONG = "This is a rather long answer that goes on and on, so that a caller may well lose patience with it."


def answering(config: dict[str, Any] | None = None, text: str = LONG) -> Scenario:
    """A call in which the assistant is in the middle of an answer, one second into its speech."""
    call = Scenario(config)
    call.replies = [Reply(text)]
    call.connect().hear("tell me everything.").run(500)
    while call.phase != "ASSISTANT_SPEAKING":
        call.run(10)
    return call.run(1000)


def test_idle_to_corked_when_the_assistant_speaks_first() -> None:
    call = Scenario({"firstMessage": "Hello there."}).connect()
    assert call.phase == "CORKED"
    call.run(100)
    assert call.phase == "ASSISTANT_SPEAKING"
    call.run(10)
    assert call.told("speech-update")[0] == {
        "type": "speech-update", "status": "started", "role": "assistant", "turn": 0,
    }  # fmt: skip
    assert call.told("assistant.speechStarted")[0]["text"] == "Hello there."
    assert call.told("assistant.speechStarted")[0]["source"] == "force-say"


def test_first_message_is_prepared_before_the_caller_is_connected() -> None:
    call = Scenario({"firstMessage": "Hello there."})
    assert [chunk.text for chunk in call.outputs(outputs.Synthesize)] == ["Hello there."]
    call.run(500)
    assert not call.outputs(outputs.StartPlayout)
    call.connect()
    assert call.phase == "ASSISTANT_SPEAKING"


def test_idle_to_thinking_when_the_model_makes_the_first_message() -> None:
    call = Scenario({"firstMessageMode": "assistant-speaks-first-with-model-generated-message"})
    call.replies = [Reply("Good morning!")]
    call.connect()
    assert call.phase == "THINKING"
    call.run_until_quiet()
    assert call.messages() == [("assistant", "Good morning!")]


def test_waiting_for_the_user_gives_the_first_message_as_first_answer() -> None:
    call = Scenario({"firstMessage": "Welcome.", "firstMessageMode": "assistant-waits-for-user"})
    call.replies = [Reply("Nine o'clock.")]
    call.connect().run(1000)
    assert call.phase == "IDLE"
    call.hear("Hello?").run_until_quiet()
    call.hear("When do you open?").run_until_quiet()
    assert [text for _, text in call.messages()] == ["Hello?", "Welcome.", "When do you open?", "Nine o'clock."]


def test_voice_activity_starts_and_ends_the_users_speech() -> None:
    call = Scenario().connect().run(100)
    call.feed(inputs.SpeechStarted(at_ms=80))
    assert call.phase == "USER_SPEAKING"
    call.feed(inputs.PartialHeard(text="I would"))
    assert call.phase == "USER_SPEAKING"
    call.run(300).feed(inputs.SpeechStopped(at_ms=380))
    assert call.phase == "ENDPOINTING"
    assert len(call.outputs(outputs.FinalizeTranscript)) == 1
    assert [(u["role"], u["status"]) for u in call.told("speech-update")] == [("user", "started"), ("user", "stopped")]
    assert call.told("transcript") == [
        {"type": "transcript", "role": "user", "transcriptType": "partial", "transcript": "I would"}
    ]


def test_several_finals_make_one_user_message_and_restart_the_model_each_time() -> None:
    call = Scenario().connect()
    for text in ("I want a table.", "For six people.", "On Friday."):
        call.feed(inputs.FinalHeard(text=text))
        call.run(150)
    assert call.phase == "THINKING"
    assert len(call.outputs(outputs.StartModel)) == 3
    assert len(call.outputs(outputs.AbortModel)) == 2
    assert [m["content"] for m in call.outputs(outputs.StartModel)[-1].messages] == [
        "I want a table. For six people. On Friday."
    ]
    assert len(call.events(TranscriptFinalized)) == 3
    assert {event.turn for event in call.events(TurnDecided)} == {1}


def test_native_end_of_turn_decides_at_once_and_alone() -> None:
    call = Scenario(native_end_of_turn=True).connect()
    call.feed(inputs.FinalHeard(text="Is that all."))
    call.run(2000)
    assert call.phase == "ENDPOINTING"
    call.feed(inputs.EndOfTurnHeard())
    assert call.phase == "THINKING"
    assert call.events(TurnDecided)[0].rule == "native"


def test_thinking_and_new_speech_takes_the_decision_back_and_merges_the_words() -> None:
    call = Scenario().connect().hear("I need a table.").run(200)
    assert call.phase == "THINKING"
    call.feed(inputs.SpeechStarted(at_ms=call.now))
    assert call.phase == "USER_SPEAKING"
    assert len(call.outputs(outputs.AbortModel)) == 1
    call.run(300).feed(inputs.SpeechStopped(at_ms=call.now))
    call.feed(inputs.FinalHeard(text="for six people."))
    call.run(200)
    assert call.outputs(outputs.StartModel)[-1].messages[-1]["content"] == "I need a table. for six people."
    assert not call.told("user-interrupted")
    assert call.messages() == []


def test_a_cough_while_thinking_asks_again_with_the_same_words() -> None:
    call = Scenario().connect().hear("I need a table.").run(200)
    call.hear("").run(200)
    assert call.phase == "THINKING"
    assert [request.messages[-1]["content"] for request in call.outputs(outputs.StartModel)] == ["I need a table."] * 2


def test_a_final_that_confirms_the_partial_changes_nothing() -> None:
    call = Scenario().connect()
    call.feed(inputs.SpeechStarted(at_ms=0))
    call.feed(inputs.PartialHeard(text="Book it."))
    call.run(300).feed(inputs.SpeechStopped(at_ms=300))
    call.run(150)
    assert call.phase == "THINKING"
    call.feed(inputs.FinalHeard(text="Book it."))
    assert call.phase == "THINKING"
    assert len(call.outputs(outputs.StartModel)) == 1


def test_a_final_after_the_answer_began_is_not_a_second_turn() -> None:
    call = Scenario()
    call.replies = [Reply("Done and booked for you.")]
    call.connect()
    call.feed(inputs.SpeechStarted(at_ms=0))
    call.feed(inputs.PartialHeard(text="Book it."))
    call.run(300).feed(inputs.SpeechStopped(at_ms=300))
    call.run(700)
    assert call.phase == "ASSISTANT_SPEAKING"
    call.feed(inputs.FinalHeard(text="Book it."))
    call.run_until_quiet()
    assert call.messages() == [("user", "Book it."), ("assistant", "Done and booked for you.")]


def test_corked_until_wait_seconds_after_the_decision() -> None:
    call = Scenario({"startSpeakingPlan": {"waitSeconds": 0.8}})
    call.replies = [Reply("Yes, of course.", delay_ms=10)]
    call.connect().hear("Open today?", final_after_ms=0)
    decided_at = call.now + 100
    call.run(300)
    assert call.phase == "CORKED"
    call.run_until_quiet()
    assert call.times(outputs.StartPlayout) == [decided_at + 800]


def test_wait_seconds_costs_nothing_when_model_and_voice_take_longer() -> None:
    call = Scenario({"startSpeakingPlan": {"waitSeconds": 0.4}}, voice_ms=300)
    call.replies = [Reply("Yes, of course.", delay_ms=700, token_ms=0)]
    call.connect().hear("Open today?", final_after_ms=0)
    decided_at = call.now + 100
    call.run_until_quiet()
    assert call.times(outputs.StartPlayout) == [decided_at + 700 + 300]


def test_corked_and_the_user_speaks_drops_the_audio_without_an_interruption() -> None:
    call = Scenario({"startSpeakingPlan": {"waitSeconds": 3}})
    call.replies = [Reply("Yes, of course."), Reply("At noon, gladly.")]
    call.connect().hear("Open today?").run(1000)
    assert call.phase == "CORKED"
    call.feed(inputs.SpeechStarted(at_ms=call.now))
    assert call.phase == "USER_SPEAKING"
    call.run(200).feed(inputs.SpeechStopped(at_ms=call.now))
    call.feed(inputs.FinalHeard(text="At noon?"))
    call.run_until_quiet()
    assert call.messages() == [("user", "Open today? At noon?"), ("assistant", "At noon, gladly.")]
    assert not call.told("user-interrupted")
    assert not call.events(AssistantInterrupted)


def test_voice_seconds_of_voice_interrupt() -> None:
    call = answering()
    heard_since = call.now
    call.feed(inputs.SpeechStarted(at_ms=heard_since))
    call.run(199)
    assert call.phase == "ASSISTANT_SPEAKING"
    call.run(2)
    assert call.phase == "BACKOFF"
    assert call.times(outputs.StopPlayout) == [heard_since + 200]
    interrupted = call.events(AssistantInterrupted)[0]
    assert interrupted.by == "voice"
    assert interrupted.heard_ms == pytest.approx(1200, abs=30)
    assert call.told("user-interrupted") == [{"type": "user-interrupted", "turnId": "r1"}]
    assert call.told("model-output")[0]["turnId"] == "r1"


def test_a_short_sound_does_not_interrupt() -> None:
    call = answering()
    call.feed(inputs.SpeechStarted(at_ms=call.now))
    call.run(150).feed(inputs.SpeechStopped(at_ms=call.now))
    call.run(500)
    assert call.phase == "ASSISTANT_SPEAKING"


def test_history_keeps_what_was_heard_and_what_was_written() -> None:
    call = answering()
    call.feed(inputs.SpeechStarted(at_ms=call.now))
    call.run(300)
    cut = call.events(MessageCommitted)[-1]
    assert cut.interrupted
    assert cut.generated_text == LONG
    assert LONG.startswith(cut.text)
    assert len(cut.text) == pytest.approx(1200 / MS_PER_CHARACTER, abs=1)
    assert call.told("conversation-update")[-1]["messagesOpenAIFormatted"][-1]["content"] == cut.text


@pytest.mark.parametrize(
    ("num_words", "said", "by"),
    [
        (3, "tell me about", "words"),
        (3, "tell me", None),
        (3, "wait", "phrase"),
        (3, "Don't!", "phrase"),
        (3, "yeah okay right", None),
        (3, "Uh-huh.", None),
        (2, "okay then", "words"),
        (10, "one two three four five six", None),
        (0, "tell me about", None),
        (0, "stop", "phrase"),
    ],
)
def test_words_over_the_assistant(num_words: int, said: str, by: str | None) -> None:
    call = answering({"stopSpeakingPlan": {"numWords": num_words}})
    call.feed(inputs.PartialHeard(text=said))
    call.run(5)
    assert [event.by for event in call.events(AssistantInterrupted)] == ([by] if by else [])


def test_acknowledgement_spares_the_assistant_until_other_words_come() -> None:
    call = answering()
    call.feed(inputs.SpeechStarted(at_ms=call.now))
    call.run(100).feed(inputs.PartialHeard(text="yeah"))
    call.run(400)
    assert call.phase == "ASSISTANT_SPEAKING"
    call.feed(inputs.PartialHeard(text="yeah tell me about parking"))
    assert call.phase == "BACKOFF"


def test_acknowledgement_over_the_assistant_is_kept_and_not_answered() -> None:
    call = answering()
    call.feed(inputs.FinalHeard(text="okay"))
    call.run_until_quiet()
    assert [text for _, text in call.messages()] == ["tell me everything.", LONG, "okay"]
    assert len(call.outputs(outputs.StartModel)) == 1


def test_words_that_do_not_interrupt_are_answered_after_the_speech() -> None:
    call = answering({"stopSpeakingPlan": {"numWords": 5}})
    call.replies = [Reply("Parking is free.")]
    call.feed(inputs.FinalHeard(text="and parking?"))
    call.run(2000)
    assert call.phase == "ASSISTANT_SPEAKING"
    assert len(call.outputs(outputs.StartModel)) == 1
    call.run_until_quiet()
    assert [text for _, text in call.messages()] == ["tell me everything.", LONG, "and parking?", "Parking is free."]


def test_yes_at_the_end_of_a_question_is_an_answer() -> None:
    call = answering(text="Shall I book the table for six people on Friday then?")
    call.replies = [Reply("Booked it is.")]
    call.run(1500).feed(inputs.FinalHeard(text="yes"))
    call.run_until_quiet()
    assert call.messages()[-1] == ("assistant", "Booked it is.")


def test_backoff_and_then_the_normal_start() -> None:
    call = answering({"stopSpeakingPlan": {"backoffSeconds": 2}, "startSpeakingPlan": {"waitSeconds": 0.5}})
    call.replies = [Reply("Parking is free.", delay_ms=10)]
    call.feed(inputs.FinalHeard(text="stop. where do I park?"))
    began = call.now
    assert call.phase == "BACKOFF"
    call.run(1999)
    assert len(call.outputs(outputs.StartModel)) == 1
    call.run(2)
    assert call.phase == "THINKING"
    call.run_until_quiet()
    assert call.times(outputs.StartPlayout)[-1] == began + 2500
    assert call.messages()[-1] == ("assistant", "Parking is free.")


def test_backoff_ends_while_the_user_still_speaks() -> None:
    call = answering({"stopSpeakingPlan": {"backoffSeconds": 0.5}})
    call.feed(inputs.SpeechStarted(at_ms=call.now))
    call.run(300)
    assert call.phase == "BACKOFF"
    call.run(500)
    assert call.phase == "USER_SPEAKING"


def test_no_backoff_waits_only_for_what_was_heard() -> None:
    call = answering({"stopSpeakingPlan": {"backoffSeconds": 0}, "startSpeakingPlan": {"waitSeconds": 0}})
    call.replies = [Reply("Sure.")]
    call.feed(inputs.FinalHeard(text="stop please."))
    call.run_until_quiet()
    roles = [role for role, _ in call.messages()]
    assert roles == ["user", "assistant", "user", "assistant"]


def test_the_first_message_cannot_be_interrupted_by_default() -> None:
    call = Scenario({"firstMessage": LONG}).connect().run(1000)
    call.replies = [Reply("Yes?")]
    call.feed(inputs.SpeechStarted(at_ms=call.now))
    call.run(500)
    call.feed(inputs.PartialHeard(text="stop"))
    call.feed(inputs.SpeechStopped(at_ms=call.now))
    call.feed(inputs.FinalHeard(text="stop talking."))
    assert call.phase == "ASSISTANT_SPEAKING"
    call.run_until_quiet()
    assert call.messages() == [("assistant", LONG), ("user", "stop talking."), ("assistant", "Yes?")]


def test_the_first_message_can_be_interrupted_where_allowed() -> None:
    call = Scenario({"firstMessage": LONG, "firstMessageInterruptionsEnabled": True}).connect().run(1000)
    call.feed(inputs.PartialHeard(text="stop"))
    assert call.phase == "BACKOFF"


def test_drained_to_idle() -> None:
    call = answering()
    call.run_until_quiet()
    assert call.phase == "IDLE"
    assert call.told("transcript")[-1] == {
        "type": "transcript", "role": "assistant", "transcriptType": "final", "transcript": LONG,
    }  # fmt: skip
    assert call.told("speech-update")[-1]["status"] == "stopped"
    assert "silence" in call.timers


def test_heard_and_not_understood_is_put_to_the_model() -> None:
    call = Scenario()
    call.replies = [Reply("I did not understand.")]
    call.connect().hear("").run_until_quiet()
    assert call.outputs(outputs.StartModel)[0].messages[-1] == {"role": "user", "content": INAUDIBLE}
    assert call.messages() == [("user", INAUDIBLE), ("assistant", "I did not understand.")]


def test_a_sound_without_any_transcript_is_forgotten() -> None:
    call = Scenario().connect()
    call.feed(inputs.SpeechStarted(at_ms=0))
    call.run(300).feed(inputs.SpeechStopped(at_ms=300))
    call.run(1600)
    assert call.phase == "IDLE"
    assert not call.outputs(outputs.StartModel)
    assert call.state.turn == 0


def test_finals_below_the_confidence_threshold_are_thrown_away() -> None:
    call = Scenario({"transcriber": {"provider": "deepgram"}}).connect()
    call.feed(inputs.FinalHeard(text="mumble", confidence=0.39))
    call.run(3000)
    assert call.phase == "IDLE"
    call.feed(inputs.FinalHeard(text="Hello.", confidence=0.4))
    call.run(200)
    assert call.phase == "THINKING"


def test_exchange_numbers_and_turns_of_speech() -> None:
    call = Scenario({"firstMessage": "Hello there."})
    call.replies = [Reply("One answer."), Reply("Two answers.")]
    call.connect().run_until_quiet()
    call.hear("First question?").run_until_quiet()
    call.hear("Second question?").run_until_quiet()
    assert [event.turn for event in call.events(MessageCommitted)] == [0, 1, 1, 2, 2]
    started = [(u["role"], u["turn"]) for u in call.told("speech-update") if u["status"] == "started"]
    assert started == [("assistant", 0), ("user", 1), ("assistant", 2), ("user", 3), ("assistant", 4)]


def test_a_speech_cut_off_by_noise_is_resumed() -> None:
    call = answering()
    call.feed(inputs.SpeechStarted(at_ms=call.now))
    call.run(400).feed(inputs.SpeechStopped(at_ms=call.now))
    assert call.events(AssistantInterrupted)
    call.run_until_quiet()
    first, second = (event for event in call.events(MessageCommitted) if event.role == "assistant")
    assert first.interrupted
    assert (first.text + second.text).replace(" ", "") == LONG.replace(" ", "")
    assert len(call.outputs(outputs.StartModel)) == 1


def test_a_speech_cut_off_by_words_is_not_resumed() -> None:
    call = answering()
    call.replies = [Reply("Of course.")]
    call.hear("one moment please.").run_until_quiet()
    assert [text for role, text in call.messages() if role == "assistant"][1:] == ["Of course."]


def test_nothing_at_all_is_said_during_backoff() -> None:
    call = answering({"stopSpeakingPlan": {"backoffSeconds": 2}})
    call.feed(inputs.PartialHeard(text="stop"))
    stopped_at = call.now
    call.feed(inputs.ControlReceived(message={"type": "say", "content": "One more thing."}))
    call.run(1_990)
    assert len(call.outputs(outputs.StartPlayout)) == 1
    call.run(20)
    assert call.times(outputs.StartPlayout)[-1] == stopped_at + 2_000


def test_a_timer_that_was_armed_anew_means_nothing() -> None:
    call = Scenario().connect()
    call.feed(inputs.FinalHeard(text="I would like"))
    stale = call.timers["endpoint"]
    call.run(500).feed(inputs.FinalHeard(text="a table"))
    call.feed(inputs.TimerFired(timer="endpoint", generation=stale))
    assert call.phase == "ENDPOINTING"
    call.run(1_501)
    assert call.phase == "THINKING"
    call.feed(inputs.TimerFired(timer="endpoint", generation=stale + 1))
    call.feed(inputs.TimerFired(timer="unheard of", generation=1))
    assert len(call.events(TurnDecided)) == 1


def test_an_answer_is_held_while_the_caller_still_makes_sounds() -> None:
    call = Scenario({"startSpeakingPlan": {"waitSeconds": 0}})
    call.replies = [Reply("Certainly.", delay_ms=10)]
    call.connect()
    call.feed(inputs.SpeechStarted(at_ms=0))
    call.feed(inputs.FinalHeard(text="That is all."))
    call.run(1_000)
    assert call.phase == "CORKED"
    call.feed(inputs.SpeechStopped(at_ms=call.now - 200))
    assert call.phase == "ASSISTANT_SPEAKING"


def test_an_answer_is_not_held_for_ever_by_noise() -> None:
    call = Scenario()
    call.replies = [Reply("Certainly.", delay_ms=10)]
    call.connect()
    call.feed(inputs.SpeechStarted(at_ms=0))
    call.feed(inputs.FinalHeard(text="That is all."))
    call.run(3_010)
    assert call.phase == "ASSISTANT_SPEAKING"


def test_the_last_voiced_frame_is_measured_although_the_turn_was_decided_before_silence_was_noticed() -> None:
    call = Scenario()
    call.replies = [Reply("Certainly.")]
    call.connect().run(100)
    call.feed(inputs.SpeechStarted(at_ms=100))
    call.run(400).feed(inputs.FinalHeard(text="That is all."))
    call.run(200)
    assert call.events(TurnDecided)
    call.feed(inputs.SpeechStopped(at_ms=480))
    call.run_until_quiet()
    (measured,) = call.events(TurnMeasured)
    assert (measured.t0_ms, measured.t1_ms, measured.t2_ms) == (480, 500, 600)


def test_every_measuring_point_of_an_ordinary_turn() -> None:
    call = Scenario({"firstMessage": "Hello."}, voice_ms=120)
    call.replies = [Reply("Certainly, at once.", delay_ms=200, token_ms=10)]
    call.connect().run_until_quiet()
    started = call.now
    call.feed(inputs.SpeechStarted(at_ms=started))
    call.run(400).feed(inputs.SpeechStopped(at_ms=started + 300))
    call.run(100).feed(inputs.FinalHeard(text="May I come today?"))
    call.run_until_quiet()
    first, measured = call.events(TurnMeasured)
    assert (first.turn, first.source, first.t0_ms, first.t4_ms, first.t5_ms) == (0, "first-message", None, None, 0)
    points = [measured.t0_ms, measured.t1_ms, measured.t2_ms, measured.t3_ms, measured.t4_ms]
    points += [measured.t5_ms, measured.t6_ms, measured.t7_ms]
    since = [point - started for point in points if point is not None]
    assert since == [300, 500, 600, 600, 800, 810, 930, 1000]
    marks = {(o.type, o.data["at_ms"]) for o in call.outputs(outputs.Note) if o.data.get("turn") == 1}
    assert marks >= {(f"mark.t{number}", point) for number, point in enumerate(points)}
