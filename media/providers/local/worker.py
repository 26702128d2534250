"""A speech worker process seen from the event loop: start, talk, notice its death, start again.

The recogniser holds the interpreter lock for up to half a second and the synthesiser is GPL code with global state, so
both live in processes of their own. This is the parent's half: a child on a pipe, messages routed by stream number,
and a supervisor task that replaces a dead child. A death fails only the streams that child was serving.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import sys
from collections.abc import Callable

import msgspec

from media.child_process import ChildProcess, start_child
from media.providers.errors import Category, ProviderError, Stage
from media.providers.local.messages import AreYouThere, Deframer, Failed, FromWorker, Ready, ToWorker, frame

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 60.0
OPEN_TIMEOUT_S = 10.0
RESTART_DELAYS_S = (0.0, 0.2, 1.0, 5.0)
"""Pause before each restart in a row; the last one repeats. A child that became ready starts the row again."""

CLOSE_TIMEOUT_S = 2.0

Route = Callable[[FromWorker | ProviderError], None]
"""Takes the messages of one stream; a ``ProviderError`` is the last thing it gets."""


class WorkerProcess:
    """One supervised child. All methods are called on the loop that ran ``start``."""

    def __init__(self, module: str, provider: str, stage: Stage) -> None:
        self.module = module
        self._provider = provider
        self._stage: Stage = stage
        self._streams = itertools.count(1)
        self._routes: dict[int, Route] = {}
        self._child: _Child | None = None
        self._ready = asyncio.Event()
        self._unavailable = ""
        self._failures = 0
        self._messages = 0
        """How many have come from any child."""
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def load(self) -> int:
        """Streams being served."""
        return len(self._routes)

    @property
    def pid(self) -> int | None:
        """Process id of the living child."""
        return self._child.process.pid if self._child is not None else None

    @property
    def unavailable(self) -> str:
        """Why this machine cannot do it at all (something is not installed), else empty."""
        return self._unavailable

    @property
    def pending_bytes(self) -> int:
        """Bytes written that the child has not taken yet."""
        return self._child.process.pending_bytes if self._child is not None else 0

    async def start(self) -> None:
        """Start the child and wait until it can work or has said why it cannot.

        Raises ``ProviderError`` (``failed``) when it does neither in time."""
        if self._supervisor is None:
            self._supervisor = asyncio.create_task(self._supervise(), name=f"supervise {self.module}")
        await self._wait_ready(START_TIMEOUT_S)

    async def close(self) -> None:
        """End the child and every stream it served."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
            self._supervisor = None

    async def open(self, route: Route) -> int:
        """A number for a new stream whose messages go to ``route``; waits for a child that is just being restarted.

        Raises ``ProviderError``: ``not-configured`` when this machine lacks the software, ``failed`` when no child
        comes up in time."""
        if not self._ready.is_set():
            await self._wait_ready(OPEN_TIMEOUT_S)
        if self._unavailable:
            raise self._error("not-configured", self._unavailable)
        stream = next(self._streams)
        self._routes[stream] = route
        return stream

    def release(self, stream: int) -> None:
        """No more messages of this stream."""
        self._routes.pop(stream, None)

    def doubt(self, within_s: float) -> None:
        """Whoever was owed an answer has left: the child is replaced if nothing at all comes from it in this time.

        Calls give up sooner than a busy child is known to be stuck, and the next ones must not find it still there."""
        child, heard = self._child, self._messages

        def judge() -> None:
            if child is not None and self._child is child and self._messages == heard:
                self.replace()

        self.send(AreYouThere())
        asyncio.get_running_loop().call_later(within_s, judge)

    def send(self, message: ToWorker) -> None:
        """Write to the child; dropped while there is none (the streams of a dead child have been told)."""
        if self._child is not None:
            self._child.process.write(frame(message))

    def replace(self) -> None:
        """Kill a child that does not answer: whoever waited too long for it asks for this, and all its streams fail."""
        if self._child is not None:
            logger.error("speech_worker_stuck", extra={"worker": self.module})
            self._ready.clear()
            self._child.process.kill()

    async def _wait_ready(self, timeout_s: float) -> None:
        if self._supervisor is None:
            raise self._error("failed", "the speech worker was not started")
        try:
            async with asyncio.timeout(timeout_s):
                await self._ready.wait()
        except TimeoutError:
            raise self._error("failed", f"the speech worker was not ready within {timeout_s:.0f} s") from None

    async def _supervise(self) -> None:
        while True:
            await self._run_child()
            if self._unavailable:
                return
            delay_s = RESTART_DELAYS_S[min(self._failures, len(RESTART_DELAYS_S) - 1)]
            self._failures += 1
            logger.warning("speech_worker_restarting", extra={"worker": self.module, "delay_s": delay_s})
            await asyncio.sleep(delay_s)

    async def _run_child(self) -> None:
        """Run one child to its end."""
        child = await _Child.start(self.module, self._on_message)
        self._child = child
        try:
            await child.gone.wait()
        finally:
            self._child = None
            if not self._unavailable:
                self._ready.clear()
            self._fail_all("the speech worker process ended")
            await child.process.end(CLOSE_TIMEOUT_S)

    def _on_message(self, message: FromWorker) -> None:
        self._messages += 1
        if isinstance(message, Ready):
            self._unavailable = message.unavailable
            self._failures = 0
            self._ready.set()
        elif isinstance(message, Failed):
            route = self._routes.pop(message.stream, None)
            if route is not None:
                route(self._error("failed", message.detail))
        elif (route := self._routes.get(message.stream)) is not None:
            route(message)

    def _fail_all(self, detail: str) -> None:
        routes, self._routes = self._routes, {}
        for route in routes.values():
            route(self._error("failed", detail))

    def _error(self, category: Category, detail: str) -> ProviderError:
        return ProviderError(self._provider, self._stage, category, detail)


class _Child:
    """The running process, and what it says as messages. ``gone`` is set when no more will come."""

    process: ChildProcess

    def __init__(self, on_message: Callable[[FromWorker], None]) -> None:
        self.gone = asyncio.Event()
        self._on_message = on_message
        self._deframer = Deframer()
        self._decoder = msgspec.msgpack.Decoder(FromWorker)

    @classmethod
    async def start(cls, module: str, on_message: Callable[[FromWorker], None]) -> _Child:
        child = cls(on_message)
        command = (sys.executable, "-P", "-m", module)
        child.process = await start_child(command, output=child._read, output_ended=child.gone.set)
        return child

    def _read(self, data: bytes) -> None:
        try:
            for body in self._deframer.feed(data):
                self._on_message(self._decoder.decode(body))
        except (ValueError, msgspec.MsgspecError) as error:
            logger.error("speech_worker_unreadable", extra={"detail": str(error)})
            self.gone.set()
