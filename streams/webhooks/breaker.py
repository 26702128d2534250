"""When to leave an endpoint alone for a while: everything has failed there lately."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

IN_A_ROW: Final = 20
FIRST_PAUSE_MS: Final = 60_000.0
LONGEST_PAUSE_MS: Final = 15 * 60_000.0


@dataclass
class Breaker:
    """Opens after ``IN_A_ROW`` failures, for a pause that doubles; then one probe decides. Waiting uses no attempts."""

    failures: int = 0
    open_until_ms: float = 0.0
    _pause_ms: float = FIRST_PAUSE_MS

    @property
    def probing(self) -> bool:
        """Whether one request at a time is to find out if the endpoint is back."""
        return self.failures >= IN_A_ROW

    def failed(self, now_ms: float) -> None:
        """Another one."""
        self.failures += 1
        if self.failures >= IN_A_ROW and now_ms >= self.open_until_ms:
            self.open_until_ms = now_ms + self._pause_ms
            self._pause_ms = min(2 * self._pause_ms, LONGEST_PAUSE_MS)

    def succeeded(self) -> None:
        """It is back."""
        self.failures, self.open_until_ms, self._pause_ms = 0, 0.0, FIRST_PAUSE_MS
