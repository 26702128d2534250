"""A virtual shell around the call machine: clock, timers, voice, playout and scripted model, tool server and caller.

It plays the shell's part exactly as ``media.machine.outputs`` describes it and checks the rules every output must
keep, so that each scenario and each random walk checks them too.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from msgspec.structs import replace

from domain.call.events import CallEnded, MessageCommitted
from domain.event import Event
from media.machine import inputs, outputs
from media.machine.inputs import Input, RequestedTool
from media.machine.outputs import Output
from media.machine.plan import CallPlan
from media.machine.step import initial, step

MS_PER_CHARACTER = 50.0
EventType = TypeVar("EventType", bound=Event)
OutputType = TypeVar("OutputType", bound=Output)


@dataclass
class Reply:
    """What the scripted model answers: text, tool calls or a failure, after ``delay_ms``."""

    text: str = ""
    calls: tuple[RequestedTool, ...] = ()
    delay_ms: float = 100.0
    token_ms: float = 10.0
    fails: str = ""
    silent: bool = False


@dataclass
class Player:
    """One utterance as the shell holds it: audio per chunk in ms, and how much of it was played."""

    texts: list[str] = field(default_factory=list)
    durations: list[float] = field(default_factory=list)
    closed: bool = False
    opened_ms: float | None = None
    done: bool = False


class Scenario:
    """Feed inputs, let time pass, look at outputs. ``voice_ms`` is the delay to the first audio of a chunk."""

    def __init__(self, config: dict[str, Any] | None = None, *, voice_ms: float = 100.0, **facts: Any) -> None:
        self.plan = CallPlan.from_assistant(config or {}, **facts)
        self.now = 0.0
        self.voice_ms = voice_ms
        self.replies: list[Reply] = []
        self.results: dict[str, tuple[float, inputs.ToolReturned | inputs.ToolErred]] = {}
        self.log: list[tuple[float, Output]] = []
        self.fed: list[tuple[float, Input]] = []
        self.requests: dict[int, str] = {}
        self.players: dict[int, Player] = {}
        self.timers: dict[str, int] = {}
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0
        self.state, first = initial(self.plan)
        self._carry_out(first)

    # --- driving

    def feed(self, input: Input) -> None:
        self.fed.append((self.now, input))
        self.state, made = step(self.state, input, self.now)
        self._carry_out(made)

    def connect(self) -> Scenario:
        self.feed(inputs.Connected())
        return self

    def run(self, for_ms: float) -> Scenario:
        """Let time pass; everything that is due on the way happens at its time."""
        until = self.now + for_ms
        while self._queue and self._queue[0][0] <= until:
            at_ms, _, action = heapq.heappop(self._queue)
            self.now = max(self.now, at_ms)
            action()
        self.now = until
        return self

    def run_until_quiet(self, limit_ms: float = 60_000) -> Scenario:
        """Until nothing is queued but timers that only a longer silence would fire."""
        end = self.now + limit_ms
        while self.now < end and str(self.state.phase) not in ("IDLE",) and not self.state.over:
            self.run(20)
        return self

    def hear(self, text: str, *, speak_ms: float = 400, final_after_ms: float = 100) -> Scenario:
        """The caller says something: voice activity, a partial midway, silence, the final."""
        start = self.now
        self.feed(inputs.SpeechStarted(at_ms=start))
        self.run(speak_ms / 2)
        if text:
            self.feed(inputs.PartialHeard(text=text.split()[0]))
        self.run(speak_ms / 2)
        self.feed(inputs.SpeechStopped(at_ms=self.now))
        self.run(final_after_ms)
        self.feed(inputs.FinalHeard(text=text, confidence=0.9 if text else None))
        return self

    def at(self, delay_ms: float, action: Callable[[], None]) -> None:
        self._sequence += 1
        heapq.heappush(self._queue, (self.now + delay_ms, self._sequence, action))

    # --- looking

    def events(self, kind: type[EventType]) -> list[EventType]:
        return [o.event for _, o in self.log if isinstance(o, outputs.Record) and isinstance(o.event, kind)]

    def outputs(self, kind: type[OutputType]) -> list[OutputType]:
        return [o for _, o in self.log if isinstance(o, kind)]

    def times(self, kind: type[Any]) -> list[float]:
        return [at for at, o in self.log if isinstance(o, kind)]

    def told(self, type: str) -> list[dict[str, Any]]:
        return [o.message for _, o in self.log if isinstance(o, outputs.Notify) and o.message["type"] == type]

    def phases(self) -> list[str]:
        return [o.data["to"] for _, o in self.log if isinstance(o, outputs.Note) and o.type == "turn.state"]

    @property
    def phase(self) -> str:
        return str(self.state.phase)

    def messages(self) -> list[tuple[str, str]]:
        return [(e.role, e.text) for e in self.events(MessageCommitted)]

    @property
    def ended(self) -> str | None:
        found = self.events(CallEnded)
        return found[0].reason if found else None

    # --- the shell's part

    def _carry_out(self, made: Iterable[Output]) -> None:
        for output in made:
            assert not self.outputs(outputs.HangUp), f"{output} after HangUp"
            self.log.append((self.now, output))
            match output:
                case outputs.ArmTimer():
                    self.timers[output.timer] = output.generation
                    self._timer(output)
                case outputs.DisarmTimer():
                    del self.timers[output.timer]
                case outputs.Synthesize():
                    self._synthesize(output)
                case outputs.StartPlayout():
                    self._start_playout(output.utterance_id)
                case outputs.StopPlayout():
                    self._stop_playout(output.utterance_id)
                case outputs.StartModel():
                    self._start_model(output)
                case outputs.AbortModel():
                    assert self.requests[output.request_id] == "running", "only running requests are aborted"
                    self.requests[output.request_id] = "aborted"
                case outputs.CallTool() if not output.detached and output.name in self.results:
                    self._run_tool(output)

    def _run_tool(self, order: outputs.CallTool) -> None:
        delay_ms, answer = self.results[order.name]
        given = replace(answer, tool_call_id=order.tool_call_id)
        self.at(delay_ms, lambda: self.feed(given))

    def _timer(self, armed: outputs.ArmTimer) -> None:
        def fire() -> None:
            if self.timers.get(armed.timer) == armed.generation:
                del self.timers[armed.timer]
                self.feed(inputs.TimerFired(timer=armed.timer, generation=armed.generation))

        self.at(armed.at_ms - self.now, fire)

    def _synthesize(self, order: outputs.Synthesize) -> None:
        player = self.players.setdefault(order.utterance_id, Player())
        assert not player.closed, "nothing follows the last chunk"
        assert order.chunk == len(player.texts), "chunks are numbered without gaps"
        assert order.spoken or order.last, "only the last chunk may be empty"
        player.texts.append(order.text)
        player.durations.append(len(order.text) * MS_PER_CHARACTER if order.spoken else 0.0)
        player.closed = order.last
        chunk, spoken = order.chunk, order.spoken

        def audio() -> None:
            if player.done:
                return
            if spoken:
                self.feed(inputs.VoiceStarted(utterance_id=order.utterance_id, chunk=chunk))
            self.feed(
                inputs.VoiceFinished(
                    utterance_id=order.utterance_id,
                    chunk=chunk,
                    duration_ms=player.durations[chunk],
                    characters=len(spoken),
                )
            )
            self._reschedule(order.utterance_id)

        self.at(self.voice_ms, audio)

    def _start_playout(self, utterance_id: int) -> None:
        player = self.players[utterance_id]
        playing = [number for number, p in self.players.items() if p.opened_ms is not None and not p.done]
        assert not playing, f"{utterance_id} starts while {playing} plays"
        assert not player.done
        player.opened_ms = self.now

        def started() -> None:
            if not player.done:
                self.feed(inputs.PlayoutStarted(utterance_id=utterance_id))

        self.at(0, started)
        self._reschedule(utterance_id)

    def _reschedule(self, utterance_id: int) -> None:
        player = self.players[utterance_id]
        if player.opened_ms is None or player.done or not player.closed:
            return
        opened_ms, total = player.opened_ms, sum(player.durations)

        def finished() -> None:
            if player.done:
                return
            player.done = True
            lengths = tuple(len(text) for text in player.texts)
            self.feed(inputs.PlayoutFinished(utterance_id=utterance_id, heard_ms=total, heard_chars=lengths))

        self.at(max(self.voice_ms, opened_ms + total - self.now), finished)

    def _stop_playout(self, utterance_id: int) -> None:
        player = self.players[utterance_id]
        if player.done:
            return
        player.done = True
        if player.opened_ms is None:
            return
        heard_ms = min(self.now - player.opened_ms, sum(player.durations))
        left, heard = heard_ms, []
        for text, duration in zip(player.texts, player.durations, strict=True):
            heard.append(len(text) if left >= duration else int(left / MS_PER_CHARACTER))
            left = max(0.0, left - duration)
        answer = inputs.PlayoutFinished(
            utterance_id=utterance_id, heard_ms=heard_ms, heard_chars=tuple(heard), stopped=True
        )
        self.at(1, lambda: self.feed(answer))

    def _start_model(self, order: outputs.StartModel) -> None:
        assert "running" not in self.requests.values(), "one request at a time"
        assert self.state.consent not in ("asking", "waiting", "answering"), "consent comes before everything else"
        for utterance in self.state.utterances:
            player = self.players.get(utterance.utterance_id)
            playing = player is not None and player.opened_ms is not None and not player.done
            assert not playing or utterance.source == "tool-message", "the model is not asked while we speak"
        request_id = order.request_id
        self.requests[request_id] = "running"
        if not self.replies:
            return
        reply = self.replies.pop(0)

        def give(input: Input, *, ends: bool = False) -> Callable[[], None]:
            def action() -> None:
                if self.requests[request_id] == "running":
                    if ends:
                        self.requests[request_id] = "finished"
                    self.feed(input)

            return action

        at_ms = reply.delay_ms
        if reply.silent:
            return
        for start in range(0, len(reply.text), 5):
            self.at(at_ms, give(inputs.ModelText(request_id=request_id, text=reply.text[start : start + 5])))
            at_ms += reply.token_ms
        if reply.fails:
            self.at(at_ms, give(inputs.ModelFailed(request_id=request_id, ended_reason=reply.fails), ends=True))
            return
        if reply.calls:
            self.at(at_ms, give(inputs.ModelCalledTools(request_id=request_id, calls=reply.calls)))
        finished = inputs.ModelFinished(request_id=request_id, prompt_tokens=100, completion_tokens=20)
        self.at(at_ms, give(finished, ends=True))
