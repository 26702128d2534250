"""The server of the voice benchmarks, in a process of its own: the media tier over HTTP, or a bare baseline.

The tier runs with the log on a disk, the real call machine and voice detector, and scripted providers that take fixed
times. The baseline does the least a server must: it notices the same silence, waits the same times, sends the same
audio. Both are served by uvicorn as the product configures it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import multiprocessing
import os
import resource
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import numpy as np
import uvloop
from fastapi import FastAPI, WebSocket

from api.call_sockets import hold_socket
from domain.call.aggregate import CALL
from domain.call.commands import CreateCall
from domain.egress import EgressPolicy
from domain.live_calls import CallSocket
from domain.log.ports import IdSource
from infra.http_server import serving
from infra.listening import listen
from media.artifacts.local import LocalArtifactStore
from media.audio.framing import FRAME_BYTES, FRAME_MS, SILENCE
from media.audio.voice_activity import Detector, webrtc_detector
from media.call.settings import MediaSettings
from media.call.tier import MediaTier
from media.providers.language_model import LanguageModel
from media.providers.scripted import ScriptedLanguageModel, ScriptedSpeechToText, ScriptedTextToSpeech, tone
from media.providers.speech_to_text import SpeechToText
from media.providers.text_to_speech import TextToSpeech
from streams.log.embedded import EmbeddedLog
from streams.media_log.embedded import EmbeddedFragmentLog
from tests.benchmarks.native_memory import heap_mb, sqlite_mb

Kind = Literal["callfold", "baseline"]

_SETTLED_S = 60.0
HANGOVER_MS = 200
FINAL_S = 0.050
FIRST_TOKEN_S = 0.200
FIRST_AUDIO_S = 0.100
PROVIDERS_MS = (FINAL_S + FIRST_TOKEN_S + FIRST_AUDIO_S) * 1000
"""What the providers take in each turn, beside the silence that ends speech."""

HEARD = "Please book it."
ANSWER = "Certainly, that is done now."
ANSWER_MS = 400.0
ASSISTANT: dict[str, Any] = {
    "firstMessage": "",
    "firstMessageMode": "assistant-waits-for-user",
    "model": {"messages": [{"role": "system", "content": "You book appointments."}]},
    "startSpeakingPlan": {
        "waitSeconds": 0,
        "transcriptionEndpointingPlan": {"onPunctuationSeconds": 0, "onNoPunctuationSeconds": 0},
    },
    "silenceTimeoutSeconds": 300,
}


class Scripted:
    """Providers of one process: every call gets its own, all take the same times."""

    def __init__(self) -> None:
        self._transcribers = weakref.WeakSet[ScriptedSpeechToText]()

    def heard(self) -> int:
        """Frames that reached the transcribers of the calls that run."""
        return sum(stream.frames for transcriber in self._transcribers for stream in transcriber.streams)

    def transcribers(self, assistant: Mapping[str, Any]) -> Sequence[SpeechToText]:
        transcriber = ScriptedSpeechToText([HEARD] * 1_000, final_delay_s=FINAL_S)
        self._transcribers.add(transcriber)
        return [transcriber]

    def models(self, assistant: Mapping[str, Any]) -> Sequence[LanguageModel]:
        return [ScriptedLanguageModel(answers=(ANSWER,), first_token_s=FIRST_TOKEN_S)]

    def voices(self, assistant: Mapping[str, Any]) -> Sequence[TextToSpeech]:
        return [ScriptedTextToSpeech(ms_per_character=ANSWER_MS / len(ANSWER), first_audio_s=FIRST_AUDIO_S)]


@dataclass
class Figures:
    """What the server process saw since it was last asked. ``loop_lag_ms`` are the delays of a 5 ms timer,
    ``held_ms`` what the loop's own thread computed of the longest one.

    ``others_s`` is what everything else on the machine took of the server's core: where it is much, the figures say
    little. ``heard`` counts the callers' frames that came through since the server's start.
    """

    cpu_s: float
    others_s: float
    wall_s: float
    loop_lag_ms: list[float]
    held_ms: float
    peak_mb: float
    heard: int


@dataclass(frozen=True)
class Limits:
    """From when on the server takes no more calls; by default it takes all, late or not."""

    lag_ms: float = 10_000.0
    busy: float = 1.0
    start_wait_ms: float = 60_000.0
    log_wait_ms: float = 600_000.0


@dataclass(frozen=True)
class Resources:
    """What the server process holds at this instant. ``blocks`` are those of Python's allocator, ``files`` descriptors,
    ``live_files`` what running calls need on disk; ``core`` is its share of a core since it was last asked. Of the C
    library's heap ``heap_mb`` is in use, ``sqlite_mb`` of that by SQLite, and ``free_mb`` is kept for later."""

    rss_mb: float
    heap_mb: float
    sqlite_mb: float
    free_mb: float
    blocks: int
    tasks: int
    files: int
    threads: int
    live_files: int
    core: float


