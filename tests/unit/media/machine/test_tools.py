"""Tool calls: what is called, said, told to the model, and how the conversation goes on."""

from __future__ import annotations

from typing import Any

import pytest

from domain.call.events import ToolCalled, ToolCompleted, ToolFailed, Warned
from domain.call.tool_parameters import static_parameters
from media.machine import inputs, outputs
from media.machine.inputs import RequestedTool, ToolErred, ToolReturned
from media.machine.tool_plan import DELAY_FILLER, START_FILLERS, Condition
from media.machine.tools import MOST_ROUNDS
from tests.unit.media.machine.scenario import Reply, Scenario

SERVER = {"url": "https://shop.example/tools"}


def tool(name: str = "findOrder", **fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}, "server": SERVER, "messages": [], **fields}


def call(name: str = "findOrder", id: str = "c1", **arguments: Any) -> RequestedTool:
    return RequestedTool(id, name, arguments)


def asking(*tools: dict[str, Any], calls: tuple[RequestedTool, ...], config: dict[str, Any] | None = None) -> Scenario:
    """A caller's question that the model answers with tool calls and then, when asked again, with a sentence."""
    scenario = Scenario({"model": {"tools": list(tools)}, **(config or {})})
    scenario.replies = [Reply(calls=calls), Reply("It ships on Monday.")]
    return scenario.connect()


def said(scenario: Scenario) -> list[str]:
    return [text for role, text in scenario.messages() if role == "assistant"]


