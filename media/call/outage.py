"""What is said of a log that is away: that it is, and that it is back; not again and again where it comes and goes."""

from __future__ import annotations

import logging
from collections.abc import Mapping

_log = logging.getLogger(__name__)

_QUIET_S = 60.0


class Outage:
    """``began`` and ``ended`` name the lines. Instants are seconds of one clock."""

    def __init__(self, began: str, ended: str) -> None:
        self._began = began
        self._ended = ended
        self._said_s: float | None = None
        self._under_way = False
        self._said = False
        """Of the outage that is under way."""
        self._unsaid = 0
        """Outages since the last that was said."""

    def goes_on(self, now_s: float, about: Mapping[str, object]) -> None:
        """It is away, now or still."""
        if not self._under_way:
            self._under_way = True
            self._unsaid += 1
        if self._said or (self._said_s is not None and now_s - self._said_s < _QUIET_S):
            return
        _log.warning(self._began, extra={**about, "times": self._unsaid})
        self._said, self._said_s, self._unsaid = True, now_s, 0

    def over(self) -> None:
        """It takes everything again."""
        if self._said:
            _log.info(self._ended)
        self._under_way = self._said = False
