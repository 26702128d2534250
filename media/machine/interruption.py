"""When the caller's sounds and words stop the assistant (Vapi's public ``stopSpeakingPlan``).

The order of tests: an interruption phrase stops at once, mere acknowledgement never does, else the number of words,
or continuous voice where that number is 0.
"""

from __future__ import annotations

from msgspec.structs import replace

from domain.call.events import Interruption
from media.machine import answering, hooks, speaking
from media.machine.hook_plan import ASSISTANT_INTERRUPTED
from media.machine.moment import Moment
from media.machine.speaking_plans import words_of

TIMER = "voice"
BACKOFF = "backoff"
_ABANDONED = ("model", "tool-message", "idle-message", "fallback", "hook")


def only_acknowledges(m: Moment, text: str) -> bool:
    """Whether a text consists of acknowledgement phrases and nothing else."""
    words = words_of(text)
    position = 0
    while position < len(words):
        fitting = (p for p in m.plan.stop.acknowledgements if words[position : position + len(p)] == p)
        phrase = next(fitting, None)
        if phrase is None:
            return False
        position += len(phrase)
    return bool(words)


def voice_began(m: Moment) -> None:
    """Voice activity over the assistant: it interrupts when it has gone on long enough."""
    playing = m.state.speaking
    if playing is not None and playing.interruptible and m.plan.stop.num_words == 0 and m.state.end_reason is None:
        m.arm(TIMER, m.state.voiced_since_ms + m.plan.stop.voice_ms)


def voice_went_on(m: Moment) -> None:
    """The voice timer fired: ``voiceSeconds`` of voice without a pause."""
    playing, user = m.state.speaking, m.state.user
    if playing is None or not playing.interruptible or not m.state.user_voiced or m.state.end_reason is not None:
        return
    if m.state.voicemail == "leaving" and (user is None or not user.text):
        return
    if user is None or not only_acknowledges(m, user.text):
        interrupt(m, "voice")


def words_heard(m: Moment) -> None:
    """New words while the assistant speaks."""
    playing, user = m.state.speaking, m.state.user
    if playing is None or user is None or not playing.interruptible or m.state.end_reason is not None:
        return
    words = words_of(user.text)
    stop = m.plan.stop
    if _contains(words, stop.interruptions):
        interrupt(m, "phrase")
    elif not words or only_acknowledges(m, user.text):
        return
    elif stop.num_words > 0:
        if len(words) >= stop.num_words:
            interrupt(m, "words")
    elif m.state.user_voiced and m.now - m.state.voiced_since_ms >= stop.voice_ms:
        interrupt(m, "voice")


def interrupt(m: Moment, by: Interruption) -> None:
    """Stop the utterance that plays, give up the work behind it, and keep quiet for ``backoffSeconds``."""
    playing = m.state.speaking
    assert playing is not None, "only what plays can be interrupted"
    request = m.state.request
    rest = ""
    if request is not None and request.utterance_id == playing.utterance_id:
        rest = request.carry + request.buffer.text
    elif request is not None and not request.called_tools:
        m.set(ask_again=True)
    if playing.end_reason is not None and m.state.voicemail == "leaving":
        m.set(voicemail="off")
    m.change_utterance(playing.utterance_id, cut_by=by, generated="".join(playing.chunks) + rest)
    m.disarm(TIMER)
    stopped = m.utterance(playing.utterance_id)
    assert stopped is not None, "it was just changed"
    speaking.stop(m, stopped)
    answering.abort(m)
    for utterance in m.state.utterances:
        if not utterance.opened and utterance.source in _ABANDONED and utterance.end_reason is None:
            speaking.drop(m, utterance)
    if m.state.user is not None:
        m.set(user=replace(m.state.user, over_assistant=False))
    if by == "control":
        return
    if playing.started_ms is not None:
        m.notify("user-interrupted", turnId=playing.turn_id)
    if m.plan.stop.backoff_ms > 0:
        m.set(backoff_until_ms=m.now + m.plan.stop.backoff_ms)
        m.arm(BACKOFF, m.state.backoff_until_ms)
    hooks.fire(m, ASSISTANT_INTERRUPTED)


def _contains(words: tuple[str, ...], phrases: tuple[tuple[str, ...], ...]) -> bool:
    return any(
        words[position : position + len(phrase)] == phrase
        for phrase in phrases
        for position in range(len(words) - len(phrase) + 1)
    )
