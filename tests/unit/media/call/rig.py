"""A media tier on a real embedded log with scripted providers, and a caller who speaks through an in-memory socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import uuid4

from domain.assistant.aggregate import ASSISTANT
from domain.call.aggregate import CALL
from domain.call.commands import CreateCall
from domain.call.state import Call
from domain.configuration.commands import CreateConfiguration
from domain.configuration.kinds import CONFIGURATIONS
from domain.egress import EgressPolicy
from domain.event import Event
from domain.fragments import FragmentLog
from domain.log.position import Position
from media.artifacts.local import LocalArtifactStore
from media.audio.framing import FRAME_BYTES, FRAME_MS, SILENCE
from media.audio.voice_activity import peak_detector
from media.call.settings import MediaSettings
from media.call.tenancy import TenantPorts
from media.call.tier import MediaTier
from media.machine.recorded import NotRecorded, judge, recorded_call
from media.providers.errors import ProviderError
from media.providers.language_model import LanguageModel
from media.providers.scripted import ScriptedLanguageModel, ScriptedSpeechToText, ScriptedTextToSpeech, tone
from media.providers.speech_to_text import SpeechToText
from media.providers.text_to_speech import TextToSpeech
from streams.log.embedded import EmbeddedLog
from streams.media_log.embedded import EmbeddedFragmentLog
from tests.patience import PATIENCE_S

ORG = "0f7c0a52-5f3a-4c6e-9d2b-0d7f1f6f5a10"
_LOUD = tone(FRAME_MS)
assert len(_LOUD) == FRAME_BYTES
_NEVER_TOO_BUSY = {"max_lag_ms": 10_000, "max_busy": 1.0, "max_start_wait_ms": 60_000, "max_log_wait_ms": 600_000}
"""Tests share a machine: what is refused for want of it is for those to say that ask."""


class InMemorySocket:
    """A ``CallSocket`` whose far end is the test."""

    def __init__(self) -> None:
        self._incoming: asyncio.Queue[bytes | str | None] = asyncio.Queue()
        self.audio = bytearray()
        self.messages: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None
        self.closed_event = asyncio.Event()
        self._changed = asyncio.Condition()

    def deliver(self, take: Callable[[bytes], bool]) -> None:
        """It has no short way."""

    def send_now(self, data: bytes | str) -> bool:
        return False

    async def receive(self) -> bytes | str | None:
        return await self._incoming.get()

    async def send_bytes(self, data: bytes) -> None:
        if self.closed is not None:
            raise RuntimeError("send after close")
        self.audio += data
        await self._notify()

    async def send_text(self, text: str) -> None:
        if self.closed is not None:
            raise RuntimeError("send after close")
        self.messages.append(json.loads(text))
        await self._notify()

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)
        self.closed_event.set()
        await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    # The caller's side.

    def say(self, message: bytes | str) -> None:
        self._incoming.put_nowait(message)

    def control(self, **message: Any) -> None:
        self.say(json.dumps(message))

    def vanish(self) -> None:
        self._incoming.put_nowait(None)

    async def speak(self, voiced_ms: int = 160, silence_ms: int = 160) -> None:
        """A tone and then silence, in real time."""
        for _ in range(voiced_ms // FRAME_MS):
            self.say(_LOUD)
            await asyncio.sleep(FRAME_MS / 1000)
        for _ in range(silence_ms // FRAME_MS):
            self.say(SILENCE)
            await asyncio.sleep(FRAME_MS / 1000)

    async def until(self, condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(condition)

    async def until_message(self, timeout_s: float = PATIENCE_S, **wanted: Any) -> dict[str, Any]:
        """The first message that has all these fields."""

        def found() -> dict[str, Any] | None:
            return next((m for m in self.messages if all(m.get(key) == value for key, value in wanted.items())), None)

        await self.until(lambda: found() is not None, timeout_s)
        message = found()
        assert message is not None
        return message


@dataclass
class ScriptedProviders:
    """A registry of scripted providers; a list per stage stands for the configured one and its fallbacks."""

    hearing: Sequence[SpeechToText] = field(default_factory=lambda: [ScriptedSpeechToText()])
    thinking: Sequence[LanguageModel] = field(default_factory=lambda: [ScriptedLanguageModel()])
    speaking: Sequence[TextToSpeech] = field(default_factory=lambda: [ScriptedTextToSpeech()])
    refusal: ProviderError | None = None

    def transcribers(self, assistant: Mapping[str, Any]) -> Sequence[SpeechToText]:
        if self.refusal is not None:
            raise self.refusal
        return self.hearing

    def models(self, assistant: Mapping[str, Any]) -> Sequence[LanguageModel]:
        return self.thinking

    def voices(self, assistant: Mapping[str, Any]) -> Sequence[TextToSpeech]:
        return self.speaking


@dataclass
class Rig:
    tier: MediaTier
    log: EmbeddedLog
    fragments: EmbeddedFragmentLog
    artifacts: LocalArtifactStore
    root: Path
    new_id: Callable[[], str]
    created: list[str] = field(default_factory=list)

    async def create(
        self,
        assistant: Mapping[str, Any] | None = None,
        transport: Mapping[str, Any] | None = None,
        **request: Any,
    ) -> str:
        """Queue a call with a transient assistant, or with what else ``request`` says; returns its id."""
        call_id = self.new_id()
        self.created.append(call_id)
        command = CreateCall(
            org_id=ORG,
            type="vapi.websocketCall",
            request={**({"assistant": dict(assistant)} if assistant is not None else {}), **request},
            transport={"provider": "vapi.websocket", **(transport or {})},
        )
        await self.log.execute(CALL, call_id, command)
        return call_id

    async def store(self, kind: str, config: Mapping[str, Any]) -> str:
        """Store a configuration; returns its id."""
        aggregate = ASSISTANT if kind == "assistant" else CONFIGURATIONS[kind]
        created = self.new_id()
        await self.log.execute(aggregate, created, CreateConfiguration(org_id=ORG, config=dict(config)))
        return created

    def call(self, call_id: str) -> Call:
        document = self.log.get("call", call_id)
        assert document is not None
        state: Call = document.state
        return state

    def events(self, call_id: str) -> list[Event]:
        return [positioned.recorded.event for positioned in self.log.history(call_id)]

    def types(self, call_id: str) -> list[str]:
        return [event.TYPE for event in self.events(call_id)]

    def assert_replays(self) -> None:
        """Hold every call of this rig against its recording, as far as its inputs are kept."""
        for call_id in self.created:
            try:
                recorded = recorded_call(self.events(call_id), self.fragments.read(call_id))
            except NotRecorded:
                continue
            if recorded.inputs:
                verdict = judge(recorded)
                assert verdict.exact, verdict.difference

    def head(self) -> Position:
        return self.log.head()


@asynccontextmanager
async def media_rig(
    root: Path,
    providers: ScriptedProviders | None = None,
    *,
    commands: Callable[[EmbeddedLog], Any] = lambda log: log,
    fragment_log: Callable[[EmbeddedFragmentLog], FragmentLog] = lambda fragments: fragments,
    logs: tuple[Any, Any] | None = None,
    address: str = "",
    tenants: TenantPorts | None = None,
    replays: bool = True,
    served: bool = True,
    **settings: Any,
) -> AsyncIterator[Rig]:
    """``commands`` and ``fragment_log`` may wrap the logs to make them fail; ``logs`` replace those in files. Unless
    ``served``, the tier does not run: nobody else's reaper looks at the calls that the test leaves behind.

    Afterwards every call that was held steps to the same events again, unless ``replays`` is off or ``logs`` are given.
    """

    def new_id() -> str:
        return str(uuid4())

    def clock() -> datetime:
        return datetime.now(UTC)

    log, fragments = logs or (
        EmbeddedLog.open(root / "log.db", clock=clock, new_id=new_id),
        EmbeddedFragmentLog(root / "media.db"),
    )
    artifacts = LocalArtifactStore(root / "artifacts")
    tier = MediaTier(
        commands=commands(log),
        documents=log,
        fragments=fragment_log(fragments),
        artifacts=artifacts,
        providers=providers or ScriptedProviders(),
        egress=EgressPolicy((ip_network("127.0.0.0/8"),)),
        settings=MediaSettings(live_dir=root / "live", **{"silence_hangover_ms": 100, **_NEVER_TOO_BUSY, **settings}),
        clock=clock,
        new_id=new_id,
        address=address,
        log=log,
        tenants=tenants,
        detector=lambda: peak_detector(1_000),
    )
    try:
        rig = Rig(tier, log, fragments, artifacts, root, new_id)
        async with tier if served else nullcontext():
            yield rig
        if replays and logs is None:
            rig.assert_replays()
    finally:
        log.close()
        fragments.close()
