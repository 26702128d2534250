"""Consent to being recorded, before the conversation begins: nothing is recorded until it was given.

Who stays on the line after the message agrees by it, or, where the plan wants words, by saying so. What counts as yes
and no are phrases; whoever is not understood is asked again, and who gives no answer has not agreed.
"""

from __future__ import annotations

from typing import Final

from domain.call.events import RecordingConsentAnswered
from media.machine import ending, history, hooks, opening, speaking, variables
from media.machine.moment import Moment
from media.machine.outputs import AllowRecording
from media.machine.speaking_plans import words_of

SOURCE: Final = "consent-message"
TIMER: Final = "consent"
MOST_ASKED: Final = 3
ANSWER_LIMIT_MS: Final = 8_000.0
"""How long an answer may take before the question is put again."""
DECLINED_REASON: Final = "assistant-ended-call"

_YES = (
    *("yes", "yeah", "yep", "yup", "sure", "ok", "okay", "alright", "all right", "fine", "agree", "agreed", "consent"),
    *("accept", "absolutely", "certainly", "definitely", "of course", "go ahead", "no problem", "no problems"),
    *(
        "no objection",
        "no objections",
        "i dont mind",
        "do not mind",
        "why not",
        "you may",
        "you can",
        "please do",
        "mhmm",
        "mm-hmm",
    ),
    *("uh-huh", "ja", "gerne", "einverstanden", "oui", "daccord", "bien sûr", "sí", "si", "claro", "sì", "sim"),
)
_NO = (
    *("no", "nope", "nah", "not", "dont", "do not", "cannot", "cant", "wont", "never", "decline", "refuse", "disagree"),
    *("do not agree", "dont agree", "do not consent", "dont consent", "do not accept", "dont accept", "not okay"),
    *("not ok", "not fine", "not alright", "object", "rather not", "stop", "nein", "nicht", "non", "não", "nee"),
)
_YES_PHRASES, _NO_PHRASES = (tuple(words_of(phrase) for phrase in phrases) for phrases in (_YES, _NO))


def agreed(text: str) -> bool | None:
    """Whether an answer is a yes or a no; ``None``: neither. ``no problem`` is a yes, ``yes but no`` is none."""
    words = words_of(text)
    position, heard = 0, set[bool]()
    while position < len(words):
        found = [
            (len(phrase), meaning)
            for phrases, meaning in ((_YES_PHRASES, True), (_NO_PHRASES, False))
            for phrase in phrases
            if words[position : position + len(phrase)] == phrase
        ]
        length, meaning = max(found, default=(1, None))
        if meaning is not None:
            heard.add(meaning)
        position += length
    return heard.pop() if len(heard) == 1 else None


def wanted(m: Moment) -> bool:
    """Whether the present assistant has to ask, and nobody has yet."""
    return m.plan.consent is not None and m.state.consent == "unasked"


def begin(m: Moment) -> None:
    """Stop recording, and ask; or let the caller speak first, where the plan wants that."""
    plan = m.plan.consent
    assert plan is not None, "consent is asked for where a plan wants it"
    m.emit(AllowRecording(allowed=False))
    m.set(consent="asking")
    if plan.speaks_first:
        _ask(m)


def pending(m: Moment) -> bool:
    """Whether the conversation itself has to wait."""
    return m.state.consent in ("asking", "waiting", "answering")


def on_turn(m: Moment) -> None:
    """The caller has said something and is owed no answer of the model's yet."""
    user = m.state.user
    m.set(answer_owed=False, ask_again=False)
    if user is None:
        return
    history.commit_user(m)
    if m.state.consent == "asking" and not any(each.source == SOURCE for each in m.state.utterances):
        _ask(m)
    elif m.state.consent == "answering":
        _on_answer(m, agreed(user.text))


def on_message_spoken(m: Moment) -> None:
    """The caller has heard what it is about."""
    plan = m.plan.consent
    if plan is None or m.state.consent != "asking":
        return
    verbal = plan.kind == "verbal"
    m.set(consent="answering" if verbal else "waiting")
    m.arm(TIMER, m.now + (ANSWER_LIMIT_MS if verbal else plan.wait_ms))


def on_timer(m: Moment) -> None:
    """Still there after the wait; or no answer to the question."""
    if m.state.end_reason is not None:
        return
    if m.state.consent == "waiting":
        _answered(m, granted=True)
    elif m.state.consent == "answering" and m.state.user is not None:
        m.arm(TIMER, m.now + ANSWER_LIMIT_MS)
    elif m.state.consent == "answering":
        _on_answer(m, None)


def _on_answer(m: Moment, answer: bool | None) -> None:
    if answer is None and m.state.consent_asked < MOST_ASKED:
        _ask(m)
        return
    _answered(m, granted=answer is True)


def _ask(m: Moment) -> None:
    plan = m.plan.consent
    assert plan is not None, "there is something to ask"
    m.disarm(TIMER)
    m.set(consent="asking", consent_asked=m.state.consent_asked + 1)
    text = variables.rendered(m, plan.message)
    speaking.say(m, text, SOURCE, interruptible=False, cacheable=True, voice="consent" if plan.voice else "")


def _answered(m: Moment, *, granted: bool) -> None:
    plan = m.plan.consent
    assert plan is not None, "an answer belongs to a question"
    m.disarm(TIMER)
    m.set(consent="granted" if granted else "declined")
    m.record(RecordingConsentAnswered(kind=plan.kind, granted=granted, at_ms=m.now))
    if granted:
        m.emit(AllowRecording(allowed=True))
    elif plan.decline_tool is None:
        ending.begin(m, DECLINED_REASON, m.plan.end_call_message)
        return
    else:
        hooks.run_tool(m, plan.decline_tool)
        if m.state.end_reason is not None or m.state.tools or m.state.handover is not None:
            return
    opening.begin(m, owes_answer=m.state.took_over > 0)
