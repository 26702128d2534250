"""The conversations that people build voice agents for, as configurations of Vapi's wire and what their callers say.

The prompts are for the local dialogue model, so that each can be held with no key and no network; ``says`` is what a
simulated vendor's model answers instead. Used in virtual time and, whole, over real sockets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from domain.call.squads import Member, read_squad
from domain.overrides import apply_overrides

PLACEHOLDER: Final = "https://tools.example/vapi"
"""Where tools are, until somebody says."""
START: Final = {
    "waitSeconds": 0.3,
    "transcriptionEndpointingPlan": {
        "onPunctuationSeconds": 0.2,
        "onNoPunctuationSeconds": 0.7,
        "onNumberSeconds": 0.6,
    },
}


@dataclass(frozen=True, slots=True)
class Turn:
    """``said`` by the caller, or ``keys`` pressed; ``answer`` is in what comes back. ``rephrased``: the second try."""

    said: str
    answer: str = ""
    keys: str = ""
    rephrased: str = ""


@dataclass(frozen=True, slots=True)
class UseCase:
    """``assistant`` or ``squad`` as they stand in a call's request. ``tools`` answers each server tool by its name;
    ``called`` are the tools of a whole call, in order."""

    name: str
    turns: tuple[Turn, ...]
    called: tuple[str, ...]
    assistant: Mapping[str, Any] = field(default_factory=dict)
    squad: Mapping[str, Any] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)
    says: str = "I have noted that."
    activated: tuple[str, ...] = ()
    """Names of the assistants that took over, in order."""

    @property
    def members(self) -> tuple[Member, ...]:
        """Those of the squad, as hand-offs find them."""
        return read_squad(self.squad, NOTHING_STORED, ()).members if self.squad else ()

    @property
    def first(self) -> dict[str, Any]:
        """Who begins, overrides merged."""
        return complete(self.members[0]) if self.squad else dict(self.assistant)

    def request(self, tools_url: str = PLACEHOLDER) -> dict[str, Any]:
        """What goes into ``POST /call``, with its tools at ``tools_url``."""
        name, whole = ("squad", self.squad) if self.squad else ("assistant", self.assistant)
        moved: dict[str, Any] = _moved(dict(whole), tools_url)
        return {name: moved}


def complete(member: Member) -> dict[str, Any]:
    """A member's configuration with its layers on it."""
    return apply_overrides(member.config, member.layers)


def local(prompt: str, *tools: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An assistant of the providers that need no key."""
    model = {
        "provider": "vapi",
        "model": "guided-conversation",
        "messages": [{"role": "system", "content": prompt}],
        "tools": list(tools),
    }
    return {
        "transcriber": {"provider": "vapi"},
        "voice": {"provider": "vapi", "voiceId": "Elliot"},
        "model": model,
        "startSpeakingPlan": START,
        **more,
    }


def function(name: str, description: str, **properties: Any) -> dict[str, Any]:
    """A function tool on the tenant's server; every property is required."""
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": schema},
        "server": {"url": PLACEHOLDER},
        "messages": [{"type": "request-start", "content": "One moment please."}],
    }


def _moved(value: Any, url: str) -> Any:
    if isinstance(value, dict):
        return {name: _moved(each, url) for name, each in value.items()}
    if isinstance(value, list):
        return [_moved(each, url) for each in value]
    return url if value == PLACEHOLDER else value


class _NothingStored:
    """Squads here name nobody that is stored."""

    def find(self, kind: str, id: str, version: str | None = None) -> Any:
        raise LookupError(f"{kind} {id} is not stored")


NOTHING_STORED: Final[Any] = _NothingStored()

END_CALL: Final = {"type": "endCall"}
GOODBYE: Final = Turn("thank you goodbye", rephrased="thank you bye")

SUPPORT: Final = UseCase(
    "support",
    assistant=local(
        "You are Sam, the support of a router company called Northlink.\n\n# Facts\n"
        "Restart: To restart the router, unplug it for ten seconds and plug it in again.\n"
        "Lights: A red light means that there is no connection to the internet.\n"
        "Warranty: Every router has a warranty of two years.\n",
        function(
            "openTicket",
            "Open a support ticket.",
            device={"type": "string", "enum": ["router", "modem", "phone"], "description": "The device."},
            day={"type": "string", "description": "The day of the visit, for example Tuesday."},
        ),
        END_CALL,
        name="Sam at Northlink",
        firstMessage="Northlink support, this is Sam. How can I help?",
        compliancePlan={"securityFilterPlan": {"enabled": True}},
        backgroundSound="office",
        endCallMessage="Thanks for calling Northlink. Goodbye!",
    ),
    turns=(
        Turn("what does the red light mean", answer="no connection"),
        Turn("how long is the warranty", answer="two years"),
        Turn("please open a support ticket", answer="Which would you like"),
        Turn("the router", answer="day", rephrased="router please"),
        Turn("on tuesday", answer="Shall I", rephrased="on tuesday please"),
        Turn("yes please", answer="Ticket nine", rephrased="yes"),
        GOODBYE,
    ),
    tools={"openTicket": "Ticket nine is open. A technician comes on Tuesday."},
    called=("openTicket", "endCall"),
)

