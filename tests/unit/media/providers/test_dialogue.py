"""Conversations with the guided-conversation model: given a prompt and tools, when the caller says, then it answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from domain.knowledge.tool import definition
from media.providers.language_model import ModelRequest, TextDelta, ToolCallRequest, Usage
from media.providers.local.dialogue.model import GuidedConversation, answer

DEMO = json.loads((Path(__file__).parents[4] / "infra/demo/assistant.json").read_text(encoding="utf-8"))

SHOP_PROMPT = """You are Ava, the voice of Harbour Books. If you do not know, say "I don't know about that."
Never promise a delivery date.

# Facts
Returns: You can return a book within thirty days.
Delivery: Delivery takes three working days and costs four dollars.
- We have a reading corner for children.
Q: Do you buy used books?
A: Yes, on Saturdays we buy used books."""

SHOP_TOOLS = (
    {
        "type": "function",
        "function": {
            "name": "get_order_status",
            "description": "Looks up the status of an order.",
            "parameters": {
                "type": "object",
                "properties": {"order_number": {"type": "string", "description": "The number of the order"}},
                "required": ["order_number"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "reserve_book",
            "description": "Reserve a book for somebody.",
            "parameters": {
                "type": "object",
                "properties": {
                    "format": {"type": "string", "enum": ["hardcover", "paperback"]},
                    "copies": {"type": "integer", "description": "How many copies would you like?"},
                    "customer_name": {"type": "string", "description": "The name of the caller"},
                    "gift_wrapping": {"type": "boolean"},
                },
                "required": ["format", "copies", "customer_name"],
            },
        },
    },
)


class Talk:
    """One conversation; ``results`` answers tool calls by name."""

    def __init__(
        self,
        prompt: str,
        tools: tuple[Mapping[str, Any], ...],
        *,
        first_message: str = "",
        results: Mapping[str, str] | None = None,
    ) -> None:
        self.messages: list[dict[str, Any]] = [{"role": "system", "content": prompt}]
        if first_message:
            self.messages.append({"role": "assistant", "content": first_message})
        self.tools = tools
        self.results = results or {}
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def say(self, text: str) -> str:
        """What the assistant answers; a tool that it calls is answered first."""
        self.messages.append({"role": "user", "content": text})
        reply = answer(self.messages, self.tools)
        if reply.call is not None:
            self.calls.append((reply.call.name, dict(reply.arguments)))
            result = self.results.get(reply.call.name)
            if result is None:
                return ""
            call = {"id": "c1", "type": "function", "function": {"name": reply.call.name, "arguments": "{}"}}
            self.messages.append({"role": "assistant", "content": "", "tool_calls": [call]})
            self.messages.append({"role": "tool", "tool_call_id": "c1", "content": result})
            reply = answer(self.messages, self.tools)
        self.messages.append({"role": "assistant", "content": reply.text})
        return reply.text


def dentist() -> Talk:
    model = DEMO["model"]
    return Talk(
        model["messages"][0]["content"],
        tuple(model["tools"]),
        first_message=DEMO["firstMessage"],
        results={
            "bookAppointment": "You are booked for Tuesday at half past nine.",
            "checkAvailability": json.dumps(["nine o'clock", "half past ten"]),
        },
    )


def shop(**results: str) -> Talk:
    return Talk(SHOP_PROMPT, SHOP_TOOLS, results=results)


def test_the_demo_conversation() -> None:
    talk = dentist()
    assert talk.say("Hello, I would like to book an appointment for Tuesday morning.") == (
        "Shall I book an appointment with the dentist on Tuesday in the morning?"
    )
    assert talk.say("yes please").startswith("You are booked for Tuesday at half past nine.")
    assert talk.say("what are your opening hours").startswith("We are open Monday to Friday from eight")
    assert talk.say("thank you goodbye") == ""
    assert talk.calls == [("bookAppointment", {"day": "Tuesday", "time": "morning"}), ("endCall", {})]


def test_missing_parameters_are_asked_for_one_by_one() -> None:
    talk = dentist()
    assert talk.say("i want to book a cleaning") == "For which day?"
    assert talk.say("next wednesday") == "At what time?"
    question = talk.say("three o'clock")
    assert question == "Shall I book an appointment with the dentist next Wednesday at three o'clock, for cleaning?"
    talk.say("yes that is fine")
    booked = {"service": "cleaning", "day": "next Wednesday", "time": "three o'clock"}
    assert talk.calls == [("bookAppointment", booked)]


def test_a_correction_before_agreement_changes_only_what_it_names() -> None:
    talk = dentist()
    talk.say("book an appointment for tuesday at ten o'clock")
    assert "on Friday at ten o'clock" in talk.say("no on friday instead")
    talk.say("yes")
    assert talk.calls == [("bookAppointment", {"day": "Friday", "time": "ten o'clock"})]


def test_a_correction_after_the_call_asks_again_before_it_calls_again() -> None:
    talk = dentist()
    talk.say("book an appointment for tuesday morning")
    talk.say("yes")
    assert "on Friday in the morning" in talk.say("no on friday instead")
    assert len(talk.calls) == 1
    talk.say("yes please")
    assert talk.calls[1] == ("bookAppointment", {"day": "Friday", "time": "morning"})


def test_a_refusal_without_a_reason_is_asked_about() -> None:
    talk = dentist()
    talk.say("book an appointment for tuesday morning")
    assert talk.say("no") == "All right. What should I change?"
    assert "on Tuesday in the afternoon" in talk.say("in the afternoon")


def test_giving_up_a_task() -> None:
    talk = dentist()
    talk.say("i would like to book an appointment")
    assert talk.say("never mind").startswith("All right, I will not do that.")
    assert talk.say("where are you").startswith("You find us at twelve Harbour Street")
    assert talk.calls == []


def test_a_question_in_the_middle_is_answered_and_the_task_goes_on() -> None:
    talk = dentist()
    talk.say("i want to book an appointment for friday")
    answered = talk.say("do you take insurance")
    assert answered.startswith("We accept all major dental insurance plans.")
    assert answered.endswith("At what time?")
    assert "on Friday at nine o'clock" in talk.say("nine o'clock")


def test_a_lookup_is_done_at_once_and_its_subject_is_carried_over() -> None:
    talk = dentist()
    assert talk.say("what times are free on monday").startswith("Nine o'clock and half past ten.")
    assert talk.calls == [("checkAvailability", {"day": "Monday"})]
    assert "on Monday at nine o'clock" in talk.say("please book nine o'clock")


def test_a_bare_day_and_time_is_taken_for_the_obvious_request() -> None:
    assert dentist().say("could i come in on thursday afternoon") == (
        "Shall I book an appointment with the dentist on Thursday in the afternoon?"
    )


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("how much does whitening cost", "two hundred dollars"),
        ("where can i park", "free parking"),
        ("are you open on sunday", "On Sunday we are closed"),
        ("can i pay by credit card", "credit card or in cash"),
        ("do you treat children", "from the age of three"),
        ("which bus goes there", "number five bus"),
        ("how do i cancel my appointment", "one day before"),
        ("i have a tooth ache", "same day"),
        ("who are your dentists", "Doctor Lee"),
    ],
)
def test_questions_are_answered_from_the_prompt(question: str, expected: str) -> None:
    talk = dentist()
    assert expected in talk.say(question)
    assert talk.calls == []


def test_what_is_not_in_the_prompt_is_not_invented() -> None:
    talk = dentist()
    first = talk.say("what is the capital of australia")
    second = talk.say("do you sell violins in vienna")
    third = talk.say("how tall is the eiffel tower")
    assert "did not understand" in first
    assert "book an appointment" in first
    assert len({first, second, third}) == 3
    assert talk.calls == []


def test_nothing_heard_is_not_understood() -> None:
    assert "did not understand" in dentist().say("[inaudible]")


def test_say_that_again() -> None:
    talk = dentist()
    hours = talk.say("what are your opening hours")
    assert talk.say("can you say that again please") == hours


def test_an_interrupted_answer_is_repeated_whole() -> None:
    talk = dentist()
    hours = talk.say("what are your opening hours")
    talk.messages[-1]["content"] = hours[:30]
    assert talk.say("sorry can you repeat that") == hours


def test_no_to_anything_else_ends_the_call() -> None:
    talk = dentist()
    talk.say("what times are free on monday")
    assert talk.say("no thank you") == ""
    assert talk.calls[-1] == ("endCall", {})


def test_goodbye_without_an_end_call_tool_is_said() -> None:
    assert shop().say("thank you goodbye") == "Thank you for calling. Goodbye!"


def test_it_says_what_it_is() -> None:
    said = shop().say("are you a real person")
    assert said.startswith("I am Ava, an automatic assistant.")


def test_a_person_cannot_be_had_without_a_transfer_tool() -> None:
    assert shop().say("can i speak to a human please").startswith("I am sorry, I cannot connect you to a person.")


def test_a_transfer_tool_is_used_when_a_person_is_asked_for() -> None:
    transfer = {"type": "function", "function": {"name": "transferCall", "parameters": {"type": "object"}}}
    talk = Talk(SHOP_PROMPT, (*SHOP_TOOLS, transfer))
    talk.say("i want to speak to a person")
    assert talk.calls == [("transferCall", {})]


def test_digits_are_collected_and_a_json_result_is_read_out() -> None:
    talk = shop(get_order_status='{"status": "Your order was shipped on Monday."}')
    assert talk.say("where is my order") == "What is the number of the order?"
    assert talk.say("it is four seven double two nine").startswith("Your order was shipped on Monday.")
    assert talk.calls == [("get_order_status", {"order_number": "47229"})]


def test_choices_numbers_names_and_yes_or_no() -> None:
    talk = shop(reserve_book="done")
    assert talk.say("i would like to reserve a book") == "Which would you like: hardcover or paperback?"
    assert talk.say("the paperback please") == "How many copies would you like?"
    assert talk.say("twenty two") == "May I have your name, please?"
    assert talk.say("my name is mary jones").endswith("for paperback, copies 22, for Mary Jones?")
    assert talk.say("yes").startswith("Done.")
    assert talk.calls == [
        ("reserve_book", {"format": "paperback", "copies": 22, "customer_name": "Mary Jones"}),
    ]


def test_an_answer_that_does_not_fit_is_asked_for_again() -> None:
    talk = shop()
    talk.say("i would like to reserve a book")
    assert talk.say("purple elephants") == (
        "I am sorry, I did not get that. Which would you like: hardcover or paperback?"
    )


def test_a_failed_tool_is_admitted() -> None:
    talk = shop(get_order_status="Error: request timed out")
    talk.say("what is the status of my order")
    assert talk.say("one two three").startswith("I am sorry, that did not work.")


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("can i return a book", "within thirty days"),
        ("how long does delivery take", "three working days"),
        ("do you buy used books", "on Saturdays"),
        ("is there something for children", "reading corner"),
    ],
)
def test_every_form_of_knowledge_is_found(question: str, expected: str) -> None:
    assert expected in shop().say(question)


def test_orders_to_a_model_are_not_told_to_callers() -> None:
    said = shop().say("do you promise a delivery date")
    assert "Never promise" not in said


def test_the_prompts_own_words_for_not_knowing_are_used() -> None:
    assert shop().say("what is the meaning of life").startswith("I don't know about that.")


def test_nobody_has_spoken_yet() -> None:
    assert (
        answer([{"role": "system", "content": SHOP_PROMPT}], []).text == "Hello! This is Ava. How can I help you today?"
    )


def test_what_somebody_else_knows_about_is_handed_over() -> None:
    billing = {"name": "handoff_to_Billing", "description": "Knows about every bill or invoice"}
    talk = Talk(
        "You are the desk.", ({"type": "function", "function": billing},), results={"handoff_to_Billing": "Done."}
    )
    assert "hand you over to billing" in talk.say("colourless green ideas")
    talk.say("there is a problem with my invoice")
    assert talk.calls == [("handoff_to_Billing", {})]


PASSAGES = (
    "[hours.md, part 1, Opening hours]\n# Opening hours\n"
    "We open at nine. We close at five. Saturdays we rest. So do I.\n\n"
    "[hours.md, part 2, Parking]\nThere is a garage."
)


def test_what_the_prompt_does_not_say_is_looked_up_in_the_documents() -> None:
    query = {"type": "query", "knowledgeBases": [{"name": "practice", "description": "Hours and parking"}]}
    search = {"type": "function", "function": definition(query)}
    talk = Talk("You answer.\n\n# Facts\nWifi: The wifi is free.", (search,), results={"search_knowledge": PASSAGES})
    assert talk.say("When do you open?").startswith("We open at nine. We close at five. Saturdays we rest. ")
    assert talk.say("is the wifi free?").startswith("The wifi is free.")
    assert talk.say("where can I park my car").startswith("There is a garage.")
    assert talk.say("no").endswith("Goodbye!")
    assert talk.calls == [
        ("search_knowledge", {"query": "when do you open"}),
        ("search_knowledge", {"query": "where can i park my car"}),
    ]


PRICES = (
    "[prices.txt, part 1]\nPrice list of the clinic.\n\nCleaning costs ninety dollars.\n\n"
    "Whitening costs 240 dollars and takes one hour. Errors are put right for nothing.\n\n"
    "[errors.txt, part 1]\nAn error was never reported."
)


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("how much is whitening", "Whitening costs 240 dollars and takes one hour. Errors are put right for nothing."),
        ("what does a cleaning cost", "Cleaning costs ninety dollars."),
        ("did anybody ever report an error", "An error was never reported."),
        ("colourless green ideas", "Price list of the clinic. Cleaning costs ninety dollars. Whitening costs 240"),
    ],
)
def test_a_search_of_any_name_is_read_out_where_it_answers_the_question(question: str, told: str) -> None:
    query = {"type": "query", "function": {"name": "clinicPrices"}, "knowledgeBases": [{"name": "prices"}]}
    search = {"type": "function", "function": definition(query)}
    talk = Talk("You answer questions about a clinic.", (search,), results={"clinicPrices": PRICES})
    assert talk.say(question).startswith(told)
    assert talk.calls == [("clinicPrices", {"query": question})]


def test_words_of_the_assistant_after_the_question_do_not_change_the_answer() -> None:
    messages = [
        {"role": "system", "content": SHOP_PROMPT},
        {"role": "user", "content": "how long does delivery take"},
    ]
    begun = [*messages, {"role": "assistant", "content": "Delivery takes"}]
    assert answer(messages, []).text == answer(begun, []).text


async def test_text_streams_word_by_word_with_estimated_usage() -> None:
    model = GuidedConversation()
    request = ModelRequest(messages=({"role": "user", "content": "who are you"},))
    facts = [fact async for fact in model.stream(request)]
    words = [fact.text for fact in facts if isinstance(fact, TextDelta)]
    assert len(words) > 3
    assert "".join(words).startswith("I am an automatic assistant.")
    assert isinstance(facts[-1], Usage)
    assert facts[-1].estimated
    assert facts[-1].completion_tokens > 0
    assert (model.provider, model.model) == ("vapi", "guided-conversation")


async def test_a_tool_call_is_streamed_alone() -> None:
    request = ModelRequest(messages=({"role": "user", "content": "goodbye"},), tools=({"type": "endCall"},))
    first, last = [fact async for fact in GuidedConversation().stream(request)]
    assert isinstance(first, ToolCallRequest)
    assert (first.name, first.arguments) == ("endCall", {})
    assert isinstance(last, Usage)


def test_the_same_request_gets_the_same_answer() -> None:
    first, second = dentist(), dentist()
    script = ("hello", "book a filling", "tomorrow", "nonsense entirely", "ten thirty", "yes", "thanks", "bye")
    assert [first.say(line) for line in script] == [second.say(line) for line in script]
