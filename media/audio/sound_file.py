"""Sound files that tenants name by URL, decoded to what calls play."""

from __future__ import annotations

import io
from typing import Final

from media.audio.framing import BYTES_PER_MS, SAMPLE_RATE_HZ

LONGEST_S: Final = 300.0
"""What lies behind is left out."""
_CONTAINERS: Final = (
    (b"RIFF", "wav"),
    (b"OggS", "ogg"),
    (b"fLaC", "flac"),
    (b"ID3", "mp3"),
)
_MP3_SYNC: Final = 0xFFE0


class SoundUnreadable(ValueError):
    """The bytes are no sound that could be played; the message says why."""


def decoded(data: bytes, *, longest_s: float = LONGEST_S) -> bytes:
    """16 kHz mono s16le of a WAV, MP3, Ogg or FLAC file. Blocking. Raises ``SoundUnreadable``.

    The container is told by its first bytes and by nothing else: no format that refers to other files is opened.
    """
    import av

    container = _container(data)
    most_bytes = int(longest_s * 1000) * BYTES_PER_MS
    pcm = bytearray()
    try:
        with av.open(io.BytesIO(data), mode="r", format=container) as file:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)
            for frame in file.decode(audio=0):
                for ready in resampler.resample(frame):
                    pcm += ready.to_ndarray().tobytes()
                if len(pcm) >= most_bytes:
                    break
            else:
                for ready in resampler.resample(None):
                    pcm += ready.to_ndarray().tobytes()
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise SoundUnreadable(f"it cannot be decoded as {container}") from error
    if not pcm:
        raise SoundUnreadable("it holds no sound")
    return bytes(pcm[:most_bytes])


def _container(data: bytes) -> str:
    for magic, name in _CONTAINERS:
        if data.startswith(magic):
            return name
    if len(data) > 1 and int.from_bytes(data[:2], "big") & _MP3_SYNC == _MP3_SYNC:
        return "mp3"
    raise SoundUnreadable("it is neither WAV, MP3, Ogg nor FLAC")
