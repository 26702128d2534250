"""A synthetic caller: synthesised words sent as real audio, in real time, through the call's WebSocket.

It behaves like a person with a list of things to say: waits until the assistant has finished, speaks over it once on
purpose, says a thing again in other words when the answer is not one to it, and says goodbye until the other side hangs
up; whoever is not let go hangs up in the end.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

FRAME_BYTES = 640
FRAME_SECONDS = 0.02
BYTES_PER_SECOND = 32_000
SILENCE = bytes(FRAME_BYTES)

_QUIET_SECONDS = 1.0
"""How long a person waits after the assistant's last word before taking it that the assistant has finished."""

_PUZZLED_SECONDS = 3.0
"""How much longer when that was no answer: the assistant may be busy finding one."""

_PATIENCE_SECONDS = 60.0
"""How long to wait for anything before giving up on the call. A system that answers within a second on an idle machine
has many times that long on a busy one, where its recogniser has to share the processors."""

_LATE_SECONDS = 0.2
"""A microphone that was held up by more than this goes on from there: what it did not record is lost, not late."""

_NOT_UNDERSTOOD = ("did not get", "did not understand", "cannot help with that")
_TIMES = 3
"""How often a thing is said before giving up."""

Message = dict[str, Any]


class ConversationFailed(Exception):
    """The conversation did not go as a conversation does; the message says where it stopped."""


@dataclass(frozen=True, slots=True)
class Line:
    """Something the caller says. ``after_hearing_s`` set: says it over the assistant's words, having heard so much of
    them.

    ``answer``: words that an answer to it has in it; an assistant that says anything else has not understood. Empty:
    whatever is not an apology will do. ``rephrased`` is how to put it the second time, if not in the same words."""

    text: str
    after_hearing_s: float | None = None
    answer: str = ""
    rephrased: str = ""

    @property
    def wordings(self) -> tuple[str, ...]:
        """What is said the first time, and the time after that."""
        return (self.text, self.rephrased) if self.rephrased else (self.text,)

    def is_answered_by(self, words: str) -> bool:
        """Whether the assistant's ``words`` show that it has understood."""
        heard = words.lower()
        return self.answer.lower() in heard and (bool(self.answer) or not any(s in heard for s in _NOT_UNDERSTOOD))


@dataclass(slots=True)
class Assistant:
    """What the caller knows of the other side, from the messages that come with the audio.

    ``utterances`` counts those begun, ``changes`` every begin and end, ``words`` is all that was heard since the
    caller last spoke, ``bytes_heard`` the audio of the latest utterance."""

    speaking: bool = False
    utterances: int = 0
    changes: int = 0
    words: str = ""
    bytes_heard: int = 0


