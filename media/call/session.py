"""One conversation as it runs: the machine's state, its inputs from I/O, its outputs carried out in order.

Everything the call does lives in one task group and ends with it. ``feed`` is a plain call: an input is stepped at
once, its outputs are carried out, and inputs that come up meanwhile wait their turn, so no two steps interleave.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Literal

from domain.call.events import CallControlled, CallEnded, ListenerJoined
from domain.event import Event
from domain.live_calls import CallSocket
from media.audio.playout import Heard
from media.call.chronicle import Chronicle
from media.call.client_messages import ClientMessageFilter
from media.call.orders import hand_over
from media.call.parts import Conversation, Parts
from media.call.recorder import write_along
from media.call.retention import Retention
from media.call.timers import Timers
from media.machine.inputs import (
    Connected,
    ControlReceived,
    EndRequested,
    Input,
    PlayoutFinished,
    PlayoutStarted,
    TransportClosed,
)
from media.machine.outputs import (
    AllowRecording,
    ArmTimer,
    CallTool,
    DisarmTimer,
    HangUp,
    Note,
    Notify,
    Output,
    Record,
    StopPlayout,
)

_log = logging.getLogger(__name__)

CONTROL_ACTIONS = frozenset(
    ("say", "add-message", "control", "dtmf", "handoff", "end-call", "hangup", "transfer", "send-transport-message")
)
"""Types of control messages; others are the transport's own affairs, or nothing that we know."""
FAULT_REASON = "call.in-progress.error-vapifault-worker-died"
"""The ended reason of a call whose own machinery broke."""
OVERLOAD_REASON = "call.in-progress.error-vapifault-worker-not-available"
"""The ended reason of a call whose events the log does not take fast enough."""


