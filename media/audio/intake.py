"""Takes a caller's audio at the speed of speech, however fast the client sends it."""

from __future__ import annotations

from collections import deque

from media.audio.framing import FRAME_MS

_CREDIT_MS = 1_000.0
"""Audio that a stalled network (or loop) owes is taken at once up to this, or it would lag behind for good. A client
that paused for longer and then sends a file gets no more credit than that."""

_PACE = 0.999
"""Frames are due a little faster than real time: a client's clock may be fast by some hundred parts per million, and
over an hour what it is ahead would grow into a delay of every turn."""


class Intake:
    """Frames in as they arrive, out as they are due.

    A client that sends in real time is served without delay. One that runs ahead (a file sent as fast as it can be
    read) is held back to ``lead_ms`` ahead of real time; the rest waits, up to ``cap_ms``. ``opened_ms`` is when the
    client could begin to send: what it said while the call was being put together is owed however long that took, or
    the whole call would lag behind by it; at most as much of it at once as after a stall. The same goes for what came
    while nobody asked for it: then this process stood still, and its callers did not.
    """

    __slots__ = (
        "_asked_ms",
        "_cap_frames",
        "_clock_ms",
        "_debt_ms",
        "_lead_ms",
        "_opening",
        "_waiting",
    )

    def __init__(self, *, lead_ms: int, cap_ms: int, opened_ms: float = 0.0) -> None:
        self._lead_ms = lead_ms
        self._cap_frames = cap_ms // FRAME_MS
        self._waiting: deque[bytes] = deque()
        self._clock_ms = opened_ms - FRAME_MS
        """End of the audio taken so far, on the call's clock."""
        self._asked_ms = opened_ms
        """When a frame was asked for the last time, which happens all the time, whether there is one or not."""
        self._opening = True
        self._debt_ms = 0.0
        """What is owed from before the call began and from standstills, beyond what may be taken at once."""

    def push(self, frame: bytes) -> bool:
        """``False`` when the client is more than the cap ahead; the frame is not kept then."""
        if len(self._waiting) >= self._cap_frames:
            return False
        self._waiting.append(frame)
        return True

    def take(self, now_ms: float) -> bytes | None:
        """The next frame that is due, or ``None``."""
        if not self._opening:
            self._debt_ms += max(0.0, now_ms - self._asked_ms - _CREDIT_MS)
        self._asked_ms = now_ms
        if not self._waiting:
            return None
        earliest_ms = now_ms - _CREDIT_MS
        if self._clock_ms < earliest_ms:
            if self._opening:
                self._debt_ms += earliest_ms - self._clock_ms
            self._clock_ms = earliest_ms
        self._opening = False
        if self._clock_ms + FRAME_MS > now_ms + self._lead_ms:
            # What is still owed may be taken the next time: others wait for the loop.
            repaid_ms = min(self._debt_ms, _CREDIT_MS / 2)
            self._debt_ms -= repaid_ms
            self._clock_ms -= repaid_ms
            return None
        self._clock_ms += FRAME_MS * _PACE
        return self._waiting.popleft()

    @property
    def waiting(self) -> int:
        """Frames not taken yet."""
        return len(self._waiting)
