"""A synthetic caller: synthesised words sent as real audio, in real time, through the call's WebSocket.

It behaves like a person with a list of things to say: waits until the assistant has finished, speaks over it once on
purpose, repeats itself when it was not understood, and says goodbye.
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
SILENCE = bytes(FRAME_BYTES)

_QUIET_SECONDS = 1.0
"""How long a person waits after the assistant's last word before taking it that the assistant has finished."""

_PATIENCE_SECONDS = 20.0
"""How long to wait for anything before giving up on the call."""

_NOT_UNDERSTOOD = ("did not get that", "understand", "say that again", "catch that", "repeat")
_REPEATS = 2

Message = dict[str, Any]


class ConversationFailed(Exception):
    """The conversation did not go as a conversation does; the message says where it stopped."""


@dataclass(frozen=True, slots=True)
class Line:
    """Something the caller says. ``after_hearing_s`` set: says it over the assistant's words, that long into them."""

    text: str
    after_hearing_s: float | None = None


@dataclass(slots=True)
class Assistant:
    """What the caller knows of the other side, from the messages that come with the audio.

    ``utterances`` counts those begun, ``changes`` every begin and end, ``words`` is the latest final transcript."""

    speaking: bool = False
    utterances: int = 0
    changes: int = 0
    words: str = ""


class Caller:
    """One call. ``speech`` maps each line's text to 16 kHz mono s16le audio; ``on_message`` sees every text frame."""

    def __init__(self, speech: Mapping[str, bytes], on_message: Callable[[Message], None]) -> None:
        self._speech = speech
        self._on_message = on_message
        self._frames: deque[bytes] = deque()
        self._changed = asyncio.Condition()
        self._closed = False
        self.assistant = Assistant()
        self.audio_heard = bytearray()
        self.close_reason = ""

    async def hold(self, url: str, lines: Sequence[Line]) -> None:
        """Say every line, then stay until the other side hangs up. Raises ``ConversationFailed``."""
        async with connect(url, compression=None, ping_interval=None) as socket:
            receiving = asyncio.create_task(self._receive(socket))
            sending = asyncio.create_task(self._send(socket))
            try:
                await self._say_all(lines)
                await self._until(lambda: self._closed, "the assistant to hang up", closed_is_failure=False)
            finally:
                sending.cancel()
                await socket.close()
                await asyncio.gather(sending, receiving, return_exceptions=True)

    async def _say_all(self, lines: Sequence[Line]) -> None:
        answered = 0
        previous: Line | None = None
        for line in lines:
            if line.after_hearing_s is not None:
                await self._until_well_into_an_answer(answered, line)
            else:
                await self._until_understood(answered, previous)
            answered = self.assistant.utterances
            await self._speak(line.text)
            previous = line
        await self._until_understood(answered, previous, may_hang_up=True)

    async def _until_understood(self, answered: int, said: Line | None, *, may_hang_up: bool = False) -> None:
        """Wait for the answer to what was ``said``; say it again, as people do, when it was not understood."""
        await self._until_finished(answered, may_hang_up=may_hang_up)
        for _ in range(_REPEATS):
            if said is None or self._closed or not self._was_not_understood():
                return
            answered = self.assistant.utterances
            await self._speak(said.text)
            await self._until_finished(answered, may_hang_up=may_hang_up)

    async def _until_finished(self, answered: int, *, may_hang_up: bool = False) -> None:
        """An answer began after the ``answered``-th utterance, and nothing has been said for a moment."""
        them = self.assistant
        while True:
            await self._until(
                lambda: them.utterances > answered and not them.speaking,
                "the assistant to finish",
                closed_is_failure=not may_hang_up,
            )
            changes = them.changes
            if self._closed or not await self._changes_from(changes, within_s=_QUIET_SECONDS):
                return

    async def _until_well_into_an_answer(self, answered: int, line: Line) -> None:
        them = self.assistant
        await self._until(lambda: them.utterances > answered, "the assistant to answer")
        changes = them.changes
        if not them.speaking or await self._changes_from(changes, within_s=line.after_hearing_s or 0.0):
            raise ConversationFailed(f"the answer was over before it could be interrupted with {line.text!r}")

    def _was_not_understood(self) -> bool:
        return any(sign in self.assistant.words.lower() for sign in _NOT_UNDERSTOOD)

    async def _speak(self, text: str) -> None:
        audio = self._speech[text]
        audio += bytes(-len(audio) % FRAME_BYTES)
        self._frames.extend(audio[i : i + FRAME_BYTES] for i in range(0, len(audio), FRAME_BYTES))
        await self._until(lambda: not self._frames, "its own words to be sent")

    async def _until(self, condition: Callable[[], bool], what: str, *, closed_is_failure: bool = True) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), self._changed:
                await self._changed.wait_for(lambda: condition() or self._closed)
        except TimeoutError:
            raise ConversationFailed(f"the caller waited {_PATIENCE_SECONDS:.0f} s in vain for {what}") from None
        if self._closed and closed_is_failure and not condition():
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
        started = time.monotonic()
        for number in itertools.count(1):
            frame = self._frames.popleft() if self._frames else None
            try:
                await socket.send(frame or SILENCE)
            except ConnectionClosed:
                return
            if frame is not None and not self._frames:
                await self._notify()
            await asyncio.sleep(started + number * FRAME_SECONDS - time.monotonic())

    async def _receive(self, socket: ClientConnection) -> None:
        try:
            async for data in socket:
                if isinstance(data, bytes):
                    self.audio_heard += data
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
                them.utterances += them.speaking
                them.changes += 1
            case {"type": "transcript", "role": "assistant", "transcriptType": "final", "transcript": words}:
                them.words = words
        self._on_message(message)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