def test_result_goes_to_the_model_which_answers() -> None:
    c = asking(tool(), calls=(call(orderId="K-204"),))
    c.results["findOrder"] = (500, ToolReturned(tool_call_id="", result="ships Monday"))
    c.hear("Where is my order?").run(300)
    assert c.phase == "TOOL_WAIT"
    c.run_until_quiet()
    assert said(c) == ["It ships on Monday."]
    assert c.outputs(outputs.StartModel)[-1].messages == (
        {"role": "user", "content": "Where is my order?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "findOrder", "arguments": '{"orderId": "K-204"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "ships Monday"},
    )
    assert c.events(ToolCalled)[0].arguments == {"orderId": "K-204"}
    assert c.events(ToolCompleted)[0].result == "ships Monday"


def test_client_messages_of_a_tool_call() -> None:
    c = asking(tool(), calls=(call(orderId="K-204"),))
    c.results["findOrder"] = (500, ToolReturned(tool_call_id="", result="ok", metadata={"row": 1}))
    c.hear("Where is my order?").run_until_quiet()
    (message,) = c.told("tool-calls")
    assert set(message) == {"type", "toolCallList"}
    arguments = {"orderId": "K-204"}
    assert message["toolCallList"] == [
        {
            "id": "c1",
            "type": "function",
            "name": "findOrder",
            "arguments": arguments,
            "parameters": arguments,
            "function": {"name": "findOrder", "arguments": arguments},
        }
    ]
    result = {"toolCallId": "c1", "name": "findOrder", "result": "ok", "metadata": {"row": 1}}
    assert c.told("tool-calls-result") == [{"type": "tool-calls-result", "toolCallResult": result}]
    history = c.told("conversation-update")[-1]["messages"]
    assert [entry["role"] for entry in history] == ["user", "tool_calls", "tool_call_result", "bot"]


def test_text_of_an_answer_with_a_tool_call_is_not_spoken() -> None:
    c = asking(tool(), calls=())
    c.replies = [Reply("Let me look that up for you.", calls=(call(),), delay_ms=0), Reply("It ships on Monday.")]
    c.results["findOrder"] = (10, ToolReturned(tool_call_id="", result="ok"))
    c.hear("Where is my order?").run_until_quiet()
    assert said(c) == ["It ships on Monday."]


def test_without_a_messages_key_default_fillers_are_spoken() -> None:
    c = asking(tool(messages=None), calls=(call(),))
    c.results["findOrder"] = (9000, ToolReturned(tool_call_id="", result="ok"))
    c.hear("Where is my order?").run_until_quiet()
    assert said(c) == [START_FILLERS[0], DELAY_FILLER, "It ships on Monday."]


def test_with_an_empty_list_nothing_is_said_meanwhile() -> None:
    c = asking(tool(messages=[]), calls=(call(),))
    c.results["findOrder"] = (9000, ToolReturned(tool_call_id="", result="ok"))
    c.hear("Where is my order?").run_until_quiet()
    assert said(c) == ["It ships on Monday."]


def test_request_start_variants_by_condition() -> None:
    messages = [
        {"type": "request-start", "content": "Checking a big order.",
         "conditions": [{"param": "items", "operator": "gt", "value": 10}]},
        {"type": "request-start", "content": "Checking."},
    ]  # fmt: skip
    c = asking(tool(messages=messages), calls=(call(items=3),))
    c.results["findOrder"] = (100, ToolReturned(tool_call_id="", result="ok"))
    c.hear("Where is my order?").run_until_quiet()
    assert said(c)[0] == "Checking."


@pytest.mark.parametrize(
    ("operator", "below", "same", "above"),
    [
        ("eq", False, True, False),
        ("neq", True, False, True),
        ("gt", False, False, True),
        ("gte", False, True, True),
        ("lt", True, False, False),
        ("lte", True, True, False),
    ],
)
def test_conditions_compare_numbers_however_they_are_written(
    operator: str, below: bool, same: bool, above: bool
) -> None:
    for wanted in (10, "10"):
        condition = Condition("items", operator, wanted)
        assert [condition.holds({"items": items}) for items in (9, "10", 10.0, "11.5")] == [below, same, same, above]
    assert Condition("items", operator, 10).holds({"items": "many"}) == (operator == "neq")
    assert Condition("items", operator, 10).holds({}) == (operator == "neq")
    assert Condition("items", operator, 10).holds({"items": 10**400}) == (operator == "neq")
    assert Condition("items", operator, "7").holds({"items": "007"}) == (operator in ("neq", "gte", "lte"))


def test_blocking_request_start_is_spoken_before_the_request_goes_out() -> None:
    messages = [{"type": "request-start", "content": "One moment, I ask.", "blocking": True}]
    c = asking(tool(messages=messages), calls=(call(),))
    c.results["findOrder"] = (100, ToolReturned(tool_call_id="", result="ok"))
    c.hear("Where is my order?").run_until_quiet()
    spoken_at = next(
        at
        for at, o in c.log
        if isinstance(o, outputs.Record) and getattr(o.event, "text", "") == messages[0]["content"]
    )
    assert c.times(outputs.CallTool) == [spoken_at]


def test_an_interrupted_blocking_message_still_lets_the_request_go() -> None:
    messages = [{"type": "request-start", "content": "One moment, I ask in the back office.", "blocking": True}]
    c = asking(tool(messages=messages), calls=(call(),))
    c.hear("Where is my order?")
    while c.phase != "ASSISTANT_SPEAKING":
        c.run(10)
    c.run(200).feed(inputs.FinalHeard(text="stop"))
    c.run(50)
    assert len(c.outputs(outputs.CallTool)) == 1


def test_request_complete_takes_the_place_of_the_model() -> None:
    messages = [{"type": "request-complete", "content": "Your order is on its way."}]
    c = asking(tool(messages=messages), calls=(call(),))
    c.results["findOrder"] = (100, ToolReturned(tool_call_id="", result="ok"))
    c.hear("Where is my order?").run_until_quiet()
    assert said(c) == ["Your order is on its way."]
    assert len(c.outputs(outputs.StartModel)) == 1


def test_request_complete_is_only_for_results_that_are_not_empty() -> None:
    messages = [{"type": "request-complete", "content": "Your order is on its way."}]
    c = asking(tool(messages=messages), calls=(call(),))
    c.results["findOrder"] = (100, ToolReturned(tool_call_id="", result=""))
    c.hear("Where is my order?").run_until_quiet()
    assert said(c) == ["It ships on Monday."]
    assert c.outputs(outputs.StartModel)[-1].messages[-1]["content"] == "No result returned."


def test_request_complete_for_the_model_is_an_instruction() -> None:
    messages = [{"type": "request-complete", "content": "Be brief.", "role": "system"}]
    c = asking(tool(messages=messages), calls=(call(),))
    c.results["findOrder"] = (100, ToolReturned(tool_call_id="", result="ok"))
    c.hear("Where is my order?").run_until_quiet()
    assert said(c) == ["It ships on Monday."]
    assert c.outputs(outputs.StartModel)[-1].messages[-1] == {"role": "system", "content": "Be brief."}


def test_request_complete_can_end_the_call() -> None:
    messages = [{"type": "request-complete", "content": "Done, bye.", "endCallAfterSpokenEnabled": True}]
    c = asking(tool(messages=messages), calls=(call(),))
    c.results["findOrder"] = (100, ToolReturned(tool_call_id="", result="ok"))
    c.hear("Where is my order?").run(10_000)
    assert said(c) == ["Done, bye."]
    assert c.ended == "assistant-ended-call-after-message-spoken"


def test_the_servers_own_message_comes_first() -> None:
    messages = [{"type": "request-complete", "content": "Your order is on its way."}]
    c = asking(tool(messages=messages), calls=(call(),))
    own = {"type": "request-complete", "content": "It is in Leeds."}
    c.results["findOrder"] = (100, ToolReturned(tool_call_id="", result="ok", message=own))
    c.hear("Where is my order?").run_until_quiet()
    assert said(c) == ["It is in Leeds."]


def test_a_server_message_that_cannot_be_read_is_left_out() -> None:
    c = asking(tool(), calls=(call(),))
    c.results["findOrder"] = (100, ToolReturned(tool_call_id="", result="ok", message={"type": 5}))
    c.hear("Where is my order?").run_until_quiet()
    assert said(c) == ["It ships on Monday."]


def test_failure_speaks_the_failed_message_and_the_call_goes_on() -> None:
    c = asking(tool(messages=[{"type": "request-failed", "content": "The shop does not answer."}]), calls=(call(),))
    c.results["findOrder"] = (100, ToolErred(tool_call_id="", failure="timeout", error="No answer within 20 s."))
    c.hear("Where is my order?").run_until_quiet()
    assert said(c) == ["The shop does not answer."]
    assert [(event.failure, event.error) for event in c.events(ToolFailed)] == [("timeout", "No answer within 20 s.")]
    c.hear("Never mind then.").run_until_quiet()
    assert said(c)[-1] == "It ships on Monday."
    assert {"role": "tool", "tool_call_id": "c1", "content": "No answer within 20 s."} in c.outputs(outputs.StartModel)[
        -1
    ].messages


def test_failure_without_a_message_is_explained_by_the_model() -> None:
    c = asking(tool(), calls=(call(),))
    c.results["findOrder"] = (100, ToolErred(tool_call_id="", failure="something-new", error="Broken."))
    c.hear("Where is my order?").run_until_quiet()
    assert said(c) == ["It ships on Monday."]
    assert c.events(ToolFailed)[0].failure == "error"


def test_parallel_calls_are_answered_together() -> None:
    c = asking(tool("a"), tool("b"), calls=(call("a", "c1"), call("b", "c2")))
    c.results = {
        "a": (900, ToolReturned(tool_call_id="", result="A")),
        "b": (100, ToolReturned(tool_call_id="", result="B")),
    }
    c.hear("Both please.").run(700)
    assert c.phase == "TOOL_WAIT"
    assert len(c.outputs(outputs.StartModel)) == 1
    c.run_until_quiet()
    results = [message for message in c.outputs(outputs.StartModel)[-1].messages if message["role"] == "tool"]
    assert [(message["tool_call_id"], message["content"]) for message in results] == [("c1", "A"), ("c2", "B")]


def test_async_tools_are_sent_and_the_model_goes_on_at_once() -> None:
    c = asking(tool(**{"async": True, "messages": None}), calls=(call(),))
    c.hear("Please note it.").run_until_quiet()
    assert [order.detached for order in c.outputs(outputs.CallTool)] == [True]
    assert said(c) == ["It ships on Monday."]
    assert len(c.events(ToolCompleted)) == 1


def test_client_side_tools_are_only_announced() -> None:
    c = asking({"type": "function", "function": {"name": "openPage"}}, calls=(call("openPage"),))
    c.hear("Show me.").run_until_quiet()
    assert len(c.told("tool-calls")) == 1
    assert not c.outputs(outputs.CallTool)
    assert len(c.outputs(outputs.StartModel)) == 1
    assert c.phase == "IDLE"


@pytest.mark.parametrize(
    ("configured", "wanted", "told"),
    [
        ({"type": "sms", "function": {"name": "text"}}, "text", "Text messages need a phone number"),
        (tool(), "somethingElse", "There is no tool named 'somethingElse'"),
    ],
)
def test_tools_that_cannot_be_run_are_refused_to_the_model(configured: dict[str, Any], wanted: str, told: str) -> None:
    c = asking(configured, calls=(call(wanted),))
    c.hear("Do it.").run_until_quiet()
    assert c.events(ToolFailed)[0].failure == "rejected"
    assert c.outputs(outputs.StartModel)[-1].messages[-1]["content"].startswith(told)
    assert said(c) == ["It ships on Monday."]


def test_static_parameters_override_the_models_arguments() -> None:
    c = asking(tool(parameters=[{"key": "shop", "value": "leeds"}]), calls=(call(shop="evil", orderId="1"),))
    c.hear("Where is it?").run(300)
    assert c.events(ToolCalled)[0].arguments == {"shop": "leeds", "orderId": "1"}
    # Whoever carries it out puts the static ones in; the model reads again what it wrote itself.
    sent = c.outputs(outputs.CallTool)[0]
    assert static_parameters(sent.tool) == {"shop": "leeds"}
    c.feed(ToolReturned(tool_call_id="c1", result="ok"))
    c.run(50)
    assert "leeds" not in str(c.outputs(outputs.StartModel)[-1].messages)


def test_delay_messages_keep_their_distance_and_stages() -> None:
    messages = [
        {"type": "request-response-delayed", "content": "Still looking.", "timingMilliseconds": 1000},
        {"type": "request-response-delayed", "content": "Nearly there.", "timingMilliseconds": 2000},
    ]
    c = asking(tool(messages=messages), calls=(call(),))
    c.results["findOrder"] = (20_000, ToolReturned(tool_call_id="", result="ok"))
    c.hear("Where is my order?").run_until_quiet()
    assert said(c) == ["Still looking.", "Nearly there.", "It ships on Monday."]
    first, second = c.times(outputs.StartPlayout)[:2]
    assert second - (first + len("Still looking.") * 50) >= 2500


def test_words_during_a_tool_are_answered_together_with_its_result() -> None:
    c = asking(tool(), calls=(call(),))
    c.results["findOrder"] = (3000, ToolReturned(tool_call_id="", result="ok"))
    c.hear("Where is my order?").run(300)
    c.hear("The blue box.").run(200)
    assert c.phase == "TOOL_WAIT"
    c.run_until_quiet()
    roles = [message["role"] for message in c.outputs(outputs.StartModel)[-1].messages]
    assert roles == ["user", "assistant", "tool", "user"]
    assert said(c) == ["It ships on Monday."]


def test_a_result_that_comes_while_the_caller_speaks_waits_for_the_turn() -> None:
    c = asking(tool(messages=[{"type": "request-complete", "content": "Found it."}]), calls=(call(),))
    c.results["findOrder"] = (600, ToolReturned(tool_call_id="", result="ok"))
    c.hear("Where is my order?").run(300)
    c.hear("The blue box.", speak_ms=2000)
    assert len(c.outputs(outputs.StartModel)) == 1
    c.run_until_quiet()
    assert said(c) == ["It ships on Monday."]


def test_end_call_tool_speaks_the_end_message_and_hangs_up() -> None:
    c = asking({"type": "endCall"}, calls=(call("endCall"),), config={"endCallMessage": "Goodbye!"})
    c.hear("That was all.").run(5000)
    assert said(c) == ["Goodbye!"]
    assert c.ended == "assistant-ended-call"
    assert c.events(ToolCompleted)[0].name == "endCall"


def test_end_call_tool_without_a_message_hangs_up_at_once() -> None:
    c = asking({"type": "endCall"}, calls=(call("endCall"),))
    c.hear("That was all.").run(1000)
    assert said(c) == []
    assert c.ended == "assistant-ended-call"


def test_answers_for_unknown_calls_are_ignored() -> None:
    c = asking(tool(), calls=(call(),))
    c.feed(ToolReturned(tool_call_id="nobody", result="?"))
    c.feed(ToolErred(tool_call_id="nobody", failure="error", error="?"))
    assert not c.events(ToolCompleted)
    assert not c.events(ToolFailed)


def test_definitions_for_the_model() -> None:
    parameters = {"type": "object", "properties": {"orderId": {"type": "string"}}}
    configured = {"type": "function", "function": {"name": "f", "description": "d", "parameters": parameters}}
    plan = Scenario({"model": {"tools": [configured, {"type": "endCall"}]}}).plan
    assert plan.tool_definitions[0] == {
        "type": "function",
        "function": {"name": "f", "description": "d", "parameters": parameters},
    }
    assert [definition["function"]["name"] for definition in plan.tool_definitions] == ["f", "endCall"]


SLOW_START = [{"type": "request-start", "content": "Let me look into the order book, that is a thick one."}]


def over_the_filler(words: str) -> Scenario:
    """Words said while a filler is spoken and the model already works on the tool's result."""
    c = asking(tool(messages=SLOW_START), calls=(call(),), config={"stopSpeakingPlan": {"numWords": 9}})
    c.replies.append(Reply("The blue box it is."))
    c.results["findOrder"] = (100, ToolReturned(tool_call_id="", result="ok"))
    c.hear("Where is my order?")
    while c.phase != "ASSISTANT_SPEAKING":
        c.run(10)
    c.run(2500).feed(inputs.FinalHeard(text=words))
    return c.run_until_quiet()


def test_words_over_a_filler_make_the_answer_behind_it_stale() -> None:
    c = over_the_filler("the blue one I mean")
    assert [text for _, text in c.messages()] == [
        "Where is my order?",
        SLOW_START[0]["content"],
        "the blue one I mean",
        "The blue box it is.",
    ]


def test_acknowledging_a_filler_does_not_ask_twice() -> None:
    c = over_the_filler("okay")
    assert said(c) == [SLOW_START[0]["content"], "It ships on Monday."]
    assert ("user", "okay") in c.messages()
    assert len(c.outputs(outputs.StartModel)) == 2


def test_ids_that_a_model_uses_again_are_told_apart() -> None:
    c = asking(tool(), calls=(call(id="call_0"),))
    c.replies = [Reply(calls=(call(id="call_0"),)), Reply(calls=(call(id="call_0"), call(id=""))), Reply("Done.")]
    c.results["findOrder"] = (100, ToolReturned(tool_call_id="", result="ok"))
    c.hear("Where is my order?").run_until_quiet()
    ids = [event.tool_call_id for event in c.events(ToolCalled)]
    assert len(set(ids)) == 3
    assert [event.tool_call_id for event in c.events(ToolCompleted)] == ids
    assert said(c) == ["Done."]


def regex(pattern: str, **fields: Any) -> dict[str, Any]:
    return {"type": "regex", "regex": pattern, **fields}


@pytest.mark.parametrize(
    ("conditions", "rejected"),
    [
        ([], False),
        ([regex("(?i)never mind")], True),
        ([regex("please")], False),
        ([regex("(bye|goodbye)", target={"role": "user"}, negate=True)], True),
        ([regex("Hello", target={"role": "assistant", "position": 0})], True),
        ([regex("Hello", target={"position": 7})], False),
        ([regex("order"), regex("please")], False),
        ([{"type": "group", "operator": "OR", "conditions": [regex("order"), regex("please")]}], True),
        ([{"type": "group", "operator": "AND", "conditions": [regex("order"), regex("Never")]}], True),
        ([{"type": "liquid", "liquid": "true"}], True),
        ([{"type": "liquid", "liquid": "{% if messages.size > 100 %}true{% endif %}"}], False),
    ],
)
def test_rejection_plan(conditions: list[dict[str, Any]], rejected: bool) -> None:
    configured = tool(rejectionPlan={"conditions": conditions})
    c = asking(configured, calls=(call(),), config={"firstMessage": "Hello there."}).run_until_quiet()
    c.results["findOrder"] = (100, ToolReturned(tool_call_id="", result="ok"))
    c.hear("Never mind my order.").run_until_quiet()
    assert [event.failure for event in c.events(ToolFailed)] == (["rejected"] if rejected else [])
    assert bool(c.outputs(outputs.CallTool)) is not rejected
    assert said(c)[-1] == "It ships on Monday."


def test_a_rejected_end_call_does_not_end_the_call() -> None:
    conditions = [regex("bye", target={"role": "user"}, negate=True)]
    c = asking({"type": "endCall", "rejectionPlan": {"conditions": conditions}}, calls=(call("endCall"),))
    c.hear("What else is there?").run_until_quiet()
    assert c.ended is None
    assert said(c) == ["It ships on Monday."]


def test_a_cough_over_a_filler_does_not_cost_the_answer() -> None:
    c = asking(tool(messages=SLOW_START), calls=(call(),))
    c.replies = [c.replies[0], Reply("It ships never.", delay_ms=60_000), Reply("It ships on Monday.")]
    c.results["findOrder"] = (100, ToolReturned(tool_call_id="", result="ok"))
    c.hear("Where is my order?")
    while c.phase != "ASSISTANT_SPEAKING":
        c.run(10)
    c.run(1000).feed(inputs.SpeechStarted(at_ms=c.now))
    c.run(400).feed(inputs.SpeechStopped(at_ms=c.now))
    c.run_until_quiet()
    assert c.requests == {1: "finished", 2: "aborted", 3: "finished"}
    assert said(c)[-1] == "It ships on Monday."


def test_arguments_that_cannot_be_read_do_not_reach_the_tool_and_the_model_is_told() -> None:
    broken = RequestedTool("c1", "findOrder", {}, problem="The arguments are not a JSON object.")
    c = asking(tool(), calls=(broken,))
    c.hear("Where is my order?").run_until_quiet()
    assert c.outputs(outputs.CallTool) == []
    assert c.events(ToolFailed)[0].error == "The arguments are not a JSON object."
    assert said(c) == ["It ships on Monday."]


def test_a_model_that_only_ever_calls_tools_is_stopped_until_the_caller_speaks() -> None:
    c = asking(tool(), calls=(call(),))
    c.replies = [Reply(calls=(call(id=f"c{number}"),)) for number in range(200)]
    c.results["findOrder"] = (10, ToolReturned(tool_call_id="", result="again"))
    c.hear("Where is my order?").run(20_000)
    assert len(c.outputs(outputs.StartModel)) == MOST_ROUNDS
    assert [warned.code for warned in c.events(Warned)] == ["tool-loop"]
    c.replies = [Reply("It ships on Monday.")]
    c.hear("Are you there?").run_until_quiet()
    assert said(c) == ["It ships on Monday."]
