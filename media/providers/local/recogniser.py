"""The local recogniser: PocketSphinx in a worker process behind the speech-to-text protocol."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from media.providers.errors import ProviderError
from media.providers.local.language.punctuation import is_open, punctuated
from media.providers.local.messages import (
    CloseRecognition,
    FinalizeRecognition,
    FinalText,
    FromWorker,
    HeardAudio,
    OpenRecognition,
    PartialText,
    PrepareRecognition,
)
from media.providers.local.worker import WorkerProcess
from media.providers.speech_to_text import Final, Partial, TranscriberTraits, TranscriptFact, Word

PROVIDER = "vapi"
TRAITS = TranscriberTraits(native_end_of_turn=False, needs_finalize=True, p99_ms=350.0)

MAX_STREAMS = 16
"""Callers that one worker can follow while all of them speak."""

BATCH_FRAMES = 3
"""Frames sent together: a message costs the same for 60 ms of audio as for 20."""

BACKLOG_FRAMES = 250
"""Frames kept while the worker is behind (5 s); older ones are shed."""

MAX_PENDING_BYTES = 256 * 1024
_SPOKEN_OF = ("function", "knowledgeBases")
"""What of a tool its callers speak of: what it does, and what the documents are about that it searches."""
FINAL_TIMEOUT_S = 15.0
"""After so long the worker is taken to be stuck and is replaced. A final takes a quarter of a second, on a machine
whose processors are taken many times that; a new worker would need them even more."""


class LocalRecogniser:
    """Recognises what the callers of one assistant may say."""

    def __init__(self, worker: WorkerProcess, assistant: Mapping[str, Any]) -> None:
        self._worker = worker
        self._source = recognition_source(assistant)

    @property
    def provider(self) -> str:
        return PROVIDER

    @property
    def traits(self) -> TranscriberTraits:
        return TRAITS

    def prepare(self) -> None:
        """Let the worker build the language model now, so that the call need not wait for it."""
        self._worker.send(PrepareRecognition(0, self._source))

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[RecognitionStream]:
        """Raises ``ProviderError`` on entry when the worker is full, missing or not starting."""
        if self._worker.load >= MAX_STREAMS:
            detail = f"the local recogniser already follows {MAX_STREAMS} callers"
            raise ProviderError(PROVIDER, "transcriber", "overloaded", detail)
        facts: asyncio.Queue[FromWorker | ProviderError] = asyncio.Queue()
        number = await self._worker.open(facts.put_nowait)
        stream = RecognitionStream(self._worker, number, facts)
        try:
            self._worker.send(OpenRecognition(number, self._source))
            yield stream
        finally:
            self._worker.release(number)
            if stream.owed:
                self._worker.doubt(FINAL_TIMEOUT_S)
            self._worker.send(CloseRecognition(number))


class RecognitionStream:
    """One live recognition: partials as bare words, finals as sentences with a mark where the caller seems to have
    finished. ``shed_frames`` counts audio that was dropped because the worker was behind."""

    def __init__(self, worker: WorkerProcess, number: int, facts: asyncio.Queue[FromWorker | ProviderError]) -> None:
        self._worker = worker
        self._number = number
        self._facts = facts
        self._frames: deque[bytes] = deque()
        self._awaited_finals = 0
        self._left_open = False
        self.shed_frames = 0

    @property
    def owed(self) -> bool:
        """Whether a final that was asked for has not come."""
        return self._awaited_finals > 0

    def feed(self, frame: bytes) -> None:
        self._frames.append(frame)
        if len(self._frames) < BATCH_FRAMES:
            return
        if self._worker.pending_bytes < MAX_PENDING_BYTES:
            self._flush()
        elif len(self._frames) > BACKLOG_FRAMES:
            self._frames.popleft()
            self.shed_frames += 1

    def finalize(self) -> None:
        self._flush()
        self._awaited_finals += 1
        self._worker.send(FinalizeRecognition(self._number))

    async def __aiter__(self) -> AsyncIterator[TranscriptFact]:
        while True:
            match await self._next():
                case ProviderError() as error:
                    raise error
                case PartialText(text=text):
                    yield Partial(text)
                case FinalText() as final:
                    self._awaited_finals -= final.answers
                    yield Final(
                        self._written(final.text),
                        final.confidence,
                        tuple(Word(word.text, word.start_ms, word.end_ms, word.confidence) for word in final.words),
                    )

    def _written(self, words: str) -> str:
        """A final as a sentence; words after a phrase that was left open are its continuation."""
        text = punctuated(words, continues=self._left_open)
        self._left_open = bool(words) and is_open(words)
        return text

    async def _next(self) -> FromWorker | ProviderError:
        if not self._awaited_finals:
            return await self._facts.get()
        try:
            async with asyncio.timeout(FINAL_TIMEOUT_S):
                return await self._facts.get()
        except TimeoutError:
            self._worker.replace()
            detail = f"no final transcript within {FINAL_TIMEOUT_S:g} s"
            return ProviderError(PROVIDER, "transcriber", "timeout", detail)

    def _flush(self) -> None:
        if self._frames:
            self._worker.send(HeardAudio(self._number, b"".join(self._frames)))
            self._frames.clear()


def recognition_source(assistant: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of an assistant's configuration that shape what its callers say; nothing else crosses the pipe."""
    model = assistant.get("model")
    source = {key: assistant[key] for key in ("firstMessage", "endCallMessage", "transcriber") if key in assistant}
    if isinstance(model, Mapping):
        tools = model.get("tools")
        source["model"] = {
            "messages": model.get("messages"),
            "tools": [
                {part: tool[part] for part in _SPOKEN_OF if part in tool}
                for tool in (tools if isinstance(tools, list) else ())
                if isinstance(tool, Mapping) and not tool.keys().isdisjoint(_SPOKEN_OF)
            ],
        }
    return source
