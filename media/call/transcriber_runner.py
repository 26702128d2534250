"""Feeds the caller's audio to the transcriber and its facts to the machine; replaces a transcriber that fails."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from media.call.second_chance import second_chance_s
from media.machine.inputs import (
    EagerTurnHeard,
    EndOfTurnHeard,
    FinalHeard,
    Input,
    PartialHeard,
    ProviderFailed,
    TranscriberReplaced,
    TurnResumedHeard,
)
from media.providers.errors import ProviderError
from media.providers.speech_to_text import (
    EagerEndOfTurn,
    EndOfTurn,
    Final,
    Partial,
    SpeechToText,
    TranscriptionStream,
    TurnResumed,
)

_REPLAY_FRAMES = 500
"""Ten seconds of audio since the last final are given to the transcriber that takes over."""


class TranscriberRunner:
    """One call's recognition. ``run`` is its task.

    The transcriber hears every frame, silence too: where speech begins and ends within it is its own business.
    """

    def __init__(
        self,
        transcribers: Sequence[SpeechToText],
        feed: Callable[[Input], None],
        *,
        ended_reason: Callable[[ProviderError], str],
        warn: Callable[[str, str], None],
    ) -> None:
        self._transcribers = transcribers
        self._feed = feed
        self._ended_reason = ended_reason
        self._warn = warn
        self._stream: TranscriptionStream | None = None
        self._unsettled: deque[bytes] = deque(maxlen=_REPLAY_FRAMES)
        self._finalize_due = False
        self._worked = False
        self._task: asyncio.Task[Any] | None = None
        self._expected = _abilities(transcribers)

    def hear(self, frame: bytes) -> None:
        """One 20 ms frame."""
        self._unsettled.append(frame)
        if self._stream is not None:
            self._stream.feed(frame)

    def finalize(self) -> None:
        """Speech has stopped."""
        if self._stream is not None:
            self._stream.finalize()
        else:
            self._finalize_due = True

    def use(self, transcribers: Sequence[SpeechToText], spawn: Callable[[Any, str], object]) -> None:
        """Listen with these from now on: what was said since the last final is given to them again."""
        self._transcribers = transcribers
        self._expected = _abilities(transcribers)
        if self._task is not None:
            self._task.cancel()
            spawn(self.run(), "transcriber")

    async def run(self) -> None:
        """Recognise until cancelled, or until no transcriber is left."""
        self._task = asyncio.current_task()
        try:
            await self._recognise()
        finally:
            if self._task is asyncio.current_task():
                self._task = None

    async def _recognise(self) -> None:
        failure: ProviderError | None = None
        for transcriber in self._transcribers:
            # A connection that broke deserves a second try, and one that had worked a fresh one; a refusal does not.
            tries = 2
            while tries:
                if failure is not None:
                    self._warn("transcriber-fallback", f"{failure}; listening with {transcriber.provider}")
                self._worked = False
                try:
                    await self._listen(transcriber)
                except ProviderError as error:
                    failure = error
                    tries = 0 if error.permanent else 1 if self._worked else tries - 1
                    if error.retry_after_s is not None:
                        # It would refuse again before that. Another one need not wait; what is said meanwhile is kept.
                        wait_s = second_chance_s(error) if transcriber is self._transcribers[-1] else None
                        tries = 0 if wait_s is None else tries
                        await asyncio.sleep(wait_s or 0.0)
        assert failure is not None
        self._feed(ProviderFailed(stage="transcriber", ended_reason=self._ended_reason(failure)))

    def _announce(self, transcriber: SpeechToText) -> None:
        """The machine counts on what the configured transcriber does; a replacement may do less, or more."""
        abilities = _abilities((transcriber,))
        if abilities != self._expected:
            self._expected = abilities
            native, on_request = abilities
            self._feed(TranscriberReplaced(native_end_of_turn=native, final_on_request=on_request))

    async def _listen(self, transcriber: SpeechToText) -> None:
        opened: TranscriptionStream | None = None
        try:
            async with transcriber.connect() as stream:
                opened = stream
                for frame in self._unsettled:
                    stream.feed(frame)
                self._stream = stream
                self._announce(transcriber)
                if self._finalize_due:
                    self._finalize_due = False
                    stream.finalize()
                async for fact in stream:
                    self._worked = True
                    match fact:
                        case Partial(text=text):
                            self._feed(PartialHeard(text=text))
                        case Final(text=text, confidence=confidence, language=language):
                            self._unsettled.clear()
                            self._feed(FinalHeard(text=text, confidence=confidence, language=language))
                        case EndOfTurn():
                            self._feed(EndOfTurnHeard())
                        case EagerEndOfTurn(text=text):
                            self._feed(EagerTurnHeard(text=text))
                        case TurnResumed():
                            self._feed(TurnResumedHeard())
        finally:
            if self._stream is opened:
                self._stream = None
        raise ProviderError(transcriber.provider, "transcriber", "failed", "the stream ended before the call did")


def _abilities(transcribers: Sequence[SpeechToText]) -> tuple[bool, bool]:
    """Whether the first of them signals turns itself, and whether it gives its final only when asked."""
    if not transcribers:
        return False, False
    traits = transcribers[0].traits
    return traits.native_end_of_turn, traits.needs_finalize
