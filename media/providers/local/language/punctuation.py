"""Punctuation and capitals for what a recogniser heard as bare words.

The mark at the end is a judgement: it says that the caller seems to have finished a phrase, and endpointing waits less
after it. A phrase that sounds as if it went on ("i would like to book a") therefore stays without a mark, and so does
one that ends in a number or in spelled letters, since more of them may follow.
"""

from __future__ import annotations

import re

from media.providers.local.language.spoken import NUMBER_WORDS

_DANGLING_TEXT = (
    "a an the my your our his their its every another next last any some very "
    "to of in on at for with from by about into near until till between than per without "
    "and or but so because if when while whose who whether unless what where why how which "
    "is are was were am be been i'm it's that's there's we're they're you're i'd i'll i've what's where's "
    "do does did have has had can could may might will would shall should must let let's want wants need needs "
    "i we he they he's she's um uh er hmm mm like also maybe perhaps doctor mister prefer rather "
    "dot dash underscore double triple plus minus half quarter past"
)
_DANGLING = frozenset(_DANGLING_TEXT.split())
"""Words that ask for another one after them."""

_WHOLE_ALONE = frozenset(("what", "where", "when", "why", "who"))

_QUESTION_WORD = r"(?:what|what's|where|where's|when|when's|who|who's|whose|which|why|how|how's)"
_SUBJECT = r"(?:i|you|we|it|he|she|they|this|that|there)"
_BE = r"(?:is|are|am|was|were)"
_MODAL = r"(?:do|does|did|can|could|may|might|will|would|shall|should|must|have|has|had)"
_DENIAL = r"(?:isn't|aren't|wasn't|don't|doesn't|didn't|can't|couldn't|won't|wouldn't|shouldn't|haven't|hasn't)"
_ACT = (
    r"(?:book|make|schedule|order|reserve|arrange|get|buy|find|take|bring|give|send|tell|ask|know|see|use|check|prefer|"
    r"change|move|update|reschedule|speak|talk|have|do|need|want|like|say)"
)

_POLITE_START = re.compile(
    r"^(?:(?:(?:hello|hi|hey)(?: there)?|good (?:morning|afternoon|evening)|yes|yeah|no|okay|sorry|excuse me|well|so|"
    r"and|but|oh|um|uh|actually|please|thank you|thanks) )+"
)
_POLITE_END = re.compile(r"(?: (?:please|thank you(?: very much| so much)?|thanks(?: a lot)?|then|sorry))+$")

_SPELLING = re.compile(r"\b(?<!')[b-hj-z]$(?<! [ap] m)")
_THINKING = re.compile(
    r"\b(?:let me (?:see|think|check|look)|hold on|hang on|wait|(?:a|one) (?:moment|second|minute))$|"
    r"^(?:well|actually)$"
)
_WHOLE = re.compile(
    "|".join(
        (
            rf"^(?:yes|yeah|no|okay|sure|of course) {_SUBJECT} (?:{_BE}|do|does|did|can|could|will|would)$",
            rf"^{_QUESTION_WORD} {_BE} \w+$",
            r"\b(?:if|as|whatever|what|all) (?:i|you|we) (?:like|want|can|do|need|have)$",
            r"\b(?:i (?:do not |don't )?know|(?:think|hope) so|i see|let me know)$",
            rf"\b(?:know|tell me|say|wondering|ask|see|understand|remember|explain)\b.* {_QUESTION_WORD} .*\b\w+ "
            rf"(?:{_BE}|do|does|did|can|have|has|will|want|need)$",
            rf"^(?:what|which|who|how much|how many)\b.* {_SUBJECT} (?:\w+ )*?{_ACT}(?: me| to| with)?$",
            rf"^(?:how|where|when|why)\b.* (?:i|you|we) (?:\w+ )*?{_ACT}$",
            r"\b(?:speaking|talking) (?:to|with)$",
            r"\b(?:looking|waiting|asking|calling|that|this|it) for$",
            r"\b(?:you|that|this|it) (?:from|at|about)$|\bcalling from$|\bhelp (?:me|you|us) with$",
            r"\b(?:of|in) may$|^please do$|^do (?:that|this|it)$",
            r"\b(?:come|stop|drop|get|going) (?:in|by|on)$",
            r"\b(?:is it|that's|that is) (?:it|like)$|\b(?:look|sound)s? like$|\bthat's it$",
        )
    )
)
"""Phrases that are finished although their last word, elsewhere, would ask for more."""

