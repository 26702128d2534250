"""Any prefix of any history is a legal state: the fold is total, ordered and repeatable."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from domain.aggregate import NotFound
from domain.call.aggregate import CALL
from domain.call.events import CallClaimed, CallDeleted, CallEnded, CallRenamed, TranscriptFinalized, TurnDecided
from domain.call.state import Call, Deleted, Ended, Live, Queued, Ringing, status
from domain.call.wire import CallUrls, call_body
from domain.event import Event
from domain.state_hash import state_hash
from tests.unit.domain.call_facts import (
    CLAIMED,
    CONVERSATION,
    CREATED,
    ENDED,
    LIVE,
    OVER,
    RINGING,
    STARTED,
    artifact,
    said,
    tokens,
)
from tests.unit.domain.specification import fold, recorded

FACTS: tuple[Event, ...] = (
    *CONVERSATION,
    CREATED,
    CLAIMED,
    STARTED,
    ENDED,
    CallClaimed(owner="late", lease_seconds=1.0),
    CallEnded(reason="silence-timed-out"),
    CallRenamed(name=None),
    CallDeleted(),
    TranscriptFinalized(role="user", text="Hello", turn=1, at_ms=10.0),
    TurnDecided(turn=1, rule="punctuation", wait_ms=100.0, at_ms=20.0),
    artifact("stereo"),
    artifact("log"),
)

histories = st.lists(st.sampled_from(FACTS), max_size=60).map(lambda facts: (CREATED, *facts))
PHASES = {Queued: 0, Ringing: 1, Live: 2, Ended: 3, Deleted: 4}


@for_all(histories)
def test_every_prefix_is_a_legal_state_that_survives_storage_and_can_be_shown(history: Sequence[Event]) -> None:
    state: Call | None = None
    furthest = 0
    for fact in recorded(history):
        state = CALL.evolve(state, fact)
        assert state.version == fact.originator_version
        assert state.updated_at == fact.time
        assert PHASES[type(state)] >= furthest, "a phase is never left backwards"
        furthest = PHASES[type(state)]
        assert CALL.keys(state).status == status(state)
        body = call_body(state, urls=CallUrls(websocket="ws://x", listen="ws://y", control="http://z"))
        assert body["status"] == status(state)
    restored = msgspec.json.decode(msgspec.json.encode(state), type=CALL.state_type)
    assert restored == state
    assert state_hash(restored) == state_hash(state)


@for_all(histories)
def test_the_first_end_stands_and_nothing_live_comes_after_it(history: Sequence[Event]) -> None:
    state = fold(CALL, history)
    ends = [event for event in history if isinstance(event, CallEnded)]
    deletions = [index for index, event in enumerate(history) if isinstance(event, CallDeleted)]
    if isinstance(state, Ended):
        assert state.end.reason == ends[0].reason
    assert isinstance(state, Deleted) == bool(deletions)
    assert isinstance(state, Queued | Ringing | Live) == (not ends and not deletions)


@pytest.mark.parametrize(
    ("history", "phase", "word"),
    [
        ((CREATED,), Queued, "queued"),
        (RINGING, Ringing, "ringing"),
        (LIVE, Live, "in-progress"),
        (OVER, Ended, "ended"),
        ((CREATED, ENDED), Ended, "ended"),
        ((*RINGING, ENDED), Ended, "ended"),
        ((*OVER, CallDeleted()), Deleted, "not-found"),
        ((CREATED, STARTED), Queued, "queued"),
        ((*OVER, CLAIMED, STARTED), Ended, "ended"),
    ],
)
def test_phases(history: tuple[Event, ...], phase: type[Call], word: str) -> None:
    state = fold(CALL, history)
    assert type(state) is phase
    assert status(state) == word


def test_the_first_claim_stands() -> None:
    state = fold(CALL, [*RINGING, CallClaimed(owner="late", lease_seconds=1.0)])
    assert isinstance(state, Ringing)
    assert state.claim.owner == "media-1"


def test_late_facts_are_kept_after_the_end() -> None:
    state = fold(CALL, [*OVER, artifact("mono"), tokens(10, 1), said("user", "One more", 0, 1, 9)])
    assert isinstance(state, Ended)
    assert [kept.track for kept in state.artifacts] == ["mono"]
    assert len(state.usage) == 1
    assert len(state.entries) == 1


def test_a_track_stored_again_takes_the_place_of_the_first() -> None:
    again = msgspec.structs.replace(artifact("mono"), location="call/second.wav")
    state = fold(CALL, [*OVER, artifact("mono"), artifact("log"), again])
    assert isinstance(state, Ended)
    assert [kept.location for kept in state.artifacts] == ["call/log.wav", "call/second.wav"]


def test_a_deleted_call_remembers_money_and_no_words() -> None:
    state = fold(CALL, [*LIVE, *CONVERSATION, ENDED, CallDeleted(), tokens(10, 1), said("user", "late", 0, 1, 9)])
    assert isinstance(state, Deleted)
    stored = msgspec.json.encode(state).decode()
    assert "Monday" not in stored
    assert "late" not in stored
    assert {reading.meter for reading in state.usage} == {"transport", "vapi", "model", "voice", "transcriber"}
    (model,) = [reading for reading in state.usage if reading.meter == "model"]
    assert model.quantities["promptTokens"] == 1_010, "a reading that came after the deletion still counts"
    assert CALL.keys(state).deleted


def test_usage_stays_as_small_as_the_number_of_providers() -> None:
    state = fold(CALL, [*LIVE, *(tokens(100, 10, 50, turn=turn) for turn in range(200))])
    assert isinstance(state, Live)
    (total,) = state.usage
    assert total.quantities == {"promptTokens": 20_000, "completionTokens": 2_000, "cachedPromptTokens": 10_000}


def test_a_history_begins_with_the_creation() -> None:
    with pytest.raises(NotFound, match=r"call\.claimed cannot follow"):
        CALL.evolve(None, recorded([CLAIMED])[0])


def test_equal_histories_hash_equal_and_one_more_fact_shows() -> None:
    history = [*LIVE, *CONVERSATION, ENDED]
    assert state_hash(fold(CALL, history)) == state_hash(fold(CALL, history))
    unseen = TranscriptFinalized(role="user", text="Hello", turn=1, at_ms=10.0)
    assert state_hash(fold(CALL, history)) != state_hash(fold(CALL, [*LIVE, unseen, *CONVERSATION, ENDED]))


def test_the_hash_does_not_depend_on_which_side_of_storage_a_state_comes_from() -> None:
    whole = msgspec.structs.replace(ENDED, at_ms=30_000)
    live = fold(CALL, [*LIVE, whole])
    rebuilt = fold(CALL, [*LIVE, msgspec.json.decode(msgspec.json.encode(whole), type=CallEnded)])
    assert state_hash(live) == state_hash(rebuilt)
