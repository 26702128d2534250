"""Hand-overs and transfers: who is asked for, who may be reached, and what the next assistant sees."""

from __future__ import annotations

from typing import Any

import pytest

from domain.call.events import (
    AssistantActivated,
    MessageCommitted,
    ToolCompleted,
    ToolFailed,
    TransferEnded,
    TransferRequested,
    Warned,
)
from media.machine import inputs, outputs
from media.machine.inputs import (
    AssistantResolved,
    ControlReceived,
    DestinationAnswered,
    RequestedTool,
    ToolErred,
    TransferProgressed,
)
from media.machine.replay import decode_input, encode_input, replay
from tests.unit.media.machine.scenario import Reply, Scenario

PROMPT = [{"role": "system", "content": "You are the reception."}]
NEXT: dict[str, Any] = {
    "name": "Billing",
    "firstMessage": "Billing here.",
    "model": {"messages": [{"role": "system", "content": "You do billing."}]},
}


def handoff(*destinations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "handoff", "destinations": list(destinations), **more}


def to(name: str = "Billing", **more: Any) -> dict[str, Any]:
    return {"type": "assistant", "assistantName": name, **more}


def leaving(
    tool: dict[str, Any], *calls: RequestedTool, others: tuple[dict[str, Any], ...] = (), **facts: Any
) -> Scenario:
    config = {"name": "Reception", "firstMessage": "Hello.", "model": {"messages": PROMPT, "tools": [tool, *others]}}
    scenario = Scenario(config, **facts)
    scenario.replies = [Reply("We close at five."), Reply(calls=calls), Reply("How can I help?")]
    scenario.connect().run_until_quiet()
    scenario.hear("When do you close?").run_until_quiet()
    scenario.hear("I have an invoice.").run(400)
    return scenario


def call(name: str = "handoff_to_Billing", id: str = "c1", **arguments: Any) -> RequestedTool:
    return RequestedTool(id, name, arguments)


def resolved(c: Scenario, config: dict[str, Any] = NEXT, **more: Any) -> Scenario:
    (order,) = c.outputs(outputs.ResolveAssistant)
    c.feed(AssistantResolved(tool_call_id=order.tool_call_id, assistant=config, **more))
    return c.run_until_quiet()


def shown(c: Scenario) -> list[tuple[str, str]]:
    """What the model was last asked, calls written as such."""
    messages = c.outputs(outputs.StartModel)[-1].messages
    return [(m["role"], m["content"] or str([made["function"]["name"] for made in m["tool_calls"]])) for m in messages]


def test_a_hand_off_takes_over_when_its_assistant_is_ready() -> None:
    c = leaving(handoff(to(description="invoices")), call(reason="invoice"))
    (order,) = c.outputs(outputs.ResolveAssistant)
    assert order.destination["assistantName"] == "Billing"
    assert order.arguments == {"reason": "invoice"}
    assert c.phase == "TOOL_WAIT"
    resolved(c, variables={"reason": "invoice"})
    assert c.outputs(outputs.UseAssistant) == [outputs.UseAssistant(tool_call_id="c1")]
    assert [e.name for e in c.events(AssistantActivated)] == ["Billing"]
    assert c.events(ToolCompleted)[0].result == "The conversation was handed to Billing."
    assert c.messages()[-1] == ("assistant", "Billing here.")
    assert c.told("transfer-update")[0]["toAssistant"]["name"] == "Billing"
    assert "You are" not in str(c.told("transfer-update"))


HISTORY = [
    ("assistant", "Hello."),
    ("user", "When do you close?"),
    ("assistant", "We close at five."),
    ("user", "I have an invoice."),
]
TRAFFIC = [("assistant", "['handoff_to_Billing']"), ("tool", "The conversation was handed to Billing.")]
OWN = [("system", "You do billing.")]


@pytest.mark.parametrize(
    ("plan", "seen"),
    [
        (None, [*OWN, *HISTORY, *TRAFFIC]),
        ({"type": "all"}, [*OWN, *HISTORY, *TRAFFIC]),
        ({"type": "none"}, OWN),
        ({"type": "userAndAssistantMessages"}, [*OWN, *HISTORY]),
        ({"type": "lastNMessages", "maxMessages": 3}, [*OWN, HISTORY[-1], *TRAFFIC]),
        ({"type": "lastNMessages", "maxMessages": 1}, OWN),
        ({"type": "lastNMessages", "maxMessages": 0}, OWN),
        ({"type": "previousAssistantMessages"}, OWN),
    ],
)
def test_context_engineering_plans(plan: dict[str, Any] | None, seen: list[tuple[str, str]]) -> None:
    destination = to(**({"contextEngineeringPlan": plan} if plan else {}))
    c = leaving(handoff(destination), call())
    resolved(c, {**NEXT, "firstMessageMode": "assistant-speaks-first-with-model-generated-message"})
    assert shown(c) == seen


