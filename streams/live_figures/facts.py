"""The processor of the live figures: what each event of a call adds to them, as rows that any runner may carry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import msgspec

from domain.call.events import CallCreated, CallDeleted, CallEnded, CallStarted, TurnMeasured
from domain.call.performance import turn_latency
from domain.log.ports import Positioned
from domain.processing import Effect, Rows

TABLE: Final = "live-figures"
"""Rows are ``(what, org_id, assistant_id, ordinal, seconds since 1970, ...)``; at most one comes of an event."""

BEGAN: Final = "began"
"""Then: call id."""
OVER: Final = "over"
"""Then: call id, when it began (seconds since 1970; none where no media ever flowed)."""
DELAYS: Final = "delays"
"""Then: pairs of stage and provider, with the delay in ms."""

STAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "transcriber_latency": "transcriber",
        "endpointing_latency": "endpointing",
        "model_latency": "model",
        "voice_latency": "voice",
        "turn_latency": "turn",
    }
)
"""Parts of a turn's latency, and the stages that they are shown as."""

_PROVIDED = ("transcriber", "model", "voice")


class LiveCall(msgspec.Struct, frozen=True, gc=False):
    """What has to be known of a call for its later events to count: whose, since when, and who provides it."""

    org_id: str = ""
    assistant_id: str = ""
    began: float | None = None
    providers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class LiveFacts:
    """Calls that begin and end, and how long the stages of their turns took."""

    name: str = "live-figures"
    version: int = 1
    handles: frozenset[str] = frozenset(
        kind.TYPE for kind in (CallCreated, CallStarted, CallEnded, CallDeleted, TurnMeasured)
    )

    def initial(self) -> LiveCall:
        """Nothing is known of a call before its first event."""
        return LiveCall()

    def apply(self, state: LiveCall, event: Positioned) -> tuple[LiveCall, Iterable[Effect]]:
        """At most one row."""
        recorded, ordinal = event.recorded, event.position.ordinal
        at, call_id = round(recorded.time.timestamp(), 3), recorded.originator_id
        match recorded.event:
            case CallCreated(org_id=org_id, assistant_id=assistant_id):
                return LiveCall(org_id, assistant_id or ""), ()
            case CallStarted(assistant=assistant):
                began = msgspec.structs.replace(state, began=at, providers=_providers(assistant))
                return began, _row(BEGAN, state, ordinal, at, call_id)
            case TurnMeasured() as turn:
                delays = tuple(_delays(turn, dict(state.providers)))
                return state, _row(DELAYS, state, ordinal, at, delays) if delays else ()
            case CallEnded():
                over = msgspec.structs.replace(state, began=None)
                return over, _row(OVER, state, ordinal, at, call_id, state.began)
            case CallDeleted() if state.began is not None:
                over = msgspec.structs.replace(state, began=None)
                return over, _row(OVER, state, ordinal, at, call_id, state.began)
        return state, ()


def _row(what: str, state: LiveCall, ordinal: int, at: float, *more: Any) -> tuple[Rows]:
    return (Rows(TABLE, ((what, state.org_id, state.assistant_id, ordinal, at, *more),)),)


def _delays(turn: TurnMeasured, providers: Mapping[str, str]) -> Iterable[tuple[str, str, float]]:
    latency = turn_latency(turn)
    for part, stage in STAGES.items():
        if (delay_ms := getattr(latency, part)) is not None:
            yield stage, providers.get(stage, ""), delay_ms


def _providers(assistant: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Who does each stage, as far as the configuration says."""
    found = []
    for stage in _PROVIDED:
        configuration = assistant.get(stage)
        if isinstance(configuration, Mapping) and isinstance(provider := configuration.get("provider"), str):
            found.append((stage, provider))
    return tuple(found)
