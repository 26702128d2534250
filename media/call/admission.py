"""Who may still come: as many calls as the process is allowed, and none that those which run would be late for.

Whoever is refused is refused at once, so that they can ring elsewhere, or again.
"""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass

from domain.live_calls import CallRejected
from media.call.outbox import Outbox
from media.call.settings import MediaSettings
from media.call.start_line import StartLine
from media.call.ticker import UNWATCHED, Ticker, Work

TRY_LATER = 1013
RESTART = 1012
"""WebSocket close codes (RFC 6455, section 7.4.2 and IANA's registry)."""

_GUESSED_CALLS = 20
"""The share that a call is said to take counts as much as having watched so many calls."""
_START_IN_CALL_S = 0.5
"""Seconds of a running call that cost as much as the start of one, at least."""
_FIRST_CALLS = 50
"""Calls that may come before any of them has shown what it costs; later as many as have."""
_LONG_ENOUGH_S = 0.9
"""Of watching, for a high share of work not to be a burst."""
_BUSY = "this server is too busy to take another call now; try again later"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A process at one instant, as it was measured.

    ``held`` are its calls from their claim until everything about them is recorded, ``running`` those whose
    conversation goes on, ``starting`` those that were let in and have none yet. ``lag_ms`` is how late the 20 ms clock
    is, ``start_wait_ms`` how long a call would wait until it is put together, ``log_wait_ms`` how long events wait.
    """

    held: int = 0
    running: int = 0
    starting: int = 0
    work: Work = UNWATCHED
    lag_ms: float = 0.0
    start_wait_ms: float = 0.0
    log_wait_ms: float = 0.0
    log_overflowing: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """``room`` is how many more calls may come; where it is 0, ``reason`` says why."""

    room: int
    reason: str = ""


def call_share(work: Work, guessed: float) -> float:
    """Which part of the thread's time one running call takes: what is ``guessed`` at first, and more and more what the
    calls that were watched have taken."""
    if not work.seconds:
        return guessed
    watched = work.running + _START_IN_CALL_S * work.begun / work.seconds
    return (work.busy + _GUESSED_CALLS * guessed) / (watched + _GUESSED_CALLS)


def judged(load: Load, settings: MediaSettings) -> Judgement:
    """Whether more calls may come, and how many.

    The loop's work in the last second says nothing yet of calls that have just come. So room is reckoned from what one
    call takes, those that were let in counting in full from the beginning; and no more than were seen come at once.
    """
    if load.held >= settings.max_calls:
        return Judgement(0, f"{settings.max_calls} calls are running here; try again later")
    if load.log_overflowing or load.log_wait_ms > settings.max_log_wait_ms:
        return Judgement(0, "too many events wait for the log to take another call; try again later")
    if load.lag_ms > settings.max_lag_ms:
        return Judgement(0, _BUSY)
    if load.start_wait_ms > settings.max_start_wait_ms:
        return Judgement(0, "too many calls begin at this moment; try again later")
    room = settings.max_calls - load.held
    if settings.max_busy < 1:
        busy = load.work.busy > settings.max_busy and load.work.seconds >= _LONG_ENOUGH_S
        if busy or load.work.newest > (1 + settings.max_busy) / 2:
            return Judgement(0, _BUSY)
        carried = settings.max_busy / call_share(load.work, settings.call_share)
        unseen = load.running + load.starting - load.work.running
        room = min(
            room,
            # Whoever is alone may come: however costly calls are, one of them is to run.
            max(int(carried), 1) - load.running - load.starting,
            int(max(_FIRST_CALLS, load.work.running) - unseen),
        )
    return Judgement(room) if room > 0 else Judgement(0, _BUSY)


class Admission:
    """Measures and judges. ``held`` are the calls that the process serves, ``starting`` those of them whose
    conversation has not begun. Closed until it is opened, and for good once it drains."""

    def __init__(
        self,
        held: Sized,
        starting: Sized,
        settings: MediaSettings,
        ticker: Ticker,
        start_line: StartLine,
        outbox: Outbox,
    ) -> None:
        self._held = held
        self._starting = starting
        self._settings = settings
        self._ticker = ticker
        self._start_line = start_line
        self._outbox = outbox
        self.open = False

    def load(self) -> Load:
        """Now."""
        return Load(
            held=len(self._held),
            running=self._ticker.running,
            starting=len(self._starting),
            work=self._ticker.work,
            lag_ms=self._ticker.sustained_lag_ms,
            start_wait_ms=self._start_line.wait_ms,
            log_wait_ms=self._outbox.log_wait_ms,
            log_overflowing=self._outbox.overflowing,
        )

    def check(self) -> None:
        """Raises ``CallRejected`` with what keeps another call out."""
        if not self.open:
            raise CallRejected(RESTART, "the server is shutting down; connect again later")
        judgement = judged(self.load(), self._settings)
        if not judgement.room:
            raise CallRejected(TRY_LATER, judgement.reason)

    def room(self) -> int:
        """How many more calls would be let in now."""
        return judged(self.load(), self._settings).room if self.open else 0