def test_the_previous_assistants_messages_are_those_before_the_present_one() -> None:
    c = leaving(handoff(to()), call())
    back = handoff({**to("Payment"), "contextEngineeringPlan": {"type": "previousAssistantMessages"}})
    model = {"messages": [{"role": "system", "content": "You take cards."}], "tools": [back]}
    c.replies = [Reply(calls=(call("handoff_to_Payment", "c2"),)), Reply("Thanks.")]
    resolved(c, {"name": "Cards", "firstMessage": "Your card number?", "model": model})
    c.hear("4111 1111").run(900)
    c.feed(
        AssistantResolved(
            tool_call_id="c2",
            assistant={**NEXT, "firstMessageMode": "assistant-speaks-first-with-model-generated-message"},
        )
    )
    c.run_until_quiet()
    handed = ("tool", "The conversation was handed to Cards.")
    assert shown(c) == [*OWN, *HISTORY, TRAFFIC[0], handed]


@pytest.mark.parametrize(
    ("mode", "seen"),
    [
        (None, [*PROMPT, *OWN]),
        ("rolling-history", [*PROMPT, *OWN]),
        ("swap-system-message-in-history", OWN),
        ("swap-system-message-in-history-and-remove-transfer-tool-messages", OWN),
        ("delete-history", OWN),
    ],
)
def test_transfer_modes(mode: str | None, seen: list[Any]) -> None:
    destination = {**to(), "message": "", **({"transferMode": mode} if mode else {})}
    c = leaving({"type": "transferCall", "destinations": [destination]}, call("transferCall"))
    resolved(c, {**NEXT, "firstMessageMode": "assistant-speaks-first-with-model-generated-message"})
    system = [text for role, text in shown(c) if role == "system"]
    assert system == [entry["content"] if isinstance(entry, dict) else entry[1] for entry in seen]
    rest = [entry for entry in shown(c) if entry[0] != "system"]
    if mode == "delete-history":
        assert rest == [("user", "I have an invoice.")]
    elif mode is not None and mode.endswith("messages"):
        assert rest == HISTORY
    else:
        assert rest[:4] == HISTORY
        assert ("assistant", "['transferCall']") in rest
    assert "Transferring the call now" not in [text for _, text in c.messages()]


def test_what_the_source_says_as_it_leaves_is_spoken_whole_and_not_the_next_ones_history() -> None:
    messages = [{"type": "request-start", "content": "I put you through to my colleague."}]
    c = leaving(handoff(to(), messages=messages), call())
    (order,) = c.outputs(outputs.ResolveAssistant)
    c.feed(AssistantResolved(tool_call_id=order.tool_call_id, assistant=NEXT))
    assert not c.events(AssistantActivated)  # it is being said
    c.run_until_quiet()
    assert [text for _, text in c.messages()][-2:] == ["I put you through to my colleague.", "Billing here."]
    c.hear("Hello?").run_until_quiet()
    assert "I put you through to my colleague." not in [text for _, text in shown(c)]


def test_other_tools_of_the_same_answer_are_waited_for() -> None:
    tool = {"type": "function", "function": {"name": "note"}, "server": {"url": "https://t.example"}, "messages": []}
    c = leaving(handoff(to()), call(), call("note", "c2"), others=(tool,))
    c.feed(AssistantResolved(tool_call_id="c1", assistant=NEXT))
    assert not c.events(AssistantActivated)
    c.feed(inputs.ToolReturned(tool_call_id="c2", result="noted"))
    c.run_until_quiet()
    assert [e.result for e in c.events(ToolCompleted)] == ["noted", "The conversation was handed to Billing."]
    assert len(c.events(AssistantActivated)) == 1


def test_two_hand_offs_at_once_are_one() -> None:
    c = leaving(handoff(to()), call(), call(id="c2"))
    assert len(c.outputs(outputs.ResolveAssistant)) == 1
    assert [e.failure for e in c.events(ToolFailed)] == ["rejected"]


def test_a_silent_hand_off_lets_the_model_speak_first() -> None:
    c = leaving(handoff(to(), messages=[], defaultResult="Done."), call())
    resolved(c, {**NEXT, "firstMessage": "", "firstMessageMode": "assistant-speaks-first"})
    assert c.events(ToolCompleted)[0].result == "Done."
    assert c.messages()[-1] == ("assistant", "How can I help?")


