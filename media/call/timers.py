"""The machine's named timers on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from media.call.call_clock import CallClock
from media.machine.inputs import Input, TimerFired
from media.machine.outputs import ArmTimer


class Timers:
    """Arming a name again replaces what was armed. ``close`` leaves nothing behind."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: CallClock) -> None:
        self._loop = loop
        self._clock = clock
        self._armed: dict[str, asyncio.TimerHandle] = {}

    def arm(self, timer: ArmTimer, feed: Callable[[Input], None]) -> None:
        """``feed`` gets ``TimerFired`` at the timer's instant or a little later, never before."""
        self.disarm(timer.timer)
        delay_s = max(0.0, timer.at_ms - self._clock.now_ms()) / 1000
        self._armed[timer.timer] = self._loop.call_later(delay_s, self._fire, timer, feed)

    def disarm(self, name: str) -> None:
        """It does not fire any more; one that was never armed is no error."""
        handle = self._armed.pop(name, None)
        if handle is not None:
            handle.cancel()

    def close(self) -> None:
        """Disarm them all."""
        for name in list(self._armed):
            self.disarm(name)

    def _fire(self, timer: ArmTimer, feed: Callable[[Input], None]) -> None:
        if self._clock.now_ms() < timer.at_ms:
            # The loop's clock is coarser than the call's; the machine must not be told before the time.
            self.arm(timer, feed)
            return
        self._armed.pop(timer.timer, None)
        feed(TimerFired(timer=timer.timer, generation=timer.generation))
