"""What is kept of a call while it runs: its events, its fragments, and no more of either than may be kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from domain.call.events import CallEnded, UsageMetered, Warned
from domain.event import Event
from media.call.call_clock import CallClock
from media.call.fragments import FragmentSource
from media.call.journal import Journal
from media.call.retention import KEEP_ALL, Retention
from media.machine.inputs import Input
from media.machine.usage import WHOLE_CALL_METERS


class Chronicle:
    """One call's. ``ended_reason`` and ``ended_ms`` are those of its end, once that is recorded."""

    def __init__(
        self,
        call_id: str,
        clock: CallClock,
        journal: Journal,
        fragments: FragmentSource,
        retention: Retention = KEEP_ALL,
        *,
        metered_by_others: Callable[[], bool] = lambda: False,
    ) -> None:
        self.call_id = call_id
        self.clock = clock
        self.journal = journal
        self.facts: list[tuple[Event, float]] = []
        """Every event of the call with its instant, whole: what the call log shows, or the report where neither log may
        have the words."""
        self.as_mp3 = retention.mp3
        """Whether the recording is wanted as mp3."""
        self.log_kept = retention.log
        """Whether all assistants so far let the call log be kept."""
        self.words_kept = retention.words
        """Whether all assistants so far let their words be kept."""
        self.words_told = retention.told
        """Whether all assistants so far let their words be told where they are not kept."""
        self.recording_allowed = True
        """Whether the caller may be recorded now, as far as that is the caller's to say."""
        self.ended_reason: str | None = None
        self.ended_ms = 0.0
        self._fragments = fragments
        self._retention = retention
        self._metered_by_others = metered_by_others

    def record(self, event: Event) -> None:
        """Append a domain event, in order."""
        if isinstance(event, UsageMetered) and event.meter in WHOLE_CALL_METERS and self._metered_by_others():
            # Who took this process for dead has metered the whole call with its end.
            return
        if isinstance(event, CallEnded):
            event = replace(event, reports=self.words_kept)
        at_ms = self.clock.now_ms()
        self.facts.append((event, at_ms))
        self.journal.append(self._retention.kept(event), self.clock.wall_time(at_ms))
        if isinstance(event, CallEnded):
            self.ended_reason = event.reason
            self.ended_ms = at_ms

    def warned(self, code: str, detail: str) -> None:
        """Record something a person should know that does not end the call."""
        self.record(Warned(code=code, detail=detail, at_ms=self.clock.now_ms()))

    def note(self, kind: str, data: dict[str, Any]) -> None:
        """Keep a fragment, where it may be kept."""
        if self._retention.keeps_fragment(kind):
            self._fragments.note(kind, self.clock.now_ms(), data)

    def machine_began(self, now_ms: float) -> None:
        """The instant from which the machine is stepped."""
        self._fragments.note("machine.began", now_ms, {})

    def machine_input(self, happened: Input, now_ms: float) -> None:
        """An input, from which the call can be stepped again; its words are the caller's."""
        if self._retention.words:
            self._fragments.note("machine.input", now_ms, happened)

    def keep(self, retention: Retention) -> None:
        """Another assistant has the word, who may have less of the call kept, or more."""
        self._retention = retention
        self.log_kept = self.log_kept and retention.log
        self.words_kept = self.words_kept and retention.words
        self.words_told = self.words_told and retention.told

    @property
    def records_sound(self) -> bool:
        """Whether what sounds now may be kept."""
        return self._retention.recording and self.recording_allowed
