"""What a session is made of: the machine it steps and the parts of I/O it drives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from media.audio.playout import Playout
from media.audio.recording import Recording
from media.call.hearing import Hearing
from media.call.listeners import Listeners
from media.call.model_runner import ModelRunner
from media.call.room import Room
from media.call.speaking import Speaking
from media.call.transcriber_runner import TranscriberRunner
from media.call.voice_runner import VoiceRunner
from media.machine.inputs import Input
from media.machine.outputs import (
    AskDestination,
    AskEndpointing,
    CallTool,
    Output,
    ResolveAssistant,
    Transfer,
    UseAssistant,
)
from media.transports.websocket import WebSocketTransport


class Conversation(Protocol):
    """The machine with its state: what ``media.machine`` decides."""

    def begin(self, now_ms: float) -> Sequence[Output]: ...

    def step(self, happened: Input, now_ms: float) -> Sequence[Output]: ...


class ToolCalls(Protocol):
    """Carries out tool calls, and what hand-offs and transfers take; answers come back through ``feed``."""

    def start(self, calls: Sequence[CallTool]) -> None: ...

    def ask(self, order: AskDestination) -> None: ...

    def resolve(self, order: ResolveAssistant) -> None: ...

    def use(self, order: UseAssistant) -> None: ...

    def transfer(self, order: Transfer) -> None: ...


class Endpointing(Protocol):
    """Asks the tenant's endpointing server; answers come back through ``feed``."""

    def ask(self, question: AskEndpointing) -> None: ...


@dataclass(slots=True)
class Parts:
    """What a session drives, made for it by ``media.call.start``."""

    transport: WebSocketTransport
    playout: Playout
    hearing: Hearing
    transcriber: TranscriberRunner
    model: ModelRunner
    voice: VoiceRunner
    tools: ToolCalls
    endpointing: Endpointing
    listeners: Listeners
    recording: Recording | None
    speaking: Speaking
    room: Room