def test_several_destinations_are_one_function_and_nobody_else_can_be_named() -> None:
    tool = handoff(to("Billing"), to("Repairs"))
    c = leaving(tool, call("handoff_to_group_Billing_Repairs", destination="Repairs"))
    assert c.outputs(outputs.ResolveAssistant)[0].destination["assistantName"] == "Repairs"
    for wanted in ("Boss", "", None):
        other = leaving(tool, call("handoff_to_group_Billing_Repairs", destination=wanted))
        assert not other.outputs(outputs.ResolveAssistant)
        assert [e.failure for e in other.events(ToolFailed)] == ["rejected"]


@pytest.mark.parametrize(
    ("own", "shown"),
    [
        ({}, ("handoff_to_group_Billing_Repairs", "1. Billing: invoices 2. Repairs")),
        ({"function": {"name": "leave", "description": "When they are done."}}, ("leave", "When they are done.")),
    ],
)
def test_what_a_tool_says_of_its_function_wins(own: dict[str, Any], shown: tuple[str, str]) -> None:
    tool = handoff(to("Billing", description="invoices"), to("Repairs"), **own)
    c = leaving(tool, call(own.get("function", {}).get("name", shown[0]), destination="Billing"))
    function = c.plan.tool_definitions[0]["function"]
    assert function["name"] == shown[0]
    assert function["description"].endswith(shown[1])
    assert bool(own) == (function["description"] == shown[1])
    assert c.outputs(outputs.ResolveAssistant)[0].destination["assistantName"] == "Billing"


def test_a_dynamic_destination_is_asked_for_and_its_answer_followed() -> None:
    c = leaving(handoff({"type": "dynamic", "server": {"url": "https://d.example"}}), call("handoff_to_dynamic"))
    (question,) = c.outputs(outputs.AskDestination)
    assert (question.handoff, question.destination["server"]["url"]) == (True, "https://d.example")
    c.feed(DestinationAnswered(tool_call_id="c1", destination=to("Repairs"), result="Gone to repairs."))
    resolved(c)
    assert c.events(ToolCompleted)[0].result == "Gone to repairs."


@pytest.mark.parametrize(
    "destination",
    [{}, {"type": "number", "number": "+14155552671"}, {"type": "dynamic"}, {"type": "assistant"}, {"type": "squad"}],
)
def test_answers_that_may_not_be_followed_keep_the_present_assistant(destination: dict[str, Any]) -> None:
    c = leaving(handoff({"type": "dynamic"}), call("handoff_to_dynamic"))
    c.feed(DestinationAnswered(tool_call_id="c1", destination=destination))
    c.run_until_quiet()
    assert not c.outputs(outputs.ResolveAssistant)
    assert [e.failure for e in c.events(ToolFailed)] == ["bad-body"]
    assert "destination-refused" in [e.code for e in c.events(Warned)]
    assert c.messages()[-1] == ("assistant", "How can I help?")


def test_a_failure_to_get_ready_is_told_to_the_present_model() -> None:
    c = leaving(handoff(to()), call())
    c.feed(ToolErred(tool_call_id="c1", failure="error", error="Nobody there."))
    c.run_until_quiet()
    assert ("tool", "Nobody there.") in shown(c)
    assert c.messages()[-1] == ("assistant", "How can I help?")


def test_a_configuration_that_cannot_be_followed_keeps_the_present_assistant() -> None:
    c = leaving(handoff(to()), call())
    resolved(c, {"maxDurationSeconds": "long"})
    assert not c.events(AssistantActivated)
    assert "handoff-failed" in [e.code for e in c.events(Warned)]


def test_control_hands_over_too() -> None:
    c = leaving(handoff(to()))
    c.run_until_quiet()
    c.feed(ControlReceived(message={"type": "handoff", "destination": to("Boss"), "content": "The boss will talk."}))
    resolved(c, {**NEXT, "name": "Boss"})
    assert [e.by for e in c.events(AssistantActivated)] == ["control"]
    assert [text for _, text in c.messages()][-2:] == ["The boss will talk.", "Billing here."]


NUMBER = {"type": "number", "number": "+14155552671", "message": "One moment, I connect you."}


def transfer(*destinations: dict[str, Any], **facts: Any) -> Scenario:
    return leaving({"type": "transferCall", "destinations": list(destinations)}, call("transferCall"), **facts)


def test_a_call_without_a_carrier_cannot_be_transferred_and_says_so() -> None:
    c = transfer(NUMBER).run_until_quiet()
    assert [e.destination["number"] for e in c.events(TransferRequested)] == ["+14155552671"]
    assert [e.status for e in c.events(TransferEnded)] == ["failed"]
    assert "One moment, I connect you." not in [text for _, text in c.messages()]
    assert c.messages()[-1] == ("assistant", "How can I help?")