class CallSession:
    """See the module. It is also the transport's ``Receiver`` and the runners' ``CallTasks``."""

    def __init__(
        self,
        conversation: Conversation,
        chronicle: Chronicle,
        *,
        client_messages: ClientMessageFilter,
        tell_server: Callable[[Mapping[str, Any]], None],
        files: Executor,
        closing_grace_s: float,
    ) -> None:
        self.call_id = chronicle.call_id
        self.chronicle = chronicle
        self.clock = chronicle.clock
        self._conversation = conversation
        self._client_messages = client_messages
        self._tell_server = tell_server
        self._files = files
        self._closing_grace_s = closing_grace_s
        self._loop = asyncio.get_running_loop()
        self._timers = Timers(self._loop, chronicle.clock)
        self._parts: Parts | None = None
        self._group: asyncio.TaskGroup | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._inputs: deque[Input] = deque()
        self._stepping = False
        self._hung_up = asyncio.Event()
        self._broken: asyncio.Future[None] = self._loop.create_future()
        self._overdue = False

    # What happens, from everywhere.

    def feed(self, happened: Input) -> None:
        """Step the machine with an input, now or right after the step that runs. Ignored once the call has ended."""
        self._inputs.append(happened)
        if self._stepping:
            return
        try:
            self._step_all()
        except Exception as fault:
            # Whoever fed this (a timer, the clock, another call's request) must not suffer from it: the call does.
            self._break(fault)

    def now_ms(self) -> float:
        return self.clock.now_ms()

    def tick(self) -> None:
        """The 20 ms clock of the process."""
        parts = self._parts
        if parts is None:
            return
        now_ms = self.clock.now_ms()
        try:
            parts.hearing.pump(now_ms)
            if not parts.playout.idle:
                parts.playout.pump(now_ms)
                parts.voice.room()
            else:
                parts.speaking.rest(now_ms)
            parts.listeners.tick(now_ms)
        except Exception as fault:
            self._break(fault)

    def audio_arrived(self) -> None:
        if self._parts is None:
            return
        try:
            self._parts.hearing.pump(self.clock.now_ms())
        except Exception as fault:
            self._break(fault)

    def control_arrived(self, message: dict[str, Any]) -> None:
        self.steer(message, "caller")

    def steer(self, message: dict[str, Any], by: Literal["caller", "operator"]) -> None:
        """One control message; that it came is an event, before those of what it does."""
        action = message.get("type")
        if isinstance(action, str) and action in CONTROL_ACTIONS and not self._hung_up.is_set():
            what = message.get("control") if action == "control" else None
            at_ms = self.clock.now_ms()
            self.record(CallControlled(action=action, by=by, what=what if isinstance(what, str) else "", at_ms=at_ms))
        self.feed(ControlReceived(message=message))

    def transport_closed(self, detail: str) -> None:
        self.chronicle.note("transport.closed", {"detail": detail})
        self.feed(TransportClosed())

    def warned(self, code: str, detail: str) -> None:
        """Record something a person should know that does not end the call."""
        self.chronicle.warned(code, detail)
        self._mind_the_log()

    def pass_client_messages(self, wanted: ClientMessageFilter) -> None:
        """Another assistant has the word, with client messages of its own."""
        self._client_messages = wanted

    def keep(self, retention: Retention) -> None:
        """Another assistant has the word, who may have less of the call kept, or more."""
        self.chronicle.keep(retention)
        self._silence_recording()

    def playout_started(self, utterance_id: int) -> None:
        self.feed(PlayoutStarted(utterance_id=utterance_id))

    def playout_finished(self, heard: Heard) -> None:
        self.feed(
            PlayoutFinished(
                utterance_id=heard.utterance_id,
                heard_ms=heard.heard_ms,
                heard_chars=heard.heard_chars,
                stopped=heard.stopped,
            )
        )

    def spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a part of the call; it is cancelled when the call ends."""
        if self._group is None:
            coroutine.close()
            raise RuntimeError(f"call {self.call_id} is not running: no {name} task can be started")
        task = self._group.create_task(coroutine, name=f"call-{self.call_id}-{name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def record(self, event: Event) -> None:
        """Append a domain event of this call, in order, with no more of it than may be kept."""
        self.chronicle.record(event)
        self._mind_the_log()

    def _silence_recording(self) -> None:
        if self._parts is not None and self._parts.recording is not None:
            self._parts.recording.silenced = not self.chronicle.records_sound

    def _mind_the_log(self) -> None:
        if self.chronicle.journal.overdue and not self._overdue:
            self._overdue = True
            self._loop.call_soon(self.feed, EndRequested(reason=OVERLOAD_REASON))

    @property
    def parts(self) -> Parts | None:
        """What the session drives while it runs."""
        return self._parts

    async def listen(self, socket: CallSocket) -> None:
        """Stream the mono mix to one listener until it goes or the call ends."""
        parts = self._parts
        if parts is None:
            await socket.close(1000, "the call is over")
        else:
            self.record(ListenerJoined(at_ms=self.clock.now_ms()))
            await parts.listeners.serve(socket)

    async def over(self) -> None:
        """Wait until the machine has hung up; its last events are in the journal then."""
        await self._hung_up.wait()

    # The life of the call.

    async def run(self, parts: Parts) -> None:
        """Hold the conversation until it is over. Every task of it has ended when this returns or raises."""
        self._parts = parts
        fault: ExceptionGroup[Exception] | None = None
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self.spawn(parts.transport.write(), "send")
                self.spawn(parts.transport.read(), "receive")
                self.spawn(parts.transcriber.run(), "transcriber")
                parts.room.open(self.spawn)
                if parts.recording is not None:
                    self.spawn(write_along(parts.recording, self.clock, self._files, self.warned), "recording")
                self._begin()
                self.feed(Connected())
                await self._until_over()
                await parts.transport.close(1000, self.chronicle.ended_reason or "call ended", self._closing_grace_s)
                for task in self._tasks:
                    task.cancel()
        except* Exception as group_fault:
            fault = group_fault
        finally:
            self._group = None
            self._timers.close()
            parts.listeners.close()
            if not self._hung_up.is_set():
                self._end_without_media(FAULT_REASON if fault is not None else "worker-shutdown")
            self._parts = None
        if fault is not None:
            _log.error("call.fault", extra={"call_id": self.call_id}, exc_info=fault)
            async with asyncio.TaskGroup() as last_words:
                sending = last_words.create_task(parts.transport.write())
                await parts.transport.close(1011, "internal error", self._closing_grace_s)
                sending.cancel()

    def _end_without_media(self, reason: str) -> None:
        """The tasks are gone: let the machine say what it has to, and make sure that the end is recorded."""
        self.feed(EndRequested(reason=reason))
        if self.chronicle.ended_reason is None:
            self.record(CallEnded(reason=reason, at_ms=self.clock.now_ms()))
        self._hung_up.set()

    async def _until_over(self) -> None:
        """Raises what broke the call, if anything did."""
        hung_up = self._loop.create_task(self._hung_up.wait())
        try:
            await asyncio.wait((hung_up, self._broken), return_when=asyncio.FIRST_COMPLETED)
        finally:
            hung_up.cancel()
        if self._broken.done():
            self._broken.result()

    def _break(self, fault: Exception) -> None:
        if not self._broken.done() and self._group is not None:
            self._broken.set_exception(fault)
        else:
            _log.error("call.fault_after_end", extra={"call_id": self.call_id}, exc_info=fault)

    # Steps and what they ask for.

    def _step_all(self) -> None:
        self._stepping = True
        try:
            while self._inputs:
                self._step(self._inputs.popleft())
        finally:
            self._stepping = False

    def _begin(self) -> None:
        """What the machine wants before the first input; inputs that this brings about wait for ``Connected``."""
        now_ms = self.clock.now_ms()
        self.chronicle.machine_began(now_ms)
        self._stepping = True
        try:
            self._carry_out_all(self._conversation.begin(now_ms), now_ms)
        finally:
            self._stepping = False

    def _step(self, happened: Input) -> None:
        if self._hung_up.is_set():
            return
        now_ms = self.clock.now_ms()
        self.chronicle.machine_input(happened, now_ms)
        self._carry_out_all(self._conversation.step(happened, now_ms), now_ms)

    def _carry_out_all(self, outputs: Sequence[Output], now_ms: float) -> None:
        calls: list[CallTool] = []
        for output in outputs:
            if isinstance(output, CallTool):
                calls.append(output)
                continue
            self._carry_out(output, now_ms)
        if calls and self._group is not None and self._parts is not None:
            self._parts.tools.start(calls)

    def _carry_out(self, output: Output, now_ms: float) -> None:
        match output:
            case Record(event=event):
                self.record(event)
            case Note(type=kind, data=data):
                self.chronicle.note(kind, data)
            case HangUp():
                self._hung_up.set()
            case ArmTimer():
                self._timers.arm(output, self.feed)
            case DisarmTimer(timer=name):
                self._timers.disarm(name)
            case Notify(message=message):
                message = {**message, "timestamp": round(self.clock.wall_time(now_ms).timestamp() * 1000)}
                self._tell_server(message)
                passed = self._client_messages.pass_through(message)
                if passed is not None and self._parts is not None:
                    self._parts.transport.send_message(passed)
            case AllowRecording(allowed=allowed):
                self.chronicle.recording_allowed = allowed
                self._silence_recording()
            case StopPlayout(utterance_id=utterance_id):
                if self._parts is not None:
                    self._parts.voice.stop(utterance_id)
                    self._parts.playout.stop(utterance_id, now_ms)
            case _:
                if self._parts is not None and self._group is not None:
                    hand_over(self._parts, output, now_ms)
