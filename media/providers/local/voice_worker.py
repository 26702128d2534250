"""The voice worker process: text in, 16 kHz speech with word times out. Run with ``python -m``."""

from __future__ import annotations

import numpy as np
import soxr

from media.providers.local.espeak import Espeak, EspeakUnavailable, Word
from media.providers.local.messages import CancelSpeech, Failed, Ready, Speak, SpeechDone, SpokenAudio, SpokenWord
from media.providers.local.worker_inbox import Pipe

OUTPUT_RATE_HZ = 16_000


def main() -> None:
    """Serve until the parent closes the pipe."""
    pipe = Pipe()
    try:
        espeak = Espeak()
        espeak.speak("ready", "en-us", 165, 50, lambda _audio, _words: False)
    except EspeakUnavailable as error:
        pipe.send(Ready(unavailable=str(error)))
        return
    pipe.send(Ready())
    while (message := pipe.receive()) is not None:
        if isinstance(message, Speak):
            try:
                _speak(pipe, espeak, message)
            except ValueError as error:
                pipe.send(Failed(message.stream, str(error)))


def _speak(pipe: Pipe, espeak: Espeak, order: Speak) -> None:
    resampler = soxr.ResampleStream(espeak.rate_hz, OUTPUT_RATE_HZ, 1, "int16", "HQ")
    cancelled = False

    def sink(audio: bytes, words: list[Word]) -> bool:
        nonlocal cancelled
        for start_ms, start_char, length in words:
            pipe.send(SpokenWord(order.stream, start_char, start_char + length, float(start_ms)))
        if audio:
            resampled = resampler.resample_chunk(np.frombuffer(audio, "<i2"))
            if len(resampled):
                pipe.send(SpokenAudio(order.stream, resampled.astype("<i2").tobytes()))
        cancelled = _take_cancellation(pipe, order.stream)
        return cancelled

    espeak.speak(order.text, order.voice, order.words_per_minute, order.pitch, sink)
    if not cancelled:
        rest = resampler.resample_chunk(np.zeros(0, np.int16), last=True)
        if len(rest):
            pipe.send(SpokenAudio(order.stream, rest.astype("<i2").tobytes()))
    pipe.send(SpeechDone(order.stream))


def _take_cancellation(pipe: Pipe, stream: int) -> bool:
    """Whether this stream was cancelled meanwhile. Cancelled streams that have not begun are dropped as well."""
    inbox = pipe.look_ahead()
    cancelled = {message.stream for message in inbox if isinstance(message, CancelSpeech)}
    if cancelled:
        kept = [message for message in inbox if message.stream not in cancelled]
        inbox.clear()
        inbox.extend(kept)
    return stream in cancelled


if __name__ == "__main__":
    main()
