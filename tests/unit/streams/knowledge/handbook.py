"""A small handbook, and questions as callers ask them: in its words, in other words, and misspelt or misheard."""

from __future__ import annotations

from typing import Literal

Wording = Literal["same", "other", "wrong"]

SECTIONS: dict[str, str] = {
    "Opening hours": "We open at nine in the morning and closes at five, Monday to Friday. On Saturdays we "
    "are there from ten to two. Sundays and public holidays we are closed.",
    "Where we are": "You find us at 12 Harbour Street, next to the theatre. The tram stop Old Market is near.",
    "Parking": "There is a garage under the building. The first hour is free; after that it is three dollars an hour.",
    "Cleaning": "A professional cleaning takes forty-five minutes and costs 90 dollars. We advise it twice a year.",
    "Whitening": "Whitening takes an hour and costs 240 dollars. It is not suitable during pregnancy.",
    "Implants": "An implant needs three visits over four months. The price begins at 1800 dollars for one tooth.",
    "Braces": "Orthodontic treatment with braces takes eighteen months on average. Invisible aligners are available.",
    "Insurance": "We accept Bluewell, Northern Mutual, Carepoint. Send us your member number before the visit.",
    "Payment": "You can pay by card, in cash or in instalments over six months without interest. We take no cheques.",
    "Cancelling": "Please cancel at least a day before your appointment. A missed appointment costs 40 dollars.",
    "Children": "Children under six see Doctor Okafor, who has a room with toys. A parent has to be in the building.",
    "Emergencies": "With severe pain, call the emergency line at any hour. Two urgent slots are free every morning.",
    "Anaesthesia": "Local anaesthesia is part of every filling. For anxious patients we offer laughing gas.",
    "X-rays": "Digital X-rays are made at the first visit. They are kept for ten years and can be sent by email.",
    "New patients": "Bring an identity card and a list of your medication. The first visit takes an hour.",
    "Wisdom teeth": "Wisdom teeth are removed by our oral surgeon on Thursdays. Do not drive for a day afterwards.",
    "After an extraction": "Do not rinse your mouth for a day and eat only soft food. A little bleeding is normal.",
    "Accessibility": "There is a lift, and every room can be reached with a wheelchair. Guide dogs are welcome.",
    "Languages": "Our team speaks English, German, Polish and Thai. For sign language, book an interpreter a week "
    "ahead.",
    "Privacy": "Health records are never given to third parties without your written consent.",
    "Complaints": "Write to the practice manager, Ms. Lindqvist. You get an answer within five working days.",
    "Jobs": "We are looking for a dental hygienist. Send your curriculum vitae to careers at the clinic's address.",
    "Guarantee": "Crowns and bridges carry a guarantee of five years if you come to a check-up every year.",
    "Gift vouchers": "Vouchers for cleaning and whitening can be bought at the reception and are valid for two years.",
}

QUESTIONS: tuple[tuple[Wording, str, str], ...] = (
    ("same", "When does the clinic open on Saturdays?", "Opening hours"),
    ("same", "How much does whitening cost?", "Whitening"),
    ("same", "How long does a professional cleaning take?", "Cleaning"),
    ("same", "Is there a garage?", "Parking"),
    ("same", "Can I pay in instalments?", "Payment"),
    ("same", "Do you accept Northern Mutual?", "Insurance"),
    ("same", "What does a missed appointment cost?", "Cancelling"),
    ("same", "Who removes wisdom teeth?", "Wisdom teeth"),
    ("same", "How long is the guarantee on crowns?", "Guarantee"),
    ("same", "Do you offer laughing gas?", "Anaesthesia"),
    ("same", "Where can vouchers be bought?", "Gift vouchers"),
    ("same", "Can I come with a wheelchair?", "Accessibility"),
    ("other", "What time do you close?", "Opening hours"),
    ("other", "What is your address?", "Where we are"),
    ("other", "Where can I leave my car?", "Parking"),
    ("other", "Do you take credit cards?", "Payment"),
    ("other", "My tooth hurts terribly, can somebody see me right now?", "Emergencies"),
    ("other", "Is my daughter allowed to come, she is four?", "Children"),
    ("other", "What should I bring to my first appointment?", "New patients"),
    ("other", "What may I eat after a tooth was pulled?", "After an extraction"),
    ("other", "I have to call off my visit tomorrow", "Cancelling"),
    ("other", "Do you have any vacancies for a hygienist?", "Jobs"),
    ("other", "Who can I complain to?", "Complaints"),
    ("other", "Does anybody there speak Polish?", "Languages"),
    ("other", "Do you share my data with others?", "Privacy"),
    ("other", "How do I get to you by public transport?", "Where we are"),
    ("other", "Can I have the pictures of my teeth mailed to me?", "X-rays"),
    ("wrong", "how much is whitning", "Whitening"),
    ("wrong", "do you do invisble alligners", "Braces"),
    ("wrong", "is blue well insurance excepted", "Insurance"),
    ("wrong", "what does an inplant cost", "Implants"),
    ("wrong", "do you have anestesia for anxios patients", "Anaesthesia"),
    ("wrong", "guarantie on bridges", "Guarantee"),
    ("wrong", "acessible with weelchair", "Accessibility"),
)

UNANSWERED: tuple[str, ...] = (
    "Which satellites orbit Jupiter?",
    "How do I reset the router firmware?",
    "Recipe for sourdough bread",
)
"""Nothing in the handbook says anything about these."""


def handbook() -> str:
    """The handbook as Markdown."""
    return "# Handbook of the dental clinic\n\n" + "\n\n".join(
        f"## {name}\n\n{text}" for name, text in SECTIONS.items()
    )
