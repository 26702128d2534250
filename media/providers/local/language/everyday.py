"""Everyday questions around any visit: parking, waiting, bringing somebody, finding the entrance, getting a receipt.

Hardly any configuration mentions these things, but callers do; without the words the recogniser would hear others in
their place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_COMPANIONS = (
    *("children", "kids", "child", "baby", "son", "daughter", "wife", "husband", "partner", "mother", "father"),
    *("parents", "friend", "friends", "family", "dog", "cat", "colleague"),
)
_VEHICLES = ("car", "bike", "bicycle", "motorcycle", "van")
_BELONGINGS = ("car", "bike", "bicycle", "bags", "bag", "luggage", "coat", "things", "umbrella")
_LOST = ("keys", "phone", "wallet", "bag", "umbrella", "card", "password", "glasses", "receipt", "ticket")
_FACILITIES = (
    *("parking lot", "parking space", "car park", "garage", "toilet", "bathroom", "elevator", "lift", "ramp", "shop"),
    *("waiting room", "bus stop", "train station", "subway station", "entrance", "back door", "restaurant", "cafe"),
    *("bank", "hotel", "pharmacy", "playground", "garden", "pool", "gym", "waiting list", "discount", "deposit"),
)
_OFFERINGS = (
    *("parking", "wifi", "toilets", "coffee", "food", "drinks", "gift cards", "vouchers", "discounts", "time", "space"),
    *("wheelchair access", "an elevator", "a website", "a menu", "a phone number", "an email address", "an app"),
    *("anything cheaper", "anything else", "something cheaper", "a discount for students", "a discount for children"),
)
_PAPERS = ("a receipt", "an invoice", "a bill", "the bill", "a refund", "a discount", "a ticket", "a confirmation")
_SENT = (
    *("the address", "the bill", "the invoice", "a receipt", "an email", "a message", "a link", "a confirmation"),
    *("the details", "the directions", "the documents", "more information"),
)
_LANGUAGES = ("english", "spanish", "french", "german", "italian", "portuguese", "chinese", "arabic")
_CHANGED = ("appointment", "booking", "reservation", "order", "address", "name", "phone number", "date", "time")
_PAID_WITH = ("my phone", "a check", "cash", "a credit card", "a debit card", "a gift card", "insurance", "my card")
_MEASURES = ("far", "expensive", "safe", "difficult", "busy", "crowded", "included", "open", "allowed", "necessary")
_MINUTES = ("five", "ten", "fifteen", "twenty", "thirty")

_FRAMES: tuple[tuple[Sequence[str], Sequence[str]], ...] = (
    (
        _COMPANIONS,
        (
            "can i bring my {0}",
            "can i come with my {0}",
            "may i bring my {0}",
            "can my {0} come too",
            "i am coming with my {0}",
            "i am calling for my {0}",
            "it is for my {0}",
            "can i bring a {0}",
        ),
    ),
    (
        _VEHICLES,
        (
            "where can i park my {0}",
            "can i park my {0} there",
            "where do i park my {0}",
            "where should i leave my {0}",
            "i am coming by {0}",
            "i have a {0}",
            "my {0}",
        ),
    ),
    (_BELONGINGS, ("can i leave my {0} there", "where can i leave my {0}", "can i leave my {0} outside", "my {0}")),
    (_LOST, ("i lost my {0}", "i have lost my {0}", "i forgot my {0}", "i think i left my {0} there", "my {0}")),
    (
        _FACILITIES,
        (
            "is there a {0}",
            "is there a {0} nearby",
            "is there a {0} near you",
            "do you have a {0}",
            "where is the {0}",
            "where is the nearest {0}",
            "is the {0} open",
            "can i use the {0}",
            "i cannot find the {0}",
        ),
    ),
    (_OFFERINGS, ("do you have {0}", "is there {0}", "is there any {0}", "do you offer {0}")),
    (_PAPERS, ("can i get {0}", "can i have {0}", "i need {0}", "i would like {0}", "could you give me {0}")),
    (_SENT, ("can you send me {0}", "could you send me {0}", "please send me {0}", "can you email me {0}")),
    (_LANGUAGES, ("do you speak {0}", "does anyone speak {0}", "can we speak {0}", "do the staff speak {0}")),
    (
        _CHANGED,
        ("can i change my {0}", "i would like to change my {0}", "i need to change my {0}", "can you change my {0}"),
    ),
    (_PAID_WITH, ("can i pay with {0}", "do you take {0}", "do you accept {0}")),
    (_MEASURES, ("is it {0}", "is that {0}", "is it very {0}", "how {0} is it")),
    (_MINUTES, ("i will be {0} minutes late", "i am {0} minutes late", "in {0} minutes", "{0} minutes")),
)

_SENTENCES = (
    "where can i park",
    "where do i park",
    "can i park there",
    "can i park here",
    "can i park nearby",
    "can i park on the street",
    "is parking free",
    "how much is parking",
    "is there free parking",
    "where is the parking",
    "how long do i have to wait",
    "how long is the wait",
    "do i have to wait",
    "is there a long wait",
    "do i have to book in advance",
    "do i have to book",
    "do i need an appointment",
    "do i need a reservation",
    "do i need a ticket",
    "can i come without an appointment",
    "can i just come in",
    "can i walk in",
    "do i have to pay in advance",
    "do i have to sign up",
    "when do i have to pay",
    "what happens if i cancel",
    "what happens if i am late",
    "i am running late",
    "i will be late",
    "i will be a little late",
    "i am a bit late",
    "i am on my way",
    "i am outside",
    "i am in front of the door",
    "i cannot come",
    "i can't come",
    "i can't make it",
    "i missed my appointment",
    "i have an appointment",
    "i have a reservation",
    "i have a problem",
    "there is a problem",
    "something is wrong",
    "it does not work",
    "it doesn't work",
    "is it far from here",
    "is it far from the station",
    "how far is it from the station",
    "how far is it from the airport",
    "how do i get there by bus",
    "how do i get there by car",
    "can i come by bus",
    "which bus do i take",
    "which floor is it",
    "which floor are you on",
    "is there a bus",
    "is there anything near you",
    "can i sit outside",
    "can i wait outside",
    "can i wait inside",
    "can i smoke",
    "can i use the toilet",
    "may i use the bathroom",
    "what should i wear",
    "what should i bring",
    "what do you recommend",
    "what do you have",
    "what else do you have",
    "how does it work",
    "how does that work",
    "how many people can come",
    "how many do you have",
    "how old do you have to be",
    "is it for children",
    "is it good for children",
    "is it still available",
    "is anything available",
    "is it included",
    "is it free of charge",
    "is it wheelchair accessible",
    "is there a fee",
    "is there an extra charge",
    "are dogs allowed",
    "are children allowed",
    "are you busy",
    "are you the owner",
    "are you open on holidays",
    "are you open at christmas",
    "do you have a website",
    "what is your website",
    "what is the website",
    "what is the password",
    "what is the wifi password",
    "who can help me",
    "can somebody help me",
    "can someone call me back",
    "when can you call me",
    "when can i come",
    "when can i pick it up",
    "can i pick it up",
    "can i collect it",
    "can you deliver",
    "when will it be ready",
    "is it ready",
    "how long will that be",
    "i would like to make a complaint",
    "i want to complain",
    "i am not happy",
    "i want my money back",
    "i would like a refund",
    "i am looking for a present",
    "i am looking for something",
    "i am a new customer",
    "i am new here",
    "i have been there before",
    "this is my first time",
    "it is my first time",
    "i am calling for a friend",
    "i called yesterday",
    "i called before",
    "i got a letter from you",
    "i got a message from you",
    "you called me",
    "somebody called me",
)


def everyday_sentences() -> Iterator[str]:
    """Lower-case spoken words, a sentence each."""
    yield from _SENTENCES
    for things, frames in _FRAMES:
        for thing in things:
            yield from (frame.format(thing) for frame in frames)
