"""How long what calls do waits for the log, from its hand-over until the log has it."""

from __future__ import annotations

from collections import deque

_REMEMBERED_S = 1.0


class LogDelay:
    """Instants are seconds of one clock. A journal is in it for as long as anything of it waits."""

    def __init__(self) -> None:
        self._since: dict[object, float] = {}
        """Since when each has waited, or since the log last took something of it; the longest first."""
        self._answers: deque[tuple[float, float]] = deque()
        """Of the last second: when, and after how long."""
        self._waited_s = 0.0
        self._answered_s = float("-inf")

    def waits(self, journal: object, now_s: float) -> None:
        """Something of it waits; no matter if something did before."""
        self._since.setdefault(journal, now_s)

    def taken(self, journal: object, now_s: float, *, more: bool) -> None:
        """The log took what waited for longest; ``more`` waits."""
        since_s = self._since.pop(journal, None)
        if more:
            self._since[journal] = now_s
        self._answered_s = now_s
        if since_s is not None:
            self._answers.append((now_s, now_s - since_s))
            self._waited_s += now_s - since_s
        self._forget(now_s)

    def gone(self, journal: object) -> None:
        """It waits for something else."""
        self._since.pop(journal, None)

    def seconds(self, now_s: float) -> float:
        """What an event waits for now: the mean of the last second, or as long as nobody was answered.

        A log that takes the events of some and not of others, because a part of it is away, is not slow.
        """
        self._forget(now_s)
        mean_s = self._waited_s / len(self._answers) if self._answers else 0.0
        oldest_s = next(iter(self._since.values()), now_s)
        return max(mean_s, now_s - max(oldest_s, self._answered_s))

    def _forget(self, now_s: float) -> None:
        while self._answers and self._answers[0][0] < now_s - _REMEMBERED_S:
            self._waited_s -= self._answers.popleft()[1]
        if not self._answers:
            self._waited_s = 0.0
