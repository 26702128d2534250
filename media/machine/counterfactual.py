"""A recorded call under another configuration: what the caller did stays, what we did follows from the machine.

The caller's sounds and words keep their times. Answers of providers, of the voice and of the playout come as long after
they were asked for as in the recording, and not at all where they are not asked for. Timers fire on time. What the
caller would have said to another answer nobody knows: the further behind the first difference, the less it means.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

import msgspec

from domain.call.events import CallEnded, TurnDecided
from media.machine import inputs, outputs
from media.machine.inputs import Input
from media.machine.outputs import Output
from media.machine.plan import CallPlan
from media.machine.replay import encode_output, replay
from media.machine.step import initial, step

_MOST_STEPS = 1_000_000
_BEHIND_THE_RECORDING = 1_000_000_000
"""Of what happens at one instant, timers and cut speeches come last."""
_NEVER_AHEAD = 1e-6
"""Two instants this close (ms) are one."""

Anchor = tuple[str, object]


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """The first output that is another one, or comes at another time. ``None``: one side has none any more."""

    at_ms: float
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    before_ms: float | None = None
    after_ms: float | None = None


class TurnTiming(msgspec.Struct, frozen=True, kw_only=True):
    """The instants of one exchange on the call's clock, in ms; ``None`` where there was none."""

    turn: int
    rule: str = ""
    wait_ms: float | None = None
    decided_ms: float | None = None
    asked_ms: float | None = None
    played_ms: float | None = None


Placed = tuple[float, int, Input]
"""An input with its time (or how long after its order it comes) and its place in the recording, which breaks ties."""
Timed = list[tuple[float, Output]]


def simulate(plan: CallPlan, base: CallPlan, recorded: Sequence[tuple[float, Input]], *, began_ms: float) -> Timed:
    """Every output of the call under ``plan``, with its instant. ``base`` is the plan that it was recorded under."""
    return _Simulation(plan, *_answers(base, recorded, began_ms)).run(began_ms)


def first_change(before: Timed, after: Timed) -> Changed | None:
    """Where two runs part; ``None`` where they never do."""
    for index in range(max(len(before), len(after))):
        here = before[index] if index < len(before) else None
        there = after[index] if index < len(after) else None
        if here is not None and there is not None and here[1] == there[1] and abs(here[0] - there[0]) < _NEVER_AHEAD:
            continue
        times = [side[0] for side in (here, there) if side is not None]
        return Changed(
            at_ms=min(times),
            before=encode_output(here[1]) if here is not None else None,
            after=encode_output(there[1]) if there is not None else None,
            before_ms=here[0] if here is not None else None,
            after_ms=there[0] if there is not None else None,
        )
    return None


def timings(run: Timed) -> list[TurnTiming]:
    """When each exchange was decided, asked of the model and first played."""
    found: dict[int, dict[str, Any]] = {}
    of_utterance: dict[int, int] = {}
    turn = 0
    for at_ms, output in run:
        match output:
            case outputs.Record(event=TurnDecided() as decided):
                turn = decided.turn
                found.setdefault(turn, {}).update(rule=decided.rule, wait_ms=decided.wait_ms, decided_ms=at_ms)
            case outputs.StartModel():
                found.setdefault(output.turn, {})["asked_ms"] = at_ms
            case outputs.Synthesize(utterance_id=utterance_id):
                of_utterance.setdefault(utterance_id, turn)
            case outputs.StartPlayout(utterance_id=utterance_id):
                found.setdefault(of_utterance.get(utterance_id, turn), {}).setdefault("played_ms", at_ms)
    return [TurnTiming(turn=number, **facts) for number, facts in sorted(found.items())]


def ended(run: Timed) -> CallEnded | None:
    """How the call ended in this run, if it did."""
    return next(
        (
            output.event
            for _, output in reversed(run)
            if isinstance(output, outputs.Record) and isinstance(output.event, CallEnded)
        ),
        None,
    )


def _anchors_of(output: Output) -> tuple[Anchor, ...]:
    """What an order is answered under."""
    match output:
        case outputs.StartModel(request_id=request_id):
            return (("model", request_id),)
        case outputs.Synthesize(utterance_id=utterance_id, chunk=chunk):
            return (("voice", (utterance_id, chunk)),)
        case outputs.StartPlayout(utterance_id=utterance_id):
            return (("playout", utterance_id),)
        case outputs.AskEndpointing(ask_id=ask_id):
            return (("endpointing", ask_id),)
        case outputs.CallTool() | outputs.AskDestination() | outputs.ResolveAssistant():
            return ((f"tool-{type(output).__name__}", output.tool_call_id),)
        case outputs.Transfer(transfer_id=transfer_id):
            return (("transfer", transfer_id),)
        case _:
            return ()


