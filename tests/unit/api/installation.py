"""An installation to test the API against: the real embedded log, and scripted doubles for media and analytics."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from api.dependencies import ApiDependencies, ApiLimits, ApiSettings
from domain.analytics import InsightAsked, SqlResult
from domain.artifacts import ArtifactsUnavailable, StoredArtifact
from domain.live_calls import CallNotLive, CallSocket
from domain.organization.founding import Founding, carry_out, found_with
from media.call.sound_links import SoundLooks
from media.egress.client import guarded_client
from streams.log.embedded import EmbeddedLog
from tests.unit.api.chatting import LOOPBACK, chatting

SECRET = b"a secret of thirty-two bytes....."
OPERATOR_TOKEN = "operator-token-of-the-tests"


class SettableClock:
    """A clock that moves when told, and by a millisecond at every look, so that times order events."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class ScriptedLiveCalls:
    """Calls that run are those in ``running``; what is asked of them is written down."""

    running: set[str] = field(default_factory=set)
    messages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    ended: list[tuple[str, str]] = field(default_factory=list)
    on_serve: Callable[[str, CallSocket], Any] | None = None
    on_end: Callable[[str, str], Any] | None = None
    on_listen: Callable[[str, CallSocket], Any] | None = None

    async def serve(self, call_id: str, socket: CallSocket) -> None:
        if self.on_serve is not None:
            await self.on_serve(call_id, socket)

    async def listen(self, call_id: str, socket: CallSocket) -> None:
        if call_id not in self.running:
            raise CallNotLive
        if self.on_listen is not None:
            await self.on_listen(call_id, socket)
            return
        await socket.send_text('{"type":"format"}')
        await socket.send_bytes(b"\x00\x00")

    async def control(self, call_id: str, message: dict[str, Any]) -> None:
        if call_id not in self.running:
            raise CallNotLive
        self.messages.append((call_id, message))

    async def end(self, call_id: str, reason: str) -> None:
        if call_id not in self.running:
            raise CallNotLive
        self.running.discard(call_id)
        self.ended.append((call_id, reason))
        if self.on_end is not None:
            await self.on_end(call_id, reason)

    def active(self) -> int:
        return len(self.running)

    def room(self) -> int:
        return 100

    async def drain(self, timeout_s: float) -> None:
        self.running.clear()


@dataclass
class ScriptedAnalytics:
    """Answers what it was given, or raises it."""

    answer: list[dict[str, Any]] | Exception = field(default_factory=list)
    asked: list[tuple[str, Sequence[dict[str, Any]]]] = field(default_factory=list)
    insights: list[InsightAsked] = field(default_factory=list)

    async def run(self, org_id: str, queries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        self.asked.append((org_id, queries))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def insight(self, org_id: str, asked: InsightAsked) -> dict[str, Any]:
        self.asked.append((org_id, [asked.config]))
        self.insights.append(asked)
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"format": asked.format, "result": self.answer}

    async def sql(self, statement: str, *, org_id: str | None = None, limit: int = 10_000) -> SqlResult:
        if isinstance(self.answer, Exception):
            raise self.answer
        return SqlResult(("statement",), ("String",), ((statement,),), 1.5)


@dataclass
class MemoryArtifacts:
    """Stored files by location. ``links`` is where a bucket would serve them; ``away`` that it does not answer."""

    files: dict[str, bytes] = field(default_factory=dict)
    links: str | None = None
    away: bool = False

    def link(self, location: str, seconds: int) -> str | None:
        return f"{self.links}/{location}?expires={seconds}" if self.links else None

    def put(self, call_id: str, name: str, source: Path, content_type: str) -> StoredArtifact:
        content = source.read_bytes()
        source.unlink()
        digest = hashlib.sha256(content).hexdigest()
        location = f"{call_id}/{name}-{digest[:16]}{source.suffix}"
        self.files[location] = content
        return StoredArtifact(location=location, sha256=digest, size_bytes=len(content), content_type=content_type)

    def open(self, location: str) -> BinaryIO:
        if self.away:
            raise ArtifactsUnavailable("the bucket did not give it")
        if location not in self.files:
            raise FileNotFoundError(location)
        return io.BytesIO(self.files[location])

    def delete(self, location: str) -> None:
        if self.away:
            raise ArtifactsUnavailable("the bucket did not delete it")
        self.files.pop(location, None)


@dataclass
class Installation:
    """Everything a test may want to look at, and the dependencies made of it."""

    log: EmbeddedLog
    clock: SettableClock
    live_calls: ScriptedLiveCalls
    analytics: ScriptedAnalytics
    artifacts: MemoryArtifacts
    dependencies: ApiDependencies

    async def found(self, name: str) -> Founding:
        founding = found_with(name, new_id=new_id, secret=SECRET, public_random=os.urandom(20))
        await carry_out(founding, self.log)
        return founding


def new_id() -> str:
    return str(uuid4())


def install(
    folder: Path, *, limits: ApiLimits | None = None, public_url: str = "https://calls.example"
) -> Installation:
    clock = SettableClock()
    log = EmbeddedLog.open(folder / "log.db", clock=clock, new_id=new_id)
    live_calls, analytics, artifacts = ScriptedLiveCalls(), ScriptedAnalytics(), MemoryArtifacts()
    chats = chatting(log, clock)
    numbers = itertools.count(1)
    dependencies = ApiDependencies(
        commands=log,
        documents=log,
        log=log,
        live_calls=live_calls,
        own_calls=live_calls,
        chats=chats,
        sound_links=SoundLooks(guarded_client(LOOPBACK, timeout_s=60)),
        analytics=analytics,
        artifacts=artifacts,
        settings=ApiSettings(
            public_url=public_url,
            signing_secret=SECRET,
            version="0.0-test",
            operator_token=OPERATOR_TOKEN,
            limits=limits or ApiLimits(body_bytes=64 * 1024, position_wait_seconds=0.2),
        ),
        clock=clock,
        new_id=new_id,
        new_call_id=lambda: f"01900000-0000-7000-8000-{next(numbers):012d}",
        random_bytes=os.urandom,
    )
    return Installation(log, clock, live_calls, analytics, artifacts, dependencies)
