"""The machine and the state it is in: the only mutable thing is which state that is."""

from __future__ import annotations

from collections.abc import Sequence

from media.machine.inputs import Input
from media.machine.outputs import Output
from media.machine.plan import CallPlan
from media.machine.state import MachineState
from media.machine.step import initial, step


class MachineConversation:
    """One conversation by the rules of ``media.machine``."""

    def __init__(self, plan: CallPlan) -> None:
        self._plan = plan
        self._state: MachineState | None = None

    def begin(self, now_ms: float) -> Sequence[Output]:
        """What is to be done before the caller is connected."""
        self._state, outputs = initial(self._plan, now_ms)
        return outputs

    def step(self, happened: Input, now_ms: float) -> Sequence[Output]:
        """What the input leads to. ``begin`` comes first."""
        if self._state is None:
            raise RuntimeError("a conversation is stepped before it began")
        self._state, outputs = step(self._state, happened, now_ms)
        return outputs
