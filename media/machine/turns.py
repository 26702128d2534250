"""The caller's side: from voice activity and transcript fragments to the decision that a turn is over."""

from __future__ import annotations

from msgspec.structs import replace

from domain.call.events import TranscriptFinalized, TurnDecided
from media.machine import answering, endpointing, history, hooks, interruption, languages, speaking, speculation
from media.machine.inputs import EndOfTurnHeard, FinalHeard, PartialHeard, SpeechStarted, SpeechStopped
from media.machine.moment import Moment
from media.machine.outputs import FinalizeTranscript, Note
from media.machine.state import Anchors, UserTurn


def on_speech_started(m: Moment, heard: SpeechStarted) -> None:
    """Voice activity: an answer nobody has heard yet is taken back, one that plays may be interrupted."""
    if m.state.user_voiced:
        return
    m.set(user_voiced=True, voiced_since_ms=heard.at_ms, last_voiced_ms=None, unfinished_partial=False)
    speaking.speech_update(m, "user", "started")
    if m.state.end_reason is not None:
        return
    if m.plan.idle.reset_on_user_speech:
        m.set(idle_said=0)
    hooks.caller_spoke(m)
    m.disarm(endpointing.TIMER)
    _take_back(m)
    user = m.state.user
    m.set(user=_new_turn(m, heard.at_ms) if user is None else replace(user, t0=None))
    interruption.voice_began(m)


def on_speech_stopped(m: Moment, heard: SpeechStopped) -> None:
    """Silence: from here the pause counts that may end the turn."""
    if not m.state.user_voiced:
        return
    m.set(user_voiced=False, last_voiced_ms=heard.at_ms, final_due=m.plan.final_on_request)
    speaking.speech_update(m, "user", "stopped")
    m.disarm(interruption.TIMER)
    m.emit(FinalizeTranscript())
    user = m.state.user
    if user is None or m.state.end_reason is not None:
        return
    m.mark("t0", _number(m), heard.at_ms)
    user = replace(user, t0=heard.at_ms)
    m.set(user=user)
    if not user.decided and not m.armed(endpointing.TIMER):
        endpointing.watch(m, final=False)


def on_partial(m: Moment, heard: PartialHeard) -> None:
    """A guess at what is being said; it replaces the guess before."""
    if heard.text:
        speaking.transcript(m, "user", "partial", heard.text)
    if m.state.end_reason is not None or m.state.unfinished_partial:
        return
    user = m.state.user
    if not heard.text and (user is None or not user.partial):
        return
    _fragment(m, replace(user or _new_turn(m, m.now), partial=heard.text), final=False)


def on_final(m: Moment, heard: FinalHeard) -> None:
    """A fragment that stays. Empty: something was said that was not understood."""
    m.set(final_due=False)
    text = heard.text.strip()
    languages.heard(m, heard)
    if text and heard.confidence is not None and m.state.end_reason is None:
        hooks.heard_with_confidence(m, heard.confidence)
    if text and heard.confidence is not None and heard.confidence < m.plan.confidence_threshold:
        m.emit(Note(type="transcript.dropped", data={"confidence": heard.confidence}))
        text = ""
    if text:
        _show_final(m, text)
    belated = m.state.unfinished_partial
    if m.state.end_reason is not None or belated:
        m.set(unfinished_partial=False)
        if text:
            _record_final(m, text, heard.confidence, m.state.turn)
        return
    user = m.state.user or _new_turn(m, m.now)
    if text:
        user = replace(user, finals=(*user.finals, text), confidence=_lower(user.confidence, heard.confidence))
    elif not heard.text.strip():
        user = replace(user, heard_nothing=True)
    _fragment(m, replace(user, partial=""), final=True)
    if text:
        _record_final(m, text, heard.confidence, m.state.turn)


def on_end_of_turn(m: Moment, _: EndOfTurnHeard) -> None:
    """The transcriber's own judgement; worth nothing where a smart plan decides."""
    user = m.state.user
    if m.plan.start.smart not in ("native", "off") or m.state.end_reason is not None:
        return
    if user is not None and not user.decided and user.said_something:
        decide(m, "native", 0.0)


def on_pause(m: Moment) -> None:
    """The endpointing timer fired."""
    if m.state.user is not None and not m.state.user.decided:
        decide(m, m.state.endpoint_rule, m.state.endpoint_wait_ms)


