import pytest

from infra.demo.transcript import Transcript


def _said(role: str, words: str, kind: str) -> dict[str, object]:
    return {"type": "transcript", "role": role, "transcriptType": kind, "transcript": words}


def test_partials_become_one_final_line() -> None:
    transcript = Transcript()

    for words, kind in (("what are", "partial"), ("what are your", "partial"), ("What are your hours?", "final")):
        transcript.take(_said("user", words, kind), 1.0)

    assert [(e.kind, e.text, e.final) for e in transcript.entries] == [("user", "What are your hours?", True)]


def test_both_sides_form_at_the_same_time() -> None:
    transcript = Transcript()

    transcript.take(_said("assistant", "We are open", "partial"), 1.0)
    transcript.take(_said("user", "wait", "partial"), 1.5)
    transcript.take(_said("assistant", "We are open from", "final"), 1.6)
    transcript.take(_said("user", "wait please", "final"), 2.0)

    assert [(e.kind, e.text) for e in transcript.entries] == [
        ("assistant", "We are open from"),
        ("user", "wait please"),
    ]


def test_a_final_begins_a_new_line_next_time() -> None:
    transcript = Transcript()

    transcript.take(_said("user", "hello", "final"), 1.0)
    transcript.take(_said("user", "are you there", "final"), 2.0)

    assert [e.at_s for e in transcript.entries] == [1.0, 2.0]


@pytest.mark.parametrize("arguments", [{"day": "tuesday"}, '{"day": "tuesday"}'])
def test_a_tool_call_shows_its_arguments(arguments: object) -> None:
    transcript = Transcript()

    call = {"id": "t1", "type": "function", "function": {"name": "bookAppointment", "arguments": arguments}}
    entry = transcript.take({"type": "tool-calls", "toolCallList": [call]}, 3.0)

    assert entry is not None
    assert entry.text == "bookAppointment(day='tuesday')"


def test_state_follows_status_and_speech() -> None:
    transcript = Transcript()

    transcript.take({"type": "status-update", "status": "in-progress"}, 0.0)
    transcript.take({"type": "speech-update", "role": "assistant", "status": "started"}, 0.1)
    assert (transcript.state, transcript.speaking) == ("in-progress", "assistant")

    transcript.take({"type": "speech-update", "role": "user", "status": "started"}, 0.2)
    transcript.take({"type": "speech-update", "role": "assistant", "status": "stopped"}, 0.3)
    assert transcript.speaking == "user"

    transcript.take({"type": "status-update", "status": "ended", "endedReason": "assistant-ended-call"}, 0.4)
    assert (transcript.state, transcript.ended_reason) == ("ended", "assistant-ended-call")


def test_an_interruption_is_noted() -> None:
    entry = Transcript().take({"type": "user-interrupted", "turnId": "t1"}, 5.0)

    assert entry is not None
    assert "interrupts" in entry.text