@pytest.mark.parametrize(("ends", "reason"), [(None, "call.in-progress.error-transfer-failed"), (False, None)])
def test_the_fallback_plan_of_a_transfer(ends: bool | None, reason: str | None) -> None:
    fallback = {"message": "Nobody is there.", **({"endCallEnabled": ends} if ends is not None else {})}
    plan = {"mode": "blind-transfer", "fallbackPlan": fallback}
    c = transfer({**NUMBER, "transferPlan": plan}).run(3_000)
    assert "Nobody is there." in [text for _, text in c.messages()]
    assert c.ended == reason


def test_a_carrier_is_told_once_the_caller_has_heard_where_the_call_goes() -> None:
    c = transfer(NUMBER, transport_provider="twilio")
    assert not c.outputs(outputs.Transfer)
    c.run(4_000)
    assert [order.destination["number"] for order in c.outputs(outputs.Transfer)] == ["+14155552671"]
    c.feed(TransferProgressed(transfer_id="c1", status="connected"))
    c.run(100)
    assert c.ended == "assistant-forwarded-call"
    assert "forwarding" in [m["status"] for m in c.told("status-update")]


def test_without_destinations_the_server_is_asked() -> None:
    c = transfer(transport_provider="twilio")
    (question,) = c.outputs(outputs.AskDestination)
    assert not question.handoff
    message = {"type": "request-start", "content": "Off you go."}
    c.feed(DestinationAnswered(tool_call_id="c1", destination=NUMBER, message=message))
    c.run(4_000)
    assert "Off you go." in [text for _, text in c.messages()]
    assert len(c.outputs(outputs.Transfer)) == 1


@pytest.mark.parametrize("text", ["Please leave a message.", ""])
def test_a_voicemail_tool_leaves_its_message_and_hangs_up(text: str) -> None:
    config = {"voicemailMessage": text, "model": {"tools": [{"type": "voicemail"}]}}
    c = Scenario(config)
    c.replies = [Reply(calls=(call("voicemail"),))]
    c.connect().hear("Please speak after the tone").run(5_000)
    assert c.ended == "voicemail"
    assert [e.text for e in c.events(MessageCommitted) if e.role == "assistant"] == ([text] if text else [])


def test_hand_overs_are_stepped_again_from_their_inputs() -> None:
    c = leaving(handoff(to()), call())
    resolved(c, variables={"a": 1})
    again = [(at_ms, decode_input(encode_input(each))) for at_ms, each in c.fed]
    assert [o for made in replay(c.plan, again) for o in made] == [o for _, o in c.log]


@pytest.mark.parametrize("speaks_first", [True, False])
def test_a_conversation_that_is_silent_as_it_changes_hands_waits_by_the_rules_of_the_next_assistant(
    speaks_first: bool,
) -> None:
    """The one before had more to say into a silence than there is now, and would have hung up earlier."""
    hook = {
        "on": "customer.speech.timeout",
        "options": {"timeoutSeconds": 4},
        "do": [{"type": "say", "exact": "Hello?"}],
    }
    config = {
        "firstMessage": "Hello.",
        "hooks": [hook],
        "messagePlan": {"idleMessages": ["Still there?"], "idleTimeoutSeconds": 6},
        "silenceTimeoutSeconds": 10,
    }
    c = Scenario(config).connect().run_until_quiet()
    c.feed(ControlReceived(message={"type": "handoff", "destination": to()}))
    patient = {**NEXT, "firstMessageMode": "assistant-waits-for-user", "silenceTimeoutSeconds": 60}
    (order,) = c.outputs(outputs.ResolveAssistant)
    c.feed(AssistantResolved(tool_call_id=order.tool_call_id, assistant=NEXT if speaks_first else patient))
    c.run_until_quiet().run(25_000)
    assert [text for role, text in c.messages() if role == "assistant"] == ["Hello."] + ["Billing here."] * speaks_first
    assert c.ended is None
    c.run(60_000)
    assert c.ended == "silence-timed-out"


@pytest.mark.parametrize(
    ("status", "ended"), [("connected", "assistant-forwarded-call"), ("busy", None), ("no-answer", None)]
)
def test_what_becomes_of_a_transfer_by_control_is_recorded(status: Any, ended: str | None) -> None:
    c = Scenario({"firstMessage": "Hello."}, transport_provider="twilio").connect().run_until_quiet()
    c.feed(ControlReceived(message={"type": "transfer", "destination": NUMBER}))
    (order,) = c.outputs(outputs.Transfer)
    c.feed(TransferProgressed(transfer_id=order.transfer_id, status=status))
    c.run(1_000)
    assert [(e.transfer_id, e.status) for e in c.events(TransferEnded)] == [(order.transfer_id, status)]
    assert c.ended == ended