def _anchors_for(happened: Input) -> tuple[Anchor, ...]:
    """Which order an input answers, the likelier ones first; none for what the caller or an operator did."""
    match happened:
        case (
            inputs.ModelText(request_id=request_id)
            | inputs.ModelCalledTools(request_id=request_id)
            | inputs.ModelFinished(request_id=request_id)
            | inputs.ModelFailed(request_id=request_id)
        ):
            return (("model", request_id),)
        case (
            inputs.VoiceStarted(utterance_id=utterance_id, chunk=chunk)
            | inputs.VoiceFinished(utterance_id=utterance_id, chunk=chunk)
        ):
            return (("voice", (utterance_id, chunk)),)
        case inputs.PlayoutStarted(utterance_id=utterance_id) | inputs.PlayoutFinished(utterance_id=utterance_id):
            return (("playout", utterance_id),)
        case inputs.EndpointingAnswered(ask_id=ask_id):
            return (("endpointing", ask_id),)
        case inputs.ToolReturned(tool_call_id=call_id) | inputs.ToolErred(tool_call_id=call_id):
            return (("tool-CallTool", call_id), ("tool-AskDestination", call_id), ("tool-ResolveAssistant", call_id))
        case inputs.DestinationAnswered(tool_call_id=call_id):
            return (("tool-AskDestination", call_id),)
        case inputs.AssistantResolved(tool_call_id=call_id):
            return (("tool-ResolveAssistant", call_id),)
        case inputs.TransferProgressed(transfer_id=transfer_id):
            return (("transfer", transfer_id),)
        case _:
            return ()


def _answers(
    base: CallPlan, recorded: Sequence[tuple[float, Input]], began_ms: float
) -> tuple[list[Placed], dict[Anchor, list[Placed]]]:
    """What happened by itself, at its time, and what was an answer, by what it answers and how long that took."""
    asked: dict[Anchor, float] = {}
    times = [began_ms, *(at_ms for at_ms, _ in recorded)]
    for at_ms, made in zip(times, replay(base, recorded, began_ms=began_ms), strict=True):
        for output in made:
            for anchor in _anchors_of(output):
                asked.setdefault(anchor, at_ms)
    alone: list[Placed] = []
    answers: dict[Anchor, list[Placed]] = {}
    for place, (at_ms, happened) in enumerate(recorded):
        if isinstance(happened, inputs.TimerFired) or (
            isinstance(happened, inputs.PlayoutFinished) and happened.stopped
        ):
            continue
        order = next((each for each in _anchors_for(happened) if each in asked), None)
        if order is None:
            alone.append((at_ms, place, happened))
        else:
            answers.setdefault(order, []).append((at_ms - asked[order], place, happened))
    return alone, answers


class _Simulation:
    """Virtual time around one machine."""

    def __init__(
        self,
        plan: CallPlan,
        alone: list[Placed],
        answers: dict[Anchor, list[Placed]],
    ) -> None:
        self._plan = plan
        self._answers = answers
        self._run: Timed = []
        self._queue: list[Placed] = []
        self._sequence = _BEHIND_THE_RECORDING
        self._played: dict[int, float] = {}
        self._texts: dict[int, list[int]] = {}
        self._stopped: set[int] = set()
        for each in alone:
            heapq.heappush(self._queue, each)

    def run(self, began_ms: float) -> Timed:
        state, made = initial(self._plan, began_ms)
        self._take(began_ms, made)
        now_ms = began_ms
        for _ in range(_MOST_STEPS):
            if not self._queue or state.over:
                break
            at_ms, _, happened = heapq.heappop(self._queue)
            now_ms = max(now_ms, at_ms)
            if isinstance(happened, inputs.TimerFired) and state.timers.get(happened.timer) != happened.generation:
                continue
            if isinstance(happened, inputs.PlayoutFinished) and self._is_over(happened):
                continue
            state, made = step(state, happened, now_ms)
            self._take(now_ms, made)
        return self._run

    def _is_over(self, finished: inputs.PlayoutFinished) -> bool:
        over = finished.utterance_id in self._stopped and not finished.stopped
        self._played.pop(finished.utterance_id, None)
        return over

    def _push(self, at_ms: float, happened: Input) -> None:
        self._sequence += 1
        heapq.heappush(self._queue, (at_ms, self._sequence, happened))

    def _take(self, now_ms: float, made: Sequence[Output]) -> None:
        for output in made:
            self._run.append((now_ms, output))
            match output:
                case outputs.ArmTimer(timer=timer, at_ms=at_ms, generation=generation):
                    self._push(at_ms, inputs.TimerFired(timer=timer, generation=generation))
                case outputs.Synthesize(utterance_id=utterance_id, text=text):
                    self._texts.setdefault(utterance_id, []).append(len(text))
                case outputs.StartPlayout(utterance_id=utterance_id):
                    self._played[utterance_id] = now_ms
                case outputs.StopPlayout(utterance_id=utterance_id) if utterance_id in self._played:
                    self._stop(utterance_id, now_ms)
            for anchor in _anchors_of(output):
                for delay_ms, place, answer in self._answers.pop(anchor, ()):
                    heapq.heappush(self._queue, (now_ms + delay_ms, place, answer))

    def _stop(self, utterance_id: int, now_ms: float) -> None:
        """The playout answers; how much was heard is estimated from the time it played."""
        played_ms = now_ms - self._played.pop(utterance_id)
        self._stopped.add(utterance_id)
        left, heard = int(played_ms / _MS_PER_CHARACTER), []
        for length in self._texts.get(utterance_id, []):
            heard.append(min(length, left))
            left -= heard[-1]
        self._push(
            now_ms,
            inputs.PlayoutFinished(
                utterance_id=utterance_id, heard_ms=played_ms, heard_chars=tuple(heard), stopped=True
            ),
        )


_MS_PER_CHARACTER = 65.0
"""About 15 characters a second: what a cut speech is estimated by."""