def decide(m: Moment, rule: str, wait_ms: float) -> None:
    """The caller's turn is over.

    Noise is forgotten, as are sounds over our speech that were not understood. Mere acknowledgement while we still
    speak is kept as a message and not answered; said as the speech ends it may be the answer to a question.
    """
    user = m.state.user
    assert user is not None, "there is a turn to decide"
    m.disarm(endpointing.TIMER)
    m.set(ahead_words=(), ahead_count=0)
    if not user.said_something or (user.over_assistant and not user.text):
        m.set(user=None)
        _go_on_after_noise(m)
        return
    user = _numbered(m, user)
    turn = m.state.turn
    m.mark("t2", turn, m.now)
    m.record(TurnDecided(turn=turn, rule=rule, wait_ms=wait_ms, at_ms=m.now))
    if (m.state.speaking is not None or _answer_under_way(m)) and interruption.only_acknowledges(m, user.text):
        _set_aside(m, user)
        return
    m.set(
        user=replace(user, decided=True),
        answer_owed=True,
        answer_prompt=(),
        ask_again=False,
        answer_anchors=Anchors(t0=user.t0, t1=user.t1, t2=m.now),
        answer_gate_ms=max(m.now, m.state.backoff_until_ms) + m.plan.start.wait_ms,
    )
    history.announce(m)


def settle(m: Moment) -> None:
    """Words said over a word about a running tool make the answer behind it stale, once that word is spoken; mere
    acknowledgement does not."""
    user = m.state.user
    if user is None or user.decided or not user.text or m.state.speaking is not None:
        return
    if not _answer_under_way(m):
        return
    if not interruption.only_acknowledges(m, user.text):
        _take_back(m)
    elif not m.state.user_voiced:
        m.disarm(endpointing.TIMER)
        _set_aside(m, user)


def _go_on_after_noise(m: Moment) -> None:
    """It was nothing: ask again what was being asked, or say the rest of what was cut off."""
    if m.state.ask_again:
        m.set(answer_owed=True, ask_again=False)
    elif m.state.unheard and not m.state.utterances and not m.state.answer_owed:
        m.emit(Note(type="speech.resumed", data={"turn": m.state.turn}))
        speaking.say(m, m.state.unheard, "model")


def _set_aside(m: Moment, user: UserTurn) -> None:
    m.set(user=None, unfinished_partial=bool(user.partial), asides=(*m.state.asides, user))


def _answer_under_way(m: Moment) -> bool:
    request = m.state.request
    if request is not None and not request.called_tools and not request.ahead_of:
        return True
    return any(utterance.source == "model" and not utterance.opened for utterance in m.state.utterances)


def _fragment(m: Moment, user: UserTurn, *, final: bool) -> None:
    """Words came or changed: the turn is open again, whatever was being made of it is thrown away."""
    before = m.state.user
    unchanged = before is not None and before.text == user.text and before.said_something
    if before is not None and before.decided and (unchanged or not user.said_something):
        m.set(user=user)
        return
    if user.text:
        user = _numbered(m, user)
    if final or not unchanged:
        user = replace(user, t1=m.now)
    m.set(user=user)
    if final or not unchanged:
        m.mark("t1", _number(m), m.now)
    _take_back(m)
    if final or not unchanged:
        interruption.words_heard(m)
        endpointing.watch(m, final=final)
        if m.armed(endpointing.TIMER) and m.state.endpoint_wait_ms <= 0:
            on_pause(m)


def _take_back(m: Moment) -> None:
    """The caller goes on: an answer that cannot be heard yet is dropped, its question stays open."""
    state = m.state
    if state.user is not None and state.user.decided:
        m.set(user=replace(state.user, decided=False), answer_owed=False)
    if state.speaking is not None:
        return
    asked = state.answer_owed or _answer_under_way(m)
    if not (speculation.is_ahead(m) and speculation.still_fits(m)):
        answering.abort(m)
    for utterance in m.state.utterances:
        if utterance.source == "model" and not utterance.opened:
            speaking.drop(m, utterance)
    if asked:
        m.set(answer_owed=False, ask_again=True)


def _new_turn(m: Moment, now_ms: float) -> UserTurn:
    started_ms = m.state.voiced_since_ms if m.state.user_voiced else now_ms
    return UserTurn(started_ms=started_ms, over_assistant=m.state.speaking is not None)


def _numbered(m: Moment, user: UserTurn) -> UserTurn:
    """The first words of a turn begin a new exchange; mere sounds do not."""
    if user.number:
        return user
    m.set(turn=m.state.turn + 1)
    return replace(user, number=m.state.turn)


def _number(m: Moment) -> int:
    user = m.state.user
    return user.number if user is not None and user.number else m.state.turn + 1


def _record_final(m: Moment, text: str, confidence: float | None, turn: int) -> None:
    m.record(TranscriptFinalized(role="user", text=text, turn=turn, at_ms=m.now, confidence=confidence))


def _show_final(m: Moment, text: str) -> None:
    filtered = m.plan.security.applied(text)
    if not filtered.threats:
        speaking.transcript(m, "user", "final", text)
        return
    speaking.transcript(
        m,
        "user",
        "final",
        filtered.text,
        isFiltered=True,
        detectedThreats=list(filtered.threats),
        originalTranscript=text,
    )


def _lower(known: float | None, new: float | None) -> float | None:
    if known is None or new is None:
        return new if known is None else known
    return min(known, new)