class Caller:
    """One call. ``speech`` maps everything there is to say to 16 kHz mono s16le audio; ``on_message`` sees every text
    frame. ``said`` is what it really said, in order, repetitions too; ``hung_up`` that it had to end the call."""

    def __init__(self, speech: Mapping[str, bytes], on_message: Callable[[Message], None]) -> None:
        self._speech = speech
        self._on_message = on_message
        self._frames: deque[bytes] = deque()
        self._changed = asyncio.Condition()
        self._closed = False
        self._spoke_after = 0
        self.assistant = Assistant()
        self.audio_heard = bytearray()
        self.close_reason = ""
        self.said: list[str] = []
        self.hung_up = False

    async def hold(self, url: str, lines: Sequence[Line]) -> None:
        """Say every line, then stay until the other side hangs up. Raises ``ConversationFailed``."""
        async with connect(url, compression=None, ping_interval=None) as socket:
            receiving = asyncio.create_task(self._receive(socket))
            sending = asyncio.create_task(self._send(socket))
            try:
                await self._say_all(lines)
                if not self.hung_up:
                    await self._until(lambda: self._closed, "the assistant to hang up", may_hang_up=True)
            finally:
                sending.cancel()
                await socket.close()
                await asyncio.gather(sending, receiving, return_exceptions=True)

    async def _say_all(self, lines: Sequence[Line]) -> None:
        previous: Line | None = None
        for line in lines:
            if line.after_hearing_s is not None:
                await self._until_well_into_an_answer(line.text, line.after_hearing_s)
            elif previous is None:
                await self._until_finished()
            elif not await self._is_understood(previous):
                raise ConversationFailed(
                    f"the caller said {previous.text!r} {_TIMES} times and was answered {self.assistant.words!r}"
                )
            await self._speak(line.text)
            previous = line
        if previous is not None:
            self.hung_up = not await self._is_understood(previous, may_hang_up=True)

    async def _is_understood(self, line: Line, *, may_hang_up: bool = False) -> bool:
        """Wait for the answer to ``line``; say it again, as people do, when what comes is no answer to it."""
        wordings = itertools.cycle(line.wordings)
        next(wordings)
        for _ in range(_TIMES - 1):
            if await self._is_answered(line, may_hang_up=may_hang_up):
                return True
            await self._speak(next(wordings), may_hang_up=may_hang_up)
        return await self._is_answered(line, may_hang_up=may_hang_up)

    async def _is_answered(self, line: Line, *, may_hang_up: bool) -> bool:
        them = self.assistant
        while True:
            await self._until_finished(may_hang_up=may_hang_up)
            changes = them.changes
            if self._closed or line.is_answered_by(them.words):
                return True
            if not await self._changes_from(changes, within_s=_PUZZLED_SECONDS):
                return False

    async def _until_finished(self, *, may_hang_up: bool = False) -> None:
        """An answer has begun since the caller spoke, and nothing has been said for a moment."""
        them = self.assistant
        while True:
            await self._until(
                lambda: them.utterances > self._spoke_after and not them.speaking,
                "the assistant to finish",
                may_hang_up=may_hang_up,
            )
            changes = them.changes
            if self._closed or not await self._changes_from(changes, within_s=_QUIET_SECONDS):
                return

    async def _until_well_into_an_answer(self, text: str, after_hearing_s: float) -> None:
        them = self.assistant
        enough = after_hearing_s * BYTES_PER_SECOND
        await self._until(lambda: them.utterances > self._spoke_after, "the assistant to answer")
        changes = them.changes
        await self._until(
            lambda: them.changes != changes or not them.speaking or them.bytes_heard >= enough,
            "the assistant to say enough to be interrupted",
        )
        if not them.speaking or them.changes != changes:
            raise ConversationFailed(f"the answer was over before it could be interrupted with {text!r}")

    async def _speak(self, text: str, *, may_hang_up: bool = False) -> None:
        self._spoke_after = self.assistant.utterances
        self.assistant.words = ""
        self.said.append(text)
        audio = self._speech[text]
        audio += bytes(-len(audio) % FRAME_BYTES)
        self._frames.extend(audio[i : i + FRAME_BYTES] for i in range(0, len(audio), FRAME_BYTES))
        await self._until(lambda: not self._frames, "its own words to be sent", may_hang_up=may_hang_up)

    async def _until(self, condition: Callable[[], bool], what: str, *, may_hang_up: bool = False) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), self._changed:
                await self._changed.wait_for(lambda: condition() or self._closed)
        except TimeoutError:
            raise ConversationFailed(f"the caller waited {_PATIENCE_SECONDS:.0f} s in vain for {what}") from None
        if self._closed and not may_hang_up and not condition():
            raise ConversationFailed(f"the call was over while the caller waited for {what} ({self.close_reason})")

    async def _changes_from(self, changes: int, *, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s), self._changed:
                await self._changed.wait_for(lambda: self.assistant.changes != changes or self._closed)
        except TimeoutError:
            return False
        return True

    async def _send(self, socket: ClientConnection) -> None:
        """A microphone: one frame every 20 ms, words when there are any, else silence."""
        due = time.monotonic()
        while True:
            frame = self._frames.popleft() if self._frames else None
            try:
                await socket.send(frame or SILENCE)
            except ConnectionClosed:
                return
            if frame is not None and not self._frames:
                await self._notify()
            due = max(due + FRAME_SECONDS, time.monotonic() - _LATE_SECONDS)
            await asyncio.sleep(due - time.monotonic())

    async def _receive(self, socket: ClientConnection) -> None:
        try:
            async for data in socket:
                if isinstance(data, bytes):
                    self.audio_heard += data
                    self.assistant.bytes_heard += len(data)
                else:
                    self._take(json.loads(data))
                await self._notify()
        except ConnectionClosed:
            pass  # how it was closed is read below, whichever way it was
        self.close_reason = f"close code {socket.close_code} {socket.close_reason or ''}".strip()
        self._closed = True
        await self._notify()

    def _take(self, message: Message) -> None:
        them = self.assistant
        match message:
            case {"type": "speech-update", "role": "assistant", "status": status}:
                them.speaking = status == "started"
                them.bytes_heard = 0
                them.utterances += them.speaking
                them.changes += 1
            case {"type": "transcript", "role": "assistant", "transcriptType": "final", "transcript": words}:
                them.words = f"{them.words} {words}".strip()
        self._on_message(message)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
