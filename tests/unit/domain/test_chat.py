"""Chats as histories: what may happen to one, and what its messages are."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from domain.aggregate import Conflicting, NotFound, Refused
from domain.chat.aggregate import CHAT
from domain.chat.commands import DeleteChat, KeepChat
from domain.chat.events import (
    ChatCompleted,
    ChatCreated,
    ChatDeleted,
    ChatFailed,
    Fact,
    MessageCommitted,
    ToolCalled,
    ToolCompleted,
    ToolFailed,
    UsageMetered,
    Warned,
)
from domain.chat.messages import NO_RESULT, chat_messages, for_model, input_messages, output_messages
from domain.chat.state import Completed, Deleted, Failed, KeptChat, Open
from domain.chat.wire import chat_body, session_costs
from domain.pricing.cost import call_cost
from tests.unit.domain.specification import ORIGINATOR, START, fold, given

CREATED = ChatCreated(
    org_id="org",
    request={"assistantId": "a", "input": "When?", "name": "visit"},
    started_at=START,
    assistant_id="a",
    name="visit",
)
CALLED = ToolCalled(tool_call_id="c1", name="look_up", kind="function", arguments={"day": "Friday"}, turn=1, at_ms=10)
RETURNED = ToolCompleted(tool_call_id="c1", name="look_up", result="free", at_ms=20)
SAID = MessageCommitted(text="On Friday.", turn=2, at_ms=30)
COMPLETED = ChatCompleted(at_ms=31)


def metered(meter: Any = "model", **quantities: float) -> UsageMetered:
    return UsageMetered(
        meter=meter,
        provider="openai" if meter == "model" else "vapi",
        model="gpt-4o" if meter == "model" else "",
        quantities=quantities,
        price_table="2026-11-01",
    )


def kept(*facts: Fact) -> KeptChat:
    state = fold(CHAT, [CREATED, *facts, COMPLETED])
    assert isinstance(state, Completed)
    return state


def test_a_chat_is_kept_whole() -> None:
    command = KeepChat(created=CREATED, facts=(CALLED, RETURNED, SAID), end=COMPLETED)
    given(CHAT).when(command).then(CREATED, CALLED, RETURNED, SAID, COMPLETED)


def test_a_chat_is_kept_once() -> None:
    given(CHAT, CREATED, COMPLETED).when(KeepChat(created=CREATED, facts=(), end=COMPLETED)).refused(
        Conflicting, because="exists"
    )


@pytest.mark.parametrize(("facts", "because"), [((RETURNED,), "Nothing waits"), ((CALLED, CALLED), "twice")])
def test_results_belong_to_calls(facts: tuple[Fact, ...], because: str) -> None:
    given(CHAT).when(KeepChat(created=CREATED, facts=facts, end=COMPLETED)).refused(Refused, because=because)


def test_only_its_owner_deletes_a_chat() -> None:
    given(CHAT, CREATED, COMPLETED).when(DeleteChat(org_id="org", actor="k")).then(ChatDeleted(actor="k"))
    for history in ((), (CREATED, COMPLETED, ChatDeleted())):
        given(CHAT, *history).when(DeleteChat(org_id="org")).refused(NotFound, because="does not exist")
    given(CHAT, CREATED, COMPLETED).when(DeleteChat(org_id="other")).refused(NotFound, because="does not exist")


def test_a_deleted_chat_keeps_what_it_used_and_nothing_that_was_written() -> None:
    state = fold(CHAT, [CREATED, SAID, metered(promptTokens=10.0), COMPLETED, ChatDeleted()])
    assert isinstance(state, Deleted)
    assert "Friday" not in str(state)
    assert state.usage[0].quantities == {"promptTokens": 10.0}
    assert CHAT.keys(state).deleted


def test_a_failed_chat_says_why_and_keeps_what_happened() -> None:
    failed = ChatFailed(reason="timeout", message="Too slow.", at_ms=50)
    state = fold(CHAT, [CREATED, CALLED, Warned(code="w", detail="d", at_ms=11), failed, COMPLETED])
    assert isinstance(state, Failed)
    body = chat_body(state, ())
    assert (body["status"], body["error"]) == ("failed", {"reason": "timeout", "message": "Too slow."})
    assert body["output"][0]["tool_calls"][0]["id"] == "c1"


def test_a_history_begins_with_the_creation() -> None:
    with pytest.raises(NotFound, match=r"chat\.completed cannot follow"):
        fold(CHAT, [COMPLETED])


def test_what_one_answer_holds_is_one_message() -> None:
    together = ToolCalled(tool_call_id="c2", name="other", kind="function", arguments={}, turn=1, at_ms=10)
    broke = ToolFailed(tool_call_id="c2", name="other", failure="timeout", error="Too late.", at_ms=25)
    words = MessageCommitted(text="Let me look.", turn=1, at_ms=9)
    output = output_messages(kept(words, CALLED, together, RETURNED, broke, SAID).entries)
    assert [message["role"] for message in output] == ["assistant", "tool", "tool", "assistant"]
    assert output[0]["content"] == "Let me look."
    assert [call["id"] for call in output[0]["tool_calls"]] == ["c1", "c2"]
    assert output[0]["tool_calls"][0]["function"] == {"name": "look_up", "arguments": '{"day": "Friday"}'}
    assert (output[1]["content"], output[2]["content"]) == ("free", "Too late.")


def test_two_answers_that_call_tools_are_two_messages() -> None:
    later = ToolCalled(tool_call_id="c2", name="other", kind="function", arguments={}, turn=2, at_ms=21)
    output = output_messages(kept(CALLED, later).entries)
    assert [len(message["tool_calls"]) for message in output] == [1, 1]


def test_the_body_is_vapis() -> None:
    chat = kept(SAID, metered(promptTokens=1000.0, completionTokens=100.0), metered("chat", messages=1.0))
    body = chat_body(chat, ())
    assert body == {
        "id": ORIGINATOR,
        "orgId": "org",
        "createdAt": "2026-11-21T09:00:00.000Z",
        "updatedAt": "2026-11-21T09:00:04.000Z",
        "status": "completed",
        "input": "When?",
        "messages": [],
        "output": [{"role": "assistant", "content": "On Friday."}],
        "cost": 0.0085,
        "costs": [
            {
                **{"type": "model", "model": {"provider": "openai", "model": "gpt-4o"}},
                **{"promptTokens": 1000, "completionTokens": 100, "cachedPromptTokens": 0, "cost": 0.0035},
            },
            {"type": "chat", "cost": 0.005},
        ],
        "assistantId": "a",
        "name": "visit",
    }


def test_a_session_shows_the_fees_of_its_chats_as_its_own() -> None:
    usage = (metered(promptTokens=1000.0), metered("chat", messages=3.0))
    costs = session_costs(usage)
    assert [row["type"] for row in costs["costs"]] == ["model", "session"]
    assert costs["costs"][1]["cost"] == 0.015
    assert costs["cost"] == 0.0175


@for_all(st.lists(st.floats(0, 1e6), max_size=8))
def test_the_sums_in_the_state_cost_what_the_readings_cost(tokens: list[float]) -> None:
    readings = [metered(promptTokens=count) for count in tokens] + [metered("chat", messages=1.0)]
    summed = call_cost(kept(*readings).usage).total_usd
    assert abs(summed - call_cost(readings).total_usd) < Decimal("1e-6")


def test_messages_have_the_instants_at_which_they_were_written() -> None:
    times = [timed.time - START for timed in chat_messages(kept(CALLED, RETURNED, SAID))]
    assert times == [timedelta(0), timedelta(milliseconds=10), timedelta(milliseconds=20), timedelta(milliseconds=30)]


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("Hello", [{"role": "user", "content": "Hello"}]),
        ([{"role": "user", "message": "Hello", "time": 1}], [{"role": "user", "content": "Hello"}]),
        (
            [{"role": "user", "content": [{"type": "input_text", "text": "Hel"}, {"type": "text", "text": "lo"}]}],
            [{"role": "user", "content": "Hello"}],
        ),
        (
            [{"role": "tool", "content": "42", "tool_call_id": "c1", "metadata": {"x": 1}}],
            [{"role": "tool", "content": "42", "tool_call_id": "c1"}],
        ),
        (
            [
                {
                    "role": "assistant",
                    "tool_calls": [CALL, {"id": "c2", "function": {"name": "f", "arguments": {"a": 1}}}],
                }
            ],
            [{"role": "assistant", "content": "", "tool_calls": [CALL, {**CALL, "id": "c2"}]}],
        ),
        (
            [
                {
                    "role": "assistant",
                    "content": "Hm",
                    "tool_calls": [1, {}, {"id": 1}, {**CALL, "function": "f"}, {**CALL, "id": None}],
                }
            ],
            [{"role": "assistant", "content": "Hm"}],
        ),
        ([{"role": "user", "content": "Hm", "tool_calls": [CALL]}], [{"role": "user", "content": "Hm"}]),
        (None, []),
    ],
)
def test_input_is_read_in_every_form_that_clients_write(sent: Any, read: list[dict[str, Any]]) -> None:
    assert input_messages(sent) == read


def asked(*ids: str) -> dict[str, Any]:
    return {"role": "assistant", "content": "", "tool_calls": [{"id": call_id} for call_id in ids]}


def result(call_id: str, content: str = "r") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def test_a_model_reads_each_result_behind_its_call() -> None:
    user = {"role": "user", "content": "Hm"}
    messages = [asked("a", "b"), user, result("b"), result("z"), asked("a"), result("a", "second")]
    assert for_model(messages) == [
        asked("a", "b"),
        result("a", "second"),
        result("b"),
        user,
        asked("a"),
        result("a", NO_RESULT),
    ]


ids = st.sampled_from("abc")
conversations = st.lists(
    st.builds(lambda chosen: asked(*chosen), st.lists(ids, min_size=1, max_size=3, unique=True))
    | st.builds(result, ids, st.text(max_size=3))
    | st.builds(lambda text: {"role": "user", "content": text}, st.text(max_size=3)),
    max_size=12,
)


@for_all(conversations)
def test_whatever_the_history_a_model_reads_a_legal_one(messages: list[dict[str, Any]]) -> None:
    ordered = for_model(messages)
    assert [m for m in ordered if m["role"] != "tool"] == [m for m in messages if m["role"] != "tool"]
    waiting: list[str] = []
    for message in ordered:
        if message["role"] == "tool":
            assert message["tool_call_id"] == waiting.pop(0)
        else:
            assert waiting == []
            waiting = [call["id"] for call in message.get("tool_calls", ())]
    assert waiting == []


facts = st.one_of(
    st.builds(MessageCommitted, text=st.text(max_size=5), turn=st.integers(1, 3), at_ms=st.floats(0, 100)),
    st.builds(lambda n: metered(promptTokens=float(n)), st.integers(0, 10)),
    st.just(CALLED),
    st.just(RETURNED),
    st.just(COMPLETED),
    st.just(ChatDeleted()),
)


@for_all(st.lists(facts, max_size=8))
def test_every_prefix_of_a_history_is_a_state(events: list[Any]) -> None:
    for length in range(len(events) + 1):
        state = fold(CHAT, [CREATED, *events[:length]])
        assert state.version == length + 1
        expected = Deleted if ChatDeleted() in events[:length] else (Open, Completed)
        assert isinstance(state, expected)
