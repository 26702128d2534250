"""Who may still come: as many calls as the process is allowed, and none while those that run are served late."""

from __future__ import annotations

from collections.abc import Sized

from domain.live_calls import CallRejected
from media.call.outbox import Outbox
from media.call.settings import MediaSettings
from media.call.ticker import Ticker

TRY_LATER = 1013
RESTART = 1012
"""WebSocket close codes (RFC 6455, section 7.4.2 and IANA's registry)."""


class Admission:
    """``held`` are the calls that the process serves. Closed until it is opened, and for good once it drains."""

    def __init__(self, held: Sized, settings: MediaSettings, ticker: Ticker, outbox: Outbox) -> None:
        self._held = held
        self._settings = settings
        self._ticker = ticker
        self._outbox = outbox
        self.open = False

    def check(self) -> None:
        """Raises ``CallRejected`` with what keeps another call out."""
        if not self.open:
            raise CallRejected(RESTART, "the server is shutting down; connect again later")
        if len(self._held) >= self._settings.max_calls:
            raise CallRejected(TRY_LATER, f"{self._settings.max_calls} calls are running here; try again later")
        if self._outbox.overflowing:
            raise CallRejected(TRY_LATER, "too many events wait for the log to take another call; try again later")
        late = self._ticker.sustained_lag_ms > self._settings.max_lag_ms
        if late or self._settings.max_busy < min(self._ticker.busy_share, 1.0):
            raise CallRejected(TRY_LATER, "this server is too busy to take another call now; try again later")

    def room(self) -> int:
        """How many more calls would be let in now."""
        try:
            self.check()
        except CallRejected:
            return 0
        return self._settings.max_calls - len(self._held)
