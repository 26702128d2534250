"""Thinking ahead: as soon as the caller has probably finished, the model is asked, while the pause still runs that
decides whether that is so.

Two things open it: a transcriber that decides turns itself says that the end is near, or the last final fragment of
what was said is there, the caller is silent, and the words do not look as if they went on. Nothing of the answer is
shown, spoken or carried out before the turn is decided. If the turn ends with the words that were asked about, in the
conversation that was asked about, the answer is taken as if it had come now; else it is thrown away.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from media.machine import answering, consent, endpointing, history, tools, usage
from media.machine.inputs import (
    EagerTurnHeard,
    ModelCalledTools,
    ModelFailed,
    ModelFinished,
    ModelText,
    TurnResumedHeard,
)
from media.machine.moment import Moment
from media.machine.outputs import AbortModel, Note, StartModel
from media.machine.speaking_plans import words_of
from media.machine.state import Anchors, ModelRequest

MOST_IN_A_TURN: Final = 3
"""Requests ahead of one turn; a caller who keeps going on is not worth more of them."""
LONGEST_PAUSE_MS: Final = 2_500.0
"""A pause longer than this is asked for where callers are expected to go on."""
GOES_ON: Final = 0.6
"""From this chance on that the caller goes on, an answer is not prepared."""


def on_eager(m: Moment, heard: EagerTurnHeard) -> None:
    """The caller has probably finished; only where the transcriber decides alone does that mean anything."""
    user = m.state.user
    if m.plan.start.smart != "native" or user is None or user.decided or not _possible(m):
        return
    text = heard.text.strip() or user.text
    if words_of(text) == words_of(user.text):
        _begin(m, text)


def begin_when_likely(m: Moment) -> None:
    """The caller is silent and all words are there: ask, unless they look unfinished."""
    state, user = m.state, m.state.user
    if not m.plan.thinks_ahead or user is None or user.decided or not user.finals or user.partial:
        return
    if state.user_voiced or state.final_due or not m.armed(endpointing.TIMER) or user.over_assistant:
        return
    if not 0 < state.endpoint_wait_ms <= LONGEST_PAUSE_MS or endpointing.still_speaking(user.text) >= GOES_ON:
        return
    if words_of(user.text) != state.ahead_words and state.ahead_count < MOST_IN_A_TURN and _possible(m):
        _begin(m, user.text)


def _begin(m: Moment, text: str) -> None:
    user = m.state.user
    assert user is not None, "somebody has said what is asked about"
    request_id = m.state.request_count + 1
    messages = (*history.messages_for_model(m.state), history.spoken(m.plan, text))
    turn = user.number or m.state.turn + 1
    words = words_of(text)
    m.mark("t3", turn, m.now)
    request = ModelRequest(
        request_id=request_id,
        turn=turn,
        prompt_characters=sum(len(str(message.get("content") or "")) for message in messages),
        anchors=Anchors(t3=m.now),
        ahead_of=words,
        ahead_in=messages[:-1],
    )
    m.set(request=request, request_count=request_id, ahead_words=words, ahead_count=m.state.ahead_count + 1)
    m.emit(StartModel(request_id=request_id, turn=turn, messages=messages))


def on_resumed(m: Moment, _: TurnResumedHeard) -> None:
    """The caller goes on."""
    if is_ahead(m):
        give_up(m)


def is_ahead(m: Moment) -> bool:
    """Whether the request that runs is one that nobody is owed an answer to yet."""
    return m.state.request is not None and bool(m.state.request.ahead_of)


def still_fits(m: Moment) -> bool:
    """Whether the caller has said what the request that runs ahead was about, and nothing else."""
    request, user = m.state.request, m.state.user
    return request is not None and user is not None and words_of(user.text) == request.ahead_of


def give_up(m: Moment) -> None:
    """Throw away what was prepared; what it used is metered as ever."""
    request = m.state.request
    if request is None:
        return
    m.emit(Note(type="speculation.dropped", data={"turn": request.turn}))
    if request.held_finish is None:
        m.emit(AbortModel(request_id=request.request_id))
    usage.meter_model(m, request, request.held_finish)
    m.set(request=None)


def settle(m: Moment) -> bool:
    """What runs ahead of words that have changed or gone is worth nothing; what fits a decided turn is its answer.

    Tells whether an answer was taken: its tool calls are then to be seen to in the same step."""
    if not is_ahead(m):
        return False
    request, user = m.state.request, m.state.user
    if not still_fits(m):
        give_up(m)
    elif user is not None and user.decided and m.state.answer_owed and not m.armed("backoff"):
        if request is not None and request.ahead_in == history.messages_for_model(m.state)[:-1]:
            _take(m)
            return True
        give_up(m)
    return False


def on_text(m: Moment, token: ModelText) -> bool:
    """Keep a token of a request that runs ahead; whether it was one."""
    request = m.state.request
    if request is None or not request.ahead_of or request.request_id != token.request_id:
        return False
    anchors = request.anchors if request.held_text else replace(request.anchors, t4=m.now)
    m.set(
        request=replace(
            request, held_text=request.held_text + token.text, text=request.text + token.text, anchors=anchors
        )
    )
    return True


def on_called(m: Moment, called: ModelCalledTools) -> bool:
    """Keep the tool calls of a request that runs ahead; whether it was one."""
    request = m.state.request
    if request is None or not request.ahead_of or request.request_id != called.request_id:
        return False
    m.set(request=replace(request, held_calls=called.calls))
    return True


def on_finished(m: Moment, finished: ModelFinished) -> bool:
    """Keep the end of a request that runs ahead; whether it was one."""
    request = m.state.request
    if request is None or not request.ahead_of or request.request_id != finished.request_id:
        return False
    m.set(request=replace(request, held_finish=finished))
    return True


def on_failed(m: Moment, failed: ModelFailed) -> bool:
    """A request that ran ahead has failed: the one after the decision will tell whether that matters."""
    request = m.state.request
    if request is None or not request.ahead_of or request.request_id != failed.request_id:
        return False
    usage.meter_model(m, request, None)
    m.set(request=None)
    return True


def _possible(m: Moment) -> bool:
    """Whether the model would be asked if the turn were decided now (``answering.ask_when_possible``)."""
    state = m.state
    busy = state.request is not None or state.tools or state.hook_tools or state.utterances or state.answer_prompt
    held_up = state.first_message_owed or state.handover is not None or state.voicemail in ("waiting", "leaving")
    if busy or held_up or consent.pending(m):
        return False
    return not m.armed("backoff") and state.connected_ms is not None


def _take(m: Moment) -> None:
    """The turn is decided: give out what was held, as if it came now."""
    request = m.state.request
    assert request is not None, "something runs ahead"
    anchors = replace(m.state.answer_anchors, t3=request.anchors.t3, t4=request.anchors.t4)
    text, calls, finish = request.held_text, request.held_calls, request.held_finish
    m.set(
        request=replace(
            request,
            ahead_of=(),
            ahead_in=(),
            held_text="",
            held_calls=(),
            held_finish=None,
            text="",
            turn=m.state.turn,
            anchors=anchors,
        ),
        answer_owed=False,
        ask_again=False,
    )
    m.emit(Note(type="speculation.taken", data={"turn": m.state.turn, "characters": len(text)}))
    if text:
        answering.on_text(m, ModelText(request_id=request.request_id, text=text))
    if calls:
        tools.on_called(m, ModelCalledTools(request_id=request.request_id, calls=calls))
    if finish is not None:
        answering.on_finished(m, finish)