class BenchmarkServer:
    """The child process, as its parent drives it. ``core`` is the one it keeps to, if any."""

    def __init__(self, kind: Kind, core: int | None, max_calls: int = 2_000, limits: Limits | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, far_end = context.Pipe()
        self._process = context.Process(
            target=_run, args=(kind, core, far_end, max_calls, limits or Limits()), daemon=True
        )
        self._process.start()
        self.port: int = self._pipe.recv()

    def calls(self, count: int) -> list[str]:
        """Queue that many calls; their ids."""
        self._pipe.send(("calls", count))
        ids: list[str] = self._pipe.recv()
        return ids

    def figures(self) -> Figures:
        """Since the last time."""
        self._pipe.send(("figures", 0))
        figures: Figures = self._pipe.recv()
        return figures

    def resources(self) -> Resources:
        """Now."""
        self._pipe.send(("resources", 0))
        resources: Resources = self._pipe.recv()
        return resources

    def settled(self) -> None:
        """End all calls, take no more, and return when the collector has looked at what they left."""
        self._pipe.send(("settle", 0))
        self._pipe.recv()

    def close(self) -> None:
        self._pipe.send(("close", 0))
        self._process.join(_SETTLED_S + 15)
        if self._process.is_alive():
            self._process.kill()


def split_cores() -> int:
    """Keep this process off the last core and return that one: it is the server's.

    Where that is allowed this process gets real-time priority, and so does the thread of the server's loop, so that
    other work on the machine is not what is measured.
    """
    come_first()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, set(cores[:-1]))
    return cores[-1]


def come_first() -> None:
    """Give this thread real-time priority, where that is allowed; threads and processes that it starts get none.

    With it for all threads of a process on one core, those that write to the log would not yield to the loop for up to
    100 ms, and the kernel would hold all of them up together as soon as they want more than 95 % of the core.
    """
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def _run(kind: Kind, core: int | None, pipe: Connection, max_calls: int, limits: Limits) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})
        come_first()
    uvloop.run(_serve(kind, core, pipe, max_calls, limits))


async def _serve(kind: Kind, core: int | None, pipe: Connection, max_calls: int, limits: Limits) -> None:
    providers, bare = Scripted(), BareCalls()
    numbers = itertools.count(1)

    def new_id() -> str:
        return f"00000000-0000-4000-8000-{next(numbers):012d}"

    with tempfile.TemporaryDirectory(prefix="callfold-bench-") as folder:
        async with _tier(Path(folder), new_id, max_calls, limits, providers) as (tier, log):
            listener = listen("127.0.0.1", 0)
            app = _app(bare.serve if kind == "baseline" else tier.serve)
            async with serving(app, listener), asyncio.TaskGroup() as group:
                lag = Lag()
                watch = group.create_task(lag.watch())
                pipe.send(listener.getsockname()[1])
                order = Orders(
                    tier,
                    log,
                    new_id,
                    Path(folder) / "live",
                    heard=bare.heard if kind == "baseline" else providers.heard,
                    core=core,
                    lag=lag,
                )
                await order.obey(pipe)
                watch.cancel()
                await tier.drain(_SETTLED_S)


@dataclass
class Orders:
    """What the parent may ask for."""

    tier: MediaTier
    log: EmbeddedLog
    new_id: IdSource
    live_dir: Path
    heard: Callable[[], int]
    core: int | None
    lag: Lag

    def __post_init__(self) -> None:
        self._since = self._looked = self._now()

    async def obey(self, pipe: Connection) -> None:
        """Until it is told to close."""
        loop = asyncio.get_running_loop()
        while True:
            order, count = await loop.run_in_executor(None, pipe.recv)
            match order:
                case "close":
                    return
                case "calls":
                    pipe.send([await self._queued() for _ in range(count)])
                case "resources":
                    pipe.send(self._resources())
                case "settle":
                    await self.tier.drain(_SETTLED_S)
                    gc.collect()
                    pipe.send(None)
                case _:
                    pipe.send(self._figures())

    async def _queued(self) -> str:
        call_id = self.new_id()
        command = CreateCall(
            org_id="org",
            type="vapi.websocketCall",
            request={"assistant": ASSISTANT},
            transport={"provider": "vapi.websocket"},
        )
        await self.log.execute(CALL, call_id, command)
        return call_id

    def _now(self) -> tuple[float, float, float]:
        busy_s = _busy_s(self.core) if self.core is not None else 0.0
        return time.process_time(), time.perf_counter(), busy_s

    def _figures(self) -> Figures:
        (cpu, wall, busy), self._since = self._since, self._now()
        now_cpu, now_wall, now_busy = self._since
        others_s = max(0.0, now_busy - busy - (now_cpu - cpu))
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        lag = self.lag
        figures = Figures(
            now_cpu - cpu, others_s, now_wall - wall, list(lag.late_ms), lag.held_ms, peak_mb, self.heard()
        )
        self.lag.forget()
        return figures

    def _resources(self) -> Resources:
        (cpu, wall, _), self._looked = self._looked, self._now()
        self.lag.forget()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        in_use_mb, free_mb = heap_mb()
        return Resources(
            rss_mb=pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20),
            heap_mb=in_use_mb,
            sqlite_mb=sqlite_mb(),
            free_mb=free_mb,
            blocks=sys.getallocatedblocks(),
            tasks=len(asyncio.all_tasks()),
            files=len(os.listdir("/proc/self/fd")),
            threads=threading.active_count(),
            live_files=sum(1 for path in self.live_dir.rglob("*") if path.is_file()),
            core=(self._looked[0] - cpu) / (self._looked[1] - wall),
        )


