"""What is said in the synthetic calls: a few trades with questions, answers and a tool, and words to search for."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

NAMES = (
    "Ada",
    "Grace",
    "Alan",
    "Barbara",
    "Edsger",
    "Frances",
    "Donald",
    "Radia",
    "Ken",
    "Margaret",
    "Niklaus",
    "Jean",
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
TIMES = ("nine", "half past nine", "ten", "a quarter past eleven", "two in the afternoon", "half past three", "five")
STREETS = ("Mill Lane", "Station Road", "Church Street", "Harbour Way", "Linden Avenue", "Kings Court", "Orchard Close")
RARE = ("zirconia", "quarantine", "xylophone", "velodrome", "marzipan", "gondola", "obsidian", "pergola", "tapestry")
"""Words that come once in some hundred calls: what somebody looks for in transcripts."""


@dataclass(frozen=True)
class Conversation:
    """What both sides say, turn by turn (the first turn has no question), and what the tool does in ``tool_turns``."""

    customer: str
    exchanges: tuple[tuple[str, str], ...]
    tool: str
    arguments: dict[str, Any]
    result: str
    tool_turns: frozenset[int]


@dataclass(frozen=True)
class _Trade:
    greeting: str
    exchanges: tuple[tuple[str, str], ...]
    tool: str
    result: str


_TRADES = (
    _Trade(
        "Good day, this is the dental practice on {street}. How can I help you?",
        (
            ("Hello, I would like an appointment on {day} at {time}.", "Let me see. {day} at {time} is free."),
            ("My tooth hurts since {day}, is there anything sooner?", "I am sorry to hear that. We have {time} today."),
            ("Can you tell me what a cleaning costs?", "A professional cleaning is ninety five euros for an adult."),
            ("I have to cancel, something came up.", "No problem, I have cancelled your appointment on {day}."),
            ("Is the crown made of ceramic or gold?", "Both are possible, the dentist will explain it on {day}."),
            ("Yes, {day} works for me, please book it.", "It is booked for {day} at {time}, {name}."),
        ),
        "book_appointment",
        "booked",
    ),
    _Trade(
        "Hello {name}, I am calling from the power company about your meter reading.",
        (
            ("I do not have the number with me right now.", "That is fine, you can send it until {day}."),
            ("Why is my bill so high this month?", "Your consumption rose by twelve percent since last winter."),
            ("I moved to {street}, do you know that?", "Thank you, I have changed your address to {street}."),
            ("I want to speak to a person, please.", "I understand. I will have a colleague call you at {time}."),
            ("The meter shows four thousand two hundred and ten.", "Thank you, I noted four thousand two hundred ten."),
        ),
        "save_reading",
        "reading saved",
    ),
    _Trade(
        "Welcome to the pizza place in {street}, what can I get you?",
        (
            ("Two margherita and one with tuna, please.", "Two margherita and one tuna. Anything to drink?"),
            ("How long will it take?", "About forty minutes, it is {day} evening and we are busy."),
            ("Can you leave out the onions?", "Of course, no onions on any of them."),
            ("Deliver it to {street} please, name is {name}.", "Got it, {name}, {street}. Cash or card?"),
            ("I will pay with card at the door.", "Thank you, your order will be there in forty minutes."),
        ),
        "place_order",
        "order accepted",
    ),
    _Trade(
        "Thank you for calling support. Please tell me what the problem is.",
        (
            ("My internet connection drops every evening.", "Let me run a line test for {street}. One moment please."),
            ("The router blinks red all the time.", "Red means that it has no signal. Please restart it once."),
            ("I did that already, twice.", "Then a technician has to look at it. Would {day} at {time} suit you?"),
            ("I would like to cancel my contract.", "I am sorry to hear that. May I ask for the reason?"),
            ("Your competitor is simply cheaper.", "I can offer you the same speed for five euros less a month."),
            ("All right, that sounds good to me.", "Great, I have changed your plan from {day} on."),
        ),
        "run_line_test",
        "line test passed",
    ),
)
_ASIDES = (
    "Sorry, there was a noise, something about a {rare}.",
    "My neighbour told me about a {rare}, does that matter?",
    "Wait, the children found a {rare}, one second.",
)
_GOODBYE = ("Thanks, that is all. Goodbye.", "Thank you for calling, {name}. Goodbye.")


def conversation(random_: random.Random) -> Conversation:
    """One conversation of two to about twenty turns, most of them short."""
    trade = random_.choice(_TRADES)
    words = {
        "name": random_.choice(NAMES),
        "day": random_.choice(DAYS),
        "time": random_.choice(TIMES),
        "street": random_.choice(STREETS),
    }
    length = min(2 + int(random_.expovariate(0.25)), 20)
    turns = [("", trade.greeting)]
    for _ in range(length - 2):
        asked, answer = random_.choice(trade.exchanges)
        if random_.random() < 0.02:
            asked = random_.choice(_ASIDES).replace("{rare}", random_.choice(RARE))
        turns.append((asked, answer))
    turns.append(_GOODBYE)
    return Conversation(
        customer=words["name"],
        exchanges=tuple((asked.format(**words), answer.format(**words)) for asked, answer in turns),
        tool=trade.tool,
        arguments={"day": words["day"], "time": words["time"]},
        result=trade.result,
        tool_turns=frozenset(turn for turn in range(2, length + 1) if random_.random() < 0.18),
    )
