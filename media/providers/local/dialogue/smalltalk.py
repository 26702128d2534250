"""What callers say that has nothing to do with the assistant's subject, recognised by phrase."""

from __future__ import annotations

import re
from typing import Literal

SmallTalk = Literal[
    "goodbye",
    "repeat",
    "wait",
    "presence",
    "thanks",
    "finished",
    "abandon",
    "person",
    "who-are-you",
    "abilities",
    "how-are-you",
    "question",
    "call-back",
    "greeting",
]

_PATTERNS: tuple[tuple[SmallTalk, re.Pattern[str]], ...] = (
    (
        "goodbye",
        re.compile(
            r"\b(?:good ?bye|bye|see you|talk to you later|hang up|"
            r"have a (?:nice|good) (?:day|evening|weekend))\b"
        ),
    ),
    (
        "repeat",
        re.compile(
            r"\b(?:say (?:that|it) (?:again|once more|one more time)|repeat (?:that|it)|"
            r"(?:can|could) you repeat|what (?:did you say|was that)|"
            r"(?:did not|didn't) (?:hear|get|understand|catch) (?:you|that|it)|"
            r"more slowly|a little slower|once more please)\b|^(?:pardon|pardon me|excuse me|sorry|what)$"
        ),
    ),
    (
        "wait",
        re.compile(
            r"^(?:wait|hold on|hang on|(?:just )?(?:a|one) (?:moment|second|minute)|"
            r"let me (?:think|see|check))$"
        ),
    ),
    (
        "presence",
        re.compile(
            r"\b(?:can you hear me|do you hear me|(?:any|some)(?:one|body) (?:still )?there|"
            r"are you (?:still )?there|hello hello)\b"
        ),
    ),
    (
        "finished",
        re.compile(
            r"^(?:no |okay |thank you |thanks )*(?:that's all|that is all|that's it|that is it|nothing else|"
            r"that will be all|i'm done|i am done|nothing)\b"
        ),
    ),
    ("abandon", re.compile(r"\b(?:never ?mind|forget (?:it|about it|that)|i changed my mind|leave it)\b")),
    (
        "person",
        re.compile(
            r"\b(?:speak|talk|connect|transfer|put)\b.*\b(?:someone|somebody|person|human|agent|representative|"
            r"operator|manager|staff|colleague|team)\b|"
            r"\b(?:i (?:want|need|would like)|get me|give me) (?:a|the) (?:real |actual |live )?(?:person|"
            r"human)\b|^(?:agent|operator|human|representative)(?: please)?$"
        ),
    ),
    (
        "who-are-you",
        re.compile(
            r"\b(?:who are you|who is this|who am i (?:speaking|talking) (?:to|with)|your name|"
            r"am i talking to a|what (?:is this (?:place|number)|(?:company|place|business|number) is this|"
            r"number (?:have i|did i))|"
            r"(?:who|what|where) (?:have i (?:reached|called)|am i calling|did i (?:call|reach))|"
            r"introduce yourself|tell me (?:something )?about yourself|"
            r"are you (?:a |an )?(?:real |human )?(?:robot|human|machine|computer|person|bot|ai))\b"
        ),
    ),
    (
        "abilities",
        re.compile(
            r"\b(?:what can (?:you|i) (?:do|ask)|(?:what|which) (?:\w+ ){0,4}can i ask|what can you help|"
            r"how can you help|can you help me|could you help me|"
            r"i need (?:some )?help|what are my options|help me|"
            r"what (?:do you (?:do|offer|know)|can you (?:tell me|offer))(?! \w)|how does this work)\b|"
            r"^help(?: please)?$"
        ),
    ),
    ("how-are-you", re.compile(r"\bhow are you\b|\bhow is it going\b|\bhow do you do\b")),
    (
        "question",
        re.compile(
            r"^(?:i have (?:a|another|one more)(?: quick)? question|(?:one more|another) question|"
            r"(?:can|may|could) i ask (?:you )?(?:something|a question)|"
            r"i would like to ask (?:you )?(?:something|a question))$"
        ),
    ),
    ("call-back", re.compile(r"\b(?:call me back|ring me back|give me a call|leave a message|take a message)\b")),
    ("thanks", re.compile(r"\b(?:thank you|thanks)\b")),
    ("greeting", re.compile(r"^(?:hello|hi|hey|good (?:morning|afternoon|evening))\b")),
)
_POLITE = re.compile(
    r"^(?:(?:hello|hi|hey|there|good (?:morning|afternoon|evening)|please|okay|well|um|uh|so|oh|and) )+|"
    r"(?: (?:please|thank you(?: very much)?|thanks(?: a lot)?))+$"
)
_LONGEST_REMARK = 7
"""A longer sentence that merely begins or ends politely is about something else."""

_ANYWHERE: frozenset[SmallTalk] = frozenset(
    ("goodbye", "repeat", "abandon", "person", "who-are-you", "abilities", "presence")
)

_WHOLE: frozenset[SmallTalk] = frozenset(("wait", "question", "call-back"))
"""Recognised by what is left without politeness."""


def small_talk(text: str) -> SmallTalk | None:
    """The kind of remark ``text`` (spoken words) is, or None when it is about something."""
    core = without_politeness(text)
    for kind, pattern in _PATTERNS:
        if kind in _WHOLE:
            if pattern.search(core):
                return kind
        elif pattern.search(text):
            if kind in _ANYWHERE and len(text.split()) <= 2 * _LONGEST_REMARK:
                return kind
            if len(core.split()) <= 2 and len(text.split()) <= _LONGEST_REMARK:
                return kind
            if kind == "finished":
                return kind
    return None


def without_politeness(text: str) -> str:
    """``text`` without greetings in front and thanks behind."""
    previous = None
    while previous != text:
        previous, text = text, _POLITE.sub("", text).strip()
    return text
