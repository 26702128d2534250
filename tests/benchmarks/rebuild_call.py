"""How fast a call is rebuilt from the bytes of its events: decoding and folding, whole and apart.

    python -m tests.benchmarks.rebuild_call

The baseline is the least any rebuild has to do: parse the same JSON into plain dictionaries, untyped and unfolded.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from datetime import timedelta

import msgspec

from domain.call.aggregate import CALL
from domain.call.events import TranscriptFinalized, TurnDecided
from domain.call.state import Call
from domain.event import Event, Recorded
from domain.log.codec import EventCodec
from tests.unit.domain.call_facts import CONVERSATION, ENDED, LIVE
from tests.unit.domain.specification import ORIGINATOR, START

ROUNDS = 7
EVENTS_PER_ROUND = 30_000


def history(length: int) -> list[Event]:
    """A call of about ``length`` events, its turns made of the same facts over and over."""
    turn: list[Event] = [
        *CONVERSATION,
        TranscriptFinalized(role="user", text="Is there anything on Monday?", turn=1, at_ms=4_950.0),
        TurnDecided(turn=1, rule="punctuation", wait_ms=100.0, at_ms=5_000.0),
    ]
    turns = max(1, (length - len(LIVE) - 1) // len(turn))
    return [*LIVE, *(turn * turns), ENDED]


def events_per_second(work: Callable[[], object], events: int) -> float:
    """The median over rounds of ``EVENTS_PER_ROUND`` events each."""
    repeats = max(1, EVENTS_PER_ROUND // events)
    rates = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(repeats):
            work()
        rates.append(repeats * events / (time.perf_counter() - began))
    return statistics.median(rates)


def main() -> None:
    """Print one line per length of call."""
    codec = EventCodec()
    print(f"{'events in call':>14} {'plain JSON/s':>14} {'decode/s':>12} {'fold/s':>12} {'decode + fold/s':>16}")
    for length in (50, 200, 1_000, 10_000):
        events = history(length)
        stored = [
            (event.TYPE, codec.encode(event, id=f"event-{number}", time=START + timedelta(seconds=number)))
            for number, event in enumerate(events)
        ]

        def parse(stored: list[tuple[str, bytes]] = stored) -> None:
            for _, body in stored:
                msgspec.json.decode(body)

        def decode(stored: list[tuple[str, bytes]] = stored) -> list[Recorded]:
            return [
                codec.decode(kind, body, ORIGINATOR, version) for version, (kind, body) in enumerate(stored, start=1)
            ]

        decoded = decode()

        def fold(decoded: list[Recorded] = decoded) -> Call | None:
            state: Call | None = None
            for recorded in decoded:
                state = CALL.evolve(state, recorded)
            return state

        def rebuild(stored: list[tuple[str, bytes]] = stored) -> Call | None:
            state: Call | None = None
            for version, (kind, body) in enumerate(stored, start=1):
                state = CALL.evolve(state, codec.decode(kind, body, ORIGINATOR, version))
            return state

        gc.collect()
        rates = [events_per_second(work, len(events)) for work in (parse, decode, fold, rebuild)]
        print(
            f"{len(events):>14,} "
            + " ".join(f"{rate:>{width},.0f}" for rate, width in zip(rates, (14, 12, 12, 16), strict=True))
        )


if __name__ == "__main__":
    main()
