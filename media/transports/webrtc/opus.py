"""Opus (RFC 6716) through the C library inside PyAV's wheel, straight from and to 16 kHz mono.

PyAV's own codec objects decode to 48 kHz stereo and resample; the library itself decodes to any of its rates.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from functools import cache
from pathlib import Path
from typing import Final

import av

from media.audio.framing import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE_HZ

_APPLICATION_VOIP: Final = 2048
_SET_BITRATE: Final = 4002
_SET_COMPLEXITY: Final = 4010
_BITS_PER_S: Final = 24_000
_COMPLEXITY: Final = 0
"""The cheapest of ten. The dearer ones cost up to four times as much for little at this rate of speech."""
_LONGEST_PACKET_SAMPLES: Final = SAMPLE_RATE_HZ * 120 // 1000
_LARGEST_PACKET_BYTES: Final = 1275


class OpusMissing(Exception):
    """There is no libopus to load."""


class OpusFailed(Exception):
    """The library refused; the message has its error code (``opus_defines.h``)."""


@cache
def _library() -> ctypes.CDLL:
    bundled = sorted(Path(av.__file__).parent.parent.joinpath("av.libs").glob("libopus-*"))
    name = str(bundled[0]) if bundled else ctypes.util.find_library("opus")
    if name is None:
        raise OpusMissing("calls from browsers need libopus; install it (Debian: libopus0) or PyAV's binary wheel")
    library = ctypes.CDLL(name)
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    library.opus_decoder_create.restype = library.opus_encoder_create.restype = pointer
    library.opus_decoder_create.argtypes = [ctypes.c_int32, integer, ctypes.POINTER(integer)]
    library.opus_encoder_create.argtypes = [ctypes.c_int32, integer, integer, ctypes.POINTER(integer)]
    library.opus_decode.argtypes = [pointer, ctypes.c_char_p, ctypes.c_int32, pointer, integer, integer]
    library.opus_encode.argtypes = [pointer, ctypes.c_char_p, integer, ctypes.c_char_p, ctypes.c_int32]
    library.opus_decoder_destroy.argtypes = library.opus_encoder_destroy.argtypes = [pointer]
    return library


class OpusDecoder:
    """One stream's decoder. Close it when done."""

    def __init__(self) -> None:
        self._library = _library()
        error = ctypes.c_int()
        self._state: int | None = self._library.opus_decoder_create(SAMPLE_RATE_HZ, 1, ctypes.byref(error))
        _check(error.value)
        self._pcm = ctypes.create_string_buffer(_LONGEST_PACKET_SAMPLES * 2)
        self._latest_samples = FRAME_SAMPLES

    def decode(self, packet: bytes) -> bytes:
        """16 kHz mono s16le. Raises ``OpusFailed`` for what is no Opus packet."""
        pcm = self._run(packet, _LONGEST_PACKET_SAMPLES, from_following=False)
        self._latest_samples = len(pcm) // 2
        return pcm

    def conceal(self, following: bytes | None) -> bytes:
        """In place of a lost packet, as long as the latest one: the copy in the one after it (section 2.1.7), else a
        guess."""
        return self._run(following or None, self._latest_samples, from_following=bool(following))

    def close(self) -> None:
        """Free it; safe to call twice."""
        if self._state is not None:
            self._library.opus_decoder_destroy(self._state)
            self._state = None

    def _run(self, packet: bytes | None, samples: int, *, from_following: bool) -> bytes:
        size = len(packet) if packet is not None else 0
        decoded = self._library.opus_decode(self._state, packet, size, self._pcm, samples, int(from_following))
        _check(decoded)
        return self._pcm.raw[: decoded * 2]


class OpusEncoder:
    """One stream's encoder, 24 kbit/s. Close it when done."""

    def __init__(self) -> None:
        self._library = _library()
        error = ctypes.c_int()
        self._state: int | None = self._library.opus_encoder_create(
            SAMPLE_RATE_HZ, 1, _APPLICATION_VOIP, ctypes.byref(error)
        )
        _check(error.value)
        for request, value in ((_SET_BITRATE, _BITS_PER_S), (_SET_COMPLEXITY, _COMPLEXITY)):
            # Of a function with variable arguments ctypes cannot know the types.
            _check(self._library.opus_encoder_ctl(ctypes.c_void_p(self._state), request, ctypes.c_int32(value)))
        self._packet = ctypes.create_string_buffer(_LARGEST_PACKET_BYTES)

    def encode(self, frame: bytes) -> bytes:
        """One 20 ms frame to one packet."""
        if len(frame) != FRAME_BYTES:
            raise ValueError(f"a frame has {FRAME_BYTES} bytes, not {len(frame)}")
        size = self._library.opus_encode(self._state, frame, FRAME_SAMPLES, self._packet, _LARGEST_PACKET_BYTES)
        _check(size)
        return self._packet.raw[:size]

    def close(self) -> None:
        """Free it; safe to call twice."""
        if self._state is not None:
            self._library.opus_encoder_destroy(self._state)
            self._state = None


def _check(code: int) -> None:
    if code < 0:
        raise OpusFailed(f"libopus answered with error {code}")
