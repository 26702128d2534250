"""The subjects that callers of any line ask about: how a question shows that it means one, and a fact that it tells it.

``We are at twelve Harbour Street`` has no word in common with ``where can i find you``. Both are about the place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PREMISES = (
    r"(?:office|shop|store|place|building|branch|company|clinic|practice|surgery|restaurant|hotel|library|salon|school|"
    r"museum|bank|showroom|premises|studio|gym|entrance|reception)"
)
_PLACE = rf"(?:the|your) {_PREMISES}"


@dataclass(frozen=True, slots=True)
class Subject:
    """``asked`` matches questions (spoken words), ``told`` facts as they are written. ``words`` are added to either for
    comparison, and ``name`` is what the subject is called to a caller."""

    name: str
    words: str
    asked: re.Pattern[str]
    told: re.Pattern[str]


SUBJECTS = (
    Subject(
        "where we are",
        "address location",
        re.compile(
            rf"\bwhere(?:abouts)?(?: exactly)?(?: is| are|'s)? (?:you|it|this|that|{_PLACE})\b(?! (?:open|clos))|"
            r"\bwhere (?:can|do|could|should) (?:i|we) (?:come|go|find it)(?: to)?$|"
            rf"\b(?:find|visit|meet|get to|come to|reach|drive to|walk to) (?:you|there|{_PLACE})$|\bhow .* get there$|"
            r"\b(?:your|the) (?:address|location)\b|\b(?:which|what) (?:street|road|city|town|part of town)\b"
        ),
        re.compile(
            r"\b(?:[Ww]e are|[Ww]e're|(?:[Oo]ur|[Tt]he) \w+ (?:is|are)|[Yy]ou(?: can| will|'ll)? find us)"
            r"(?: now| also)?(?: located| based| situated)? "
            r"(?:at (?!least|most|home|your|the (?:moment|weekend))|next to|near\b|opposite|behind|between|across|"
            r"on (?:the (?:corner|[a-z]+ floor)|[A-Z](?!\w*day))|"
            r"in (?:the (?:heart|centre|center|middle|old|city)|[A-Z]))|"
            r"\b(?:located|situated|headquartered|based) (?:at|in|on|near|next)\b|\b[Vv]isit us (?:at|in|on)\b|"
            r"\b[A-Z]\w+ (?:Street|Road|Avenue|Lane|Square|Boulevard|Drive|Way|Place)\b"
        ),
    ),
    Subject(
        "opening hours",
        "opening hours",
        re.compile(
            r"\b(?:open|opens|opening|close|closes|closing|closed)\b(?!.*\baccount)|\bhours\b|\bhow late\b|"
            r"\b(?:what time|when) (?:can|could|should) (?:i|we) (?:come|visit|call)\b"
        ),
        re.compile(
            r"\b[Oo]pen(?:ing|s)?\b|\b[Cc]losed?\b|\b(?:on weekdays|Monday (?:to|through|until))\b|"
            r"\b[Hh]ours are\b"
        ),
    ),
    Subject(
        "prices",
        "price cost",
        re.compile(
            r"\bhow much (?:is|are|do|does|did|will|would|for|to|money)\b|\bhow much$|"
            r"\b(?:price|prices|cost|costs|fee|fees|charge|charges|expensive|cheap)\b|\bhave to pay\b"
        ),
        re.compile(
            r"[$€£]\s?\d|\b(?:dollars?|euros?|pounds?|cents?)\b|\bfree of charge\b|\b[Cc]osts?\b|\b[Pp]rices?\b|"
            r"\b[Ff]ees?\b"
        ),
    ),
    Subject(
        "how to contact us",
        "contact phone email",
        re.compile(
            r"\b(?:phone|telephone|fax) number\b|\be ?mail\b|\bcontact (?:you|details|information)\b|\bweb ?site\b"
        ),
        re.compile(r"\S@\S|\b[Pp]hone\b|\b[Ee]-?mail\b|\b[Cc]all us\b|\b(?:www\.|[Ww]eb ?site\b)"),
    ),
)
"""In the order in which they are offered."""


def asked_about(text: str) -> Subject | None:
    """The subject of a question in spoken words, if it is one of these."""
    return next((subject for subject in SUBJECTS if subject.asked.search(text)), None)


def told_by(fact: str) -> tuple[Subject, ...]:
    """The subjects that a written statement tells something about."""
    return tuple(subject for subject in SUBJECTS if subject.told.search(fact))