APPOINTMENT: Final = UseCase(
    "appointment",
    assistant=local(
        "You are Riley, the receptionist of a dentist.\n\n# Facts\nAddress: You find us at twelve Harbour Street.\n",
        function(
            "bookAppointment",
            "Book an appointment with the dentist.",
            day={"type": "string", "description": "The day of the appointment, for example Tuesday."},
            time={"type": "string", "description": "The time or part of the day, for example morning."},
        ),
        END_CALL,
        name="Riley",
        firstMessage="Hello, this is Riley at the dentist. How can I help you?",
        firstMessageInterruptionsEnabled=True,
        compliancePlan={
            "recordingConsentPlan": {
                "type": "stay-on-line",
                "message": "This call is recorded. Hang up if you do not want that.",
                "waitSeconds": 1,
            }
        },
        hooks=[
            {
                "on": "customer.speech.timeout",
                "options": {"timeoutSeconds": 20},
                "do": [{"type": "say", "exact": "Hello?"}],
            }
        ],
    ),
    turns=(
        Turn("i would like to book an appointment please", answer="which day"),
        Turn("on tuesday", answer="what time", rephrased="on tuesday please"),
        Turn("in the morning please", answer="Shall I", rephrased="in the morning"),
        Turn("yes please", answer="You are booked", rephrased="yes"),
        GOODBYE,
    ),
    tools={"bookAppointment": "You are booked for Tuesday at nine o'clock."},
    called=("bookAppointment", "endCall"),
)

SALES: Final = UseCase(
    "sales qualification",
    assistant=local(
        "You are Kim of a company that sells solar panels.\n\n# Facts\n"
        "Price: A system for one house costs about nine thousand dollars.\n"
        "Warranty: Panels have a warranty of twenty years.\n",
        function(
            "qualifyLead",
            "Request an offer.",
            building={"type": "string", "enum": ["house", "office"], "description": "The kind of building."},
            day={"type": "string", "description": "The day of the visit, for example Tuesday."},
        ),
        END_CALL,
        name="Kim",
        firstMessage="Hi, this is Kim. Are you thinking about solar panels?",
        messagePlan={"idleMessages": ["Are you still there?"], "idleTimeoutSeconds": 20},
        startSpeakingPlan={**START, "smartEndpointingPlan": {"provider": "livekit", "waitFunction": "200 + 900 * x"}},
        endCallPhrases=["have a sunny day"],
    ),
    turns=(
        Turn("how much does a system cost", answer="nine thousand", rephrased="what is the price"),
        Turn("i would like to request an offer", answer="Which would you like", rephrased="request an offer please"),
        Turn("it is for the office", answer="day", rephrased="the office please"),
        Turn("on friday", answer="Shall I", rephrased="on friday please"),
        Turn("yes please", answer="An offer", rephrased="yes"),
        GOODBYE,
    ),
    tools={"qualifyLead": "An offer is on its way to you."},
    called=("qualifyLead", "endCall"),
)

IVR: Final = UseCase(
    "replacement of a menu of keys",
    assistant=local(
        "You are the telephone desk of a bank.\n\n# Facts\n"
        "Card: To block a card, press two or say block my card.\n"
        "Opening hours: Our branches are open from nine to five.\n",
        function("blockCard", "Block a card.", code={"type": "string", "description": "The code of the card."}),
        {
            "type": "transferCall",
            "destinations": [
                {"type": "number", "number": "+14155552671", "message": "I connect you with a colleague."}
            ],
        },
        END_CALL,
        name="Desk",
        firstMessage="Welcome to the bank. What can I do for you?",
        keypadInputPlan={"enabled": True, "timeoutSeconds": 2, "delimiters": "#"},
        silenceTimeoutSeconds=40,
    ),
    turns=(
        Turn("when are you open", answer="nine to five", rephrased="what are your opening hours"),
        Turn("please block a card", answer="code"),
        Turn("", keys="4711#", answer="Shall I"),
        Turn("yes please", answer="blocked", rephrased="yes"),
        GOODBYE,
    ),
    tools={"blockCard": "The card is blocked."},
    called=("blockCard", "endCall"),
)


def _to(name: str, what: str) -> dict[str, Any]:
    return {
        "type": "handoff",
        "function": {"name": f"transferTo{name}", "description": f"Transfer the caller to {what}."},
        "destinations": [{"type": "assistant", "assistantName": name, "description": what}],
    }


SQUAD: Final = UseCase(
    "squad of three",
    squad={
        "name": "Front desk",
        "members": [
            {
                "assistant": local(
                    "You are the reception of a garage.\n\n# Facts\nAddress: We are at the harbour.\n",
                    _to("Workshop", "the workshop"),
                    name="Reception",
                    firstMessage="Hello, this is the garage. How can I help?",
                )
            },
            {
                "assistant": local(
                    "You are the workshop of a garage.\n\n# Facts\nWaiting: A repair takes two days.\n",
                    _to("Billing", "the billing desk"),
                    name="Workshop",
                    firstMessage="Workshop, what is the matter?",
                ),
                "assistantOverrides": {"stopSpeakingPlan": {"numWords": 2}},
            },
            {
                "assistant": local(
                    "You are the billing desk of a garage.\n\n# Facts\nPrices: A repair costs two hundred dollars.\n",
                    END_CALL,
                    name="Billing",
                    firstMessage="Billing, how can I help?",
                    endCallMessage="Drive safely. Goodbye!",
                )
            },
        ],
        "membersOverrides": {"maxDurationSeconds": 300},
    },
    turns=(
        Turn("i would like to speak to somebody", answer="Workshop, what", rephrased="can i talk to a person"),
        Turn("how long does a repair take", answer="two days"),
        Turn("i want to talk to a person please", answer="Billing, how", rephrased="i would like to speak to somebody"),
        Turn("how much does a repair cost", answer="two hundred", rephrased="what are the prices"),
        GOODBYE,
    ),
    called=("transferToWorkshop", "transferToBilling", "endCall"),
    activated=("Workshop", "Billing"),
)

USE_CASES: Final = (SUPPORT, APPOINTMENT, SALES, IVR, SQUAD)
