"""One live recognition at a vendor: audio gathered and sent, facts received, whatever the wire looks like.

A frame of 20 ms is not worth a message of its own; three or more go together. Audio that the connection cannot take is
shed from its oldest end, so that what comes late is never heard later still.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from media.providers.errors import Category, ProviderError
from media.providers.sockets import Sockets
from media.providers.speech_to_text import TranscriptFact

_STAGE: Final = "transcriber"
_LEAST_FRAMES: Final = 3
_MOST_FRAMES: Final = 10
_KEPT_FRAMES: Final = 500
"""Ten seconds, as much as a call gives to a transcriber that takes over."""
_SEND_S: Final = 5.0
_FINALIZE: Final = b""
"""Stands in the queue of frames where the final of everything before it is asked for."""


class RecognitionWire(Protocol):
    """An open connection to one vendor's recogniser. Methods raise the vendor's own exceptions."""

    async def send(self, pcm: bytes) -> None: ...

    async def finalize(self) -> None:
        """Ask for the final of what was sent."""

    async def keep_alive(self) -> None:
        """Nothing was said to the vendor for a while."""

    def receive(self) -> AsyncIterator[Sequence[TranscriptFact]]:
        """What each message says, nothing included. Ends when the vendor has closed, raises when it complains."""


@dataclass(frozen=True, slots=True)
class RecognitionLimits:
    """``keep_alive_s``: pause of audio after which the vendor is told that we are still there. ``silent_s``: how long
    the vendor may say nothing at all while it is given audio; ``None`` where it says nothing about silence."""

    keep_alive_s: float = 4.0
    silent_s: float | None = None


class LiveRecognition:
    """See the module; a ``TranscriptionStream``."""

    def __init__(self, wire: RecognitionWire, sockets: Sockets, provider: str, limits: RecognitionLimits) -> None:
        self._wire = wire
        self._sockets = sockets
        self._provider = provider
        self._limits = limits
        self._frames: deque[bytes] = deque(maxlen=_KEPT_FRAMES)
        self._due = asyncio.Event()
        self._facts: asyncio.Queue[TranscriptFact | ProviderError] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._unanswered_since: float | None = None

    def feed(self, frame: bytes) -> None:
        """See ``TranscriptionStream``."""
        if frame:
            self._frames.append(frame)
            if len(self._frames) >= _LEAST_FRAMES:
                self._due.set()

    def finalize(self) -> None:
        """See ``TranscriptionStream``."""
        self._frames.append(_FINALIZE)
        self._due.set()

    async def __aiter__(self) -> AsyncIterator[TranscriptFact]:
        while True:
            fact = await self._facts.get()
            if isinstance(fact, ProviderError):
                raise fact
            yield fact

    async def send(self) -> None:
        """The task that speaks to the vendor."""
        try:
            while True:
                await self._send_due()
        except TimeoutError:
            self._facts.put_nowait(self._failure("timeout", f"takes no audio for {_SEND_S:g} s"))
        except ProviderError as error:
            self._facts.put_nowait(error)
        except self._sockets.errors as error:
            self._facts.put_nowait(self._sockets.failure(error, _STAGE))

    async def receive(self) -> None:
        """The task that listens to the vendor."""
        try:
            async for facts in self._wire.receive():
                self._unanswered_since = None
                for fact in facts:
                    self._facts.put_nowait(fact)
            self._facts.put_nowait(self._failure("failed", "the vendor closed the connection"))
        except ProviderError as error:
            self._facts.put_nowait(error)
        except self._sockets.errors as error:
            self._facts.put_nowait(self._sockets.failure(error, _STAGE))
        except (ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
            # SDKs build messages without validating them: one of another shape shows only when it is read.
            detail = f"a message that cannot be read ({type(error).__name__})"
            self._facts.put_nowait(self._failure("failed", detail))

    async def _send_due(self) -> None:
        try:
            async with asyncio.timeout(self._limits.keep_alive_s):
                await self._due.wait()
        except TimeoutError:
            async with asyncio.timeout(_SEND_S):
                await self._wire.keep_alive()
            return
        self._due.clear()
        while self._frames:
            piece: list[bytes] = []
            while self._frames and self._frames[0] and len(piece) < _MOST_FRAMES:
                piece.append(self._frames.popleft())
            async with asyncio.timeout(_SEND_S):
                if piece:
                    await self._wire.send(b"".join(piece))
                else:
                    self._frames.popleft()
                    await self._wire.finalize()
            self._watch()

    def _watch(self) -> None:
        """Raises ``ProviderError`` when the vendor has been given audio for too long without a word."""
        limit = self._limits.silent_s
        now = self._loop.time()
        if self._unanswered_since is None:
            self._unanswered_since = now
        elif limit is not None and now - self._unanswered_since > limit:
            raise self._failure("timeout", f"says nothing for {limit:g} s")

    def _failure(self, category: Category, detail: str) -> ProviderError:
        return ProviderError(self._provider, _STAGE, category, detail)


@asynccontextmanager
async def recognising(
    wire: RecognitionWire, sockets: Sockets, provider: str, limits: RecognitionLimits
) -> AsyncGenerator[LiveRecognition, None]:
    """The recognition over an open wire, with its two tasks; they have ended when the context is left."""
    stream = LiveRecognition(wire, sockets, provider, limits)
    tasks = [asyncio.create_task(stream.send()), asyncio.create_task(stream.receive())]
    try:
        yield stream
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