def _busy_s(core: int) -> float:
    """Seconds that the core was not idle since the machine's start, for whomever."""
    line = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith(f"cpu{core} "))
    user, nice, system, _, _, *interrupts = (int(field) for field in line.split()[1:9])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


@contextlib.asynccontextmanager
async def _tier(
    folder: Path, new_id: IdSource, max_calls: int, limits: Limits, providers: Scripted
) -> AsyncIterator[tuple[MediaTier, EmbeddedLog]]:
    def clock() -> datetime:
        return datetime.now(UTC)

    log = EmbeddedLog.open(folder / "log.db", clock=clock, new_id=new_id)
    fragments = EmbeddedFragmentLog(folder / "media.db")
    tier = MediaTier(
        commands=log,
        documents=log,
        fragments=fragments,
        artifacts=LocalArtifactStore(folder / "artifacts"),
        providers=providers,
        egress=EgressPolicy(),
        settings=MediaSettings(
            live_dir=folder / "live",
            silence_hangover_ms=HANGOVER_MS,
            max_calls=max_calls,
            max_lag_ms=limits.lag_ms,
            max_busy=limits.busy,
            max_start_wait_ms=limits.start_wait_ms,
            max_log_wait_ms=limits.log_wait_ms,
            reap_every_s=2.0,
        ),
        clock=clock,
        new_id=new_id,
        detector=_exact_detector,
    )
    try:
        async with tier:
            yield tier, log
    finally:
        log.close()
        fragments.close()


def _exact_detector() -> Detector:
    """The cost of the real detector and the judgement of a simple one: both servers find the same end of speech."""
    real = webrtc_detector()

    def voiced(frame: bytes) -> bool:
        real(frame)
        return frame != SILENCE

    return voiced


def _app(serve: Callable[[str, CallSocket], Awaitable[None]]) -> FastAPI:
    app = FastAPI()

    @app.websocket("/{call_id}")
    async def transport(websocket: WebSocket, call_id: str) -> None:
        await websocket.accept()
        await hold_socket(websocket, call_id, serve, 1 << 20)

    return app


class BareCalls:
    """Waits and nothing else: no recording, no log, no state."""

    def __init__(self) -> None:
        self._heard = 0
        self._answer = tone(ANSWER_MS)

    def heard(self) -> int:
        return self._heard

    async def serve(self, _: str, socket: CallSocket) -> None:
        speaking, silent = False, 0
        async with asyncio.TaskGroup() as group:
            while (message := await socket.receive()) is not None:
                if not isinstance(message, bytes):
                    break
                self._heard += 1
                if np.frombuffer(message, np.int16).max() > 1_000:
                    speaking, silent = True, 0
                    continue
                silent += 1
                if speaking and silent * FRAME_MS >= HANGOVER_MS:
                    speaking = False
                    group.create_task(_answer(socket, self._answer))


async def _answer(socket: CallSocket, pcm: bytes) -> None:
    for delay_s in (FINAL_S, FIRST_TOKEN_S, FIRST_AUDIO_S):
        await asyncio.sleep(delay_s)
    loop = asyncio.get_running_loop()
    due = loop.time()
    for start in range(0, len(pcm), FRAME_BYTES):
        await socket.send_bytes(pcm[start : start + FRAME_BYTES])
        due += FRAME_MS / 1000
        await asyncio.sleep(max(0.0, due - loop.time()))


@dataclass
class Lag:
    """How late the loop was at each look, and of the longest stop what its own thread computed meanwhile: the machine's
    other work and other threads make it late too."""

    late_ms: list[float] = field(default_factory=list)
    held_ms: float = 0.0

    def forget(self) -> None:
        self.late_ms.clear()
        self.held_ms = 0.0

    async def watch(self) -> None:
        """For as long as it is not cancelled."""
        while True:
            due, computed_s = time.perf_counter() + 0.005, time.thread_time()
            await asyncio.sleep(0.005)
            late_ms = (time.perf_counter() - due) * 1000
            self.late_ms.append(late_ms)
            self.held_ms = max(self.held_ms, min(late_ms, (time.thread_time() - computed_s) * 1000))
