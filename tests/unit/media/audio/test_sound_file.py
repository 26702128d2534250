"""Sound files of tenants become what calls play, or are refused."""

from __future__ import annotations

import io
import wave

import av
import numpy as np
import pytest

from media.audio.sound_file import SoundUnreadable, decoded


def wav(seconds: float, rate_hz: int = 44_100, channels: int = 2) -> bytes:
    time = np.arange(int(seconds * rate_hz)) / rate_hz
    tone = (np.sin(2 * np.pi * 440 * time) * 8_000).astype(np.int16)
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(2)
        sound.setframerate(rate_hz)
        sound.writeframes(np.repeat(tone, channels).tobytes())
    return file.getvalue()


def encoded(container: str, codec: str, seconds: float) -> bytes:
    file = io.BytesIO()
    with av.open(io.BytesIO(wav(seconds)), "r") as source, av.open(file, "w", format=container) as target:
        stream = target.add_stream(codec, rate=44_100)
        for frame in source.decode(audio=0):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return file.getvalue()


def hertz(pcm: bytes) -> float:
    samples = np.frombuffer(pcm, np.int16)
    spectrum = np.abs(np.fft.rfft(samples))
    return float(np.argmax(spectrum)) * 16_000 / len(samples)


@pytest.mark.parametrize(
    "data", [wav(1.0), wav(1.0, 8_000, 1), encoded("mp3", "libmp3lame", 1.0), encoded("flac", "flac", 1.0)]
)
def test_a_file_becomes_mono_at_16_khz(data: bytes) -> None:
    pcm = decoded(data)
    assert len(pcm) / 32_000 == pytest.approx(1.0, abs=0.06)
    assert hertz(pcm) == pytest.approx(440, abs=3)


def test_a_long_one_is_cut() -> None:
    assert len(decoded(wav(3.0), longest_s=1.0)) == 32_000


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "neither"),
        (b"#EXTM3U\nhttp://10.0.0.1/secret", "neither"),
        (b"ffconcat version 1.0\nfile /etc/passwd", "neither"),
        (b"<html>not found</html>", "neither"),
        (wav(0.5)[:30], "decoded as wav"),
        (b"RIFF" + bytes(100), "decoded as wav"),
        (b"OggS" + bytes(1_000), "decoded as ogg"),
        (b"ID3" + bytes(1_000), "decoded as mp3"),
    ],
)
def test_what_is_no_sound_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(SoundUnreadable, match=why):
        decoded(data)