_OPENING = re.compile(
    rf"^(?:(?:{_QUESTION_WORD}(?: \w+){{0,2}} )?{_MODAL} {_SUBJECT}|{_BE} {_SUBJECT}|"
    r"(?:can|could|would|will) you (?:tell|give|show|send)(?: me)?|do you (?:take|accept|offer|sell|mean)|tell me|"
    r"(?:i|we) (?:think|said|mean|meant|guess|hope)|i was wondering|"
    r"how (?:much|many|long|far)|what (?:kind|time|day))$"
)
"""Beginnings of a request whose particulars are still to come."""

_OBJECT_TO_COME = re.compile(
    r"\b(?:to|i|you|we|and|not) (?:book|make|schedule|order|reserve|arrange|get|buy|find|take|bring|give|send|tell|ask|"
    r"know|see|use|check|prefer|change|move|update|reschedule|speak|talk)$"
)

_QUESTION = re.compile(
    rf"^(?!do (?:that|this|it)\b)(?:{_QUESTION_WORD}\b(?! an? | i\b)|(?:{_BE}|{_MODAL}|{_DENIAL}) {_SUBJECT}\b|"
    r"(?:is|are|was|were|does|did|will|would|can|could|has) (?!better\b|possible\b|fine\b|be\b|not\b|do\b)\w+ \w+|"
    r"is any(?:one|body)\b)|"
    rf" {_DENIAL} {_SUBJECT}$| is that (?:right|correct|okay|possible)$"
)

_FIRST_PERSON = re.compile(r"\bi(?=$|[ '])")
_DAY_OR_MONTH = re.compile(
    r"\b(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday|january|february|april|june|july|august|september|"
    r"october|november|december)(?=$|[ '])"
)


def punctuated(words: str, *, continues: bool = False) -> str:
    """``words`` (lower case, one blank between them) as a sentence: capitals, and ``?`` or ``.`` if it seems finished.

    ``continues`` says that they go on with a phrase left open before; they then begin in lower case."""
    if not words:
        return words
    going_on = is_open(words)
    text = _DAY_OR_MONTH.sub(lambda match: match[0].capitalize(), _FIRST_PERSON.sub("I", words))
    counting = {words.split(" ", 1)[0], words.rsplit(" ", 1)[-1]} <= NUMBER_WORDS
    if not continues and not counting:
        text = text[0].upper() + text[1:]
    if going_on:
        return text
    return f"{text}?" if is_question(words) else f"{text}."


def is_open(words: str) -> bool:
    """Whether the speaker of these lower-case words seems to go on."""
    if words.rsplit(" ", 1)[-1] in NUMBER_WORDS or _SPELLING.search(words):
        return True
    if _WHOLE.search(words):
        return False
    request = _POLITE_END.sub("", words)
    core = _POLITE_START.sub("", request)
    if _THINKING.search(core):
        return True
    if _WHOLE.search(core) or core in _WHOLE_ALONE:
        return False
    if core.rsplit(" ", 1)[-1] in _DANGLING or _OPENING.search(core):
        return True
    # Who says please has said what for, or takes it for known.
    return bool(_OBJECT_TO_COME.search(words))


def is_question(words: str) -> bool:
    """Whether these lower-case words have the shape of a question."""
    return words in ("sorry", "pardon") or bool(_QUESTION.search(_POLITE_START.sub("", words)))
