"""Did it really happen? What is left of the call in every place it should have reached, and what that proves."""

from __future__ import annotations

import difflib
import re
import wave
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_AUDIBLE_RMS = 100.0
"""Root mean square, of 32768, that words exceed by far and silence never reaches."""

LONGEST_CALL_SECONDS = 90.0

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Evidence:
    """``call`` as GET /call/{id} answers it, ``events`` from the log, ``row`` from ClickHouse, the two state hashes,
    loudness of the recording's channels (customer, assistant), and what the tool server wrote in its book."""

    said: tuple[str, ...]
    call: Json
    events: tuple[Json, ...]
    row: Json
    document_hash: str
    rebuilt_hash: str
    loudness: tuple[float, ...]
    appointments: tuple[Json, ...]

    def of_type(self, kind: str) -> list[Json]:
        """The data of every event of one type."""
        return [event["data"] for event in self.events if event["type"] == kind]

    @property
    def recognised(self) -> str:
        """Everything that the recogniser heard from the caller."""
        return " ".join(m["text"] for m in self.of_type("call.message_committed") if m["role"] == "user")


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing the demonstration says it did, whether it did, and what shows it."""

    text: str
    held: bool
    shown_by: str


def claims(evidence: Evidence) -> list[Claim]:
    """Every claim, judged."""
    call, row = evidence.call, evidence.row
    right = words_recognised(evidence.said, evidence.recognised)
    interruptions = evidence.of_type("call.assistant_interrupted")
    cut = [m for m in evidence.of_type("call.message_committed") if m.get("interrupted")]
    completed = evidence.of_type("call.tool_completed")
    seconds = call_seconds(evidence.events)
    counted = Counter(event["type"] for event in evidence.events)
    return [
        Claim("speech was recognised", right >= 0.5, f"{right:.0%} of the caller's words: {evidence.recognised!r}"),
        Claim(
            "a tool was called over HTTP and did its work",
            bool(completed and evidence.appointments),
            f"the book holds {[' '.join(map(str, a.values())) for a in evidence.appointments]}",
        ),
        Claim(
            "the assistant was interrupted and history holds what was heard",
            bool(interruptions and cut),
            f"cut off after {interruptions[0]['heard_ms']:.0f} ms: {cut[0]['text']!r}"
            if interruptions and cut
            else f"{len(interruptions)} interruptions, {len(cut)} cut messages",
        ),
        Claim(
            "the call ended by its goodbye",
            call.get("status") == "ended" and call.get("endedReason") == "assistant-ended-call",
            f"{call.get('status')}, {call.get('endedReason')}"
            + (": the caller had to hang up" if call.get("endedReason") == "customer-ended-call" else ""),
        ),
        Claim(
            f"it took less than {LONGEST_CALL_SECONDS:.0f} s", 0 < seconds < LONGEST_CALL_SECONDS, f"{seconds:.1f} s"
        ),
        Claim(
            "the recording holds both sides",
            len(evidence.loudness) == 2 and min(evidence.loudness) > _AUDIBLE_RMS,
            f"loudness {', '.join(f'{value:.0f}' for value in evidence.loudness)} (customer, assistant)",
        ),
        Claim(
            "ClickHouse holds the call's row",
            row.get("ended_reason") == call.get("endedReason") and bool(row),
            f"{row.get('status')}, {row.get('ended_reason')}" if row else "no row",
        ),
        Claim(
            "the log alone gives the same call",
            bool(evidence.document_hash) and evidence.document_hash == evidence.rebuilt_hash,
            f"{sum(counted.values())} events folded, state hash {evidence.rebuilt_hash[:16]} = "
            f"{evidence.document_hash[:16]}",
        ),
    ]


def words_recognised(said: Sequence[str], heard: str) -> float:
    """The share of words said that were heard, in order."""
    spoken, recognised = _words(" ".join(said)), _words(heard)
    matches = difflib.SequenceMatcher(a=spoken, b=recognised, autojunk=False).get_matching_blocks()
    return sum(block.size for block in matches) / max(len(spoken), 1)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def call_seconds(events: Sequence[Json]) -> float:
    """From the start of media to the end, by the call's own clock."""
    times = {event["type"]: event["data"].get("at_ms") for event in events}
    started, ended = times.get("call.started"), times.get("call.ended")
    return (ended - started) / 1000 if started is not None and ended is not None else 0.0


def loudness(recording: Path) -> tuple[float, ...]:
    """Root mean square of each channel of a 16-bit wav file."""
    with wave.open(str(recording)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, file.getnchannels())
    if not len(samples):
        return ()
    return tuple(float(value) for value in np.sqrt(np.mean(samples.astype(np.float64) ** 2, axis=0)))
