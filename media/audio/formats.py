"""Audio formats on the wire, and their conversion to and from 16 kHz mono s16le.

mu-law follows ITU-T G.711. Its tables are computed once from the definition, so that a frame costs one lookup.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast

import numpy as np
import numpy.typing as npt
import soxr

from media.audio.framing import FRAME_MS, SAMPLE_RATE_HZ

Samples = npt.NDArray[np.int16]
Encoding = Literal["pcm_s16le", "mulaw"]

MIN_RATE_HZ = 3_000
MAX_RATE_HZ = 192_000
_DEFAULT_RATE: dict[str, int] = {"pcm_s16le": 16_000, "mulaw": 8_000}

_BIAS = 0x84
_CLIP = 32_635


def _decoding_table() -> Samples:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = (((code & 0x0F) << 3) + _BIAS) << ((code >> 4) & 7)
    return np.where(code & 0x80, _BIAS - magnitude, magnitude - _BIAS).astype(np.int16)


def _encoding_table() -> npt.NDArray[np.uint8]:
    value = np.arange(65_536, dtype=np.int64)
    value = np.where(value > 32_767, value - 65_536, value)
    sign = (value < 0).astype(np.int64)
    magnitude = np.minimum(np.abs(value), _CLIP) + _BIAS
    exponent = np.clip(np.floor(np.log2(magnitude)).astype(np.int64) - 7, 0, 7)
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    codes: npt.NDArray[np.uint8] = (~((sign << 7) | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8)
    return codes


_DECODE = _decoding_table()
_ENCODE = _encoding_table()


def mulaw_decode(data: bytes) -> Samples:
    """One byte per sample to 16-bit linear."""
    return _DECODE[np.frombuffer(data, np.uint8)]


def mulaw_encode(samples: Samples) -> bytes:
    """16-bit linear to one byte per sample."""
    return _ENCODE[samples.view(np.uint16)].tobytes()


class UnsupportedFormat(ValueError):
    """The requested audio format cannot be carried; the message names the field and what is possible."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What one direction of a connection carries: raw mono samples."""

    encoding: Encoding = "pcm_s16le"
    rate_hz: int = SAMPLE_RATE_HZ

    def __post_init__(self) -> None:
        if self.encoding not in _DEFAULT_RATE:
            raise UnsupportedFormat(f"audioFormat.format must be pcm_s16le or mulaw, not {self.encoding!r}")
        if not MIN_RATE_HZ <= self.rate_hz <= MAX_RATE_HZ:
            raise UnsupportedFormat(
                f"audioFormat.sampleRate must be between {MIN_RATE_HZ} and {MAX_RATE_HZ}, not {self.rate_hz}"
            )

    @property
    def sample_bytes(self) -> int:
        return 1 if self.encoding == "mulaw" else 2

    @classmethod
    def from_transport(cls, transport: Mapping[str, Any]) -> AudioFormat:
        """Read ``transport.audioFormat`` of a call. Raises ``UnsupportedFormat``."""
        given = transport.get("audioFormat") or {}
        container = given.get("container", "raw")
        if container != "raw":
            raise UnsupportedFormat(f"audioFormat.container must be raw, not {container!r}")
        encoding = str(given.get("format", "pcm_s16le"))
        rate = given.get("sampleRate")
        return cls(cast(Encoding, encoding), int(rate if rate is not None else _DEFAULT_RATE.get(encoding, 16_000)))


class _Resampler(Protocol):
    def resample_chunk(self, x: Samples, last: bool = False) -> Samples: ...


class RateConverter:
    """Streaming conversion between two rates with a delay below one millisecond.

    soxr's better qualities hold back 60 ms and more of a stream, which no conversation can spare. Its quick
    interpolator answers at once but lets through what the lower rate cannot carry, so a short low-pass filter at the
    higher rate stands beside it.
    """

    __slots__ = ("_filter_first", "_history", "_resampler", "_taps")

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._resampler: _Resampler = soxr.ResampleStream(from_hz, to_hz, 1, "int16", "QQ")
        self._filter_first = from_hz > to_hz
        self._taps = _low_pass(min(from_hz, to_hz), max(from_hz, to_hz))
        self._history = np.zeros(len(self._taps) - 1, np.float32)

    def convert(self, samples: Samples, *, last: bool = False) -> Samples:
        """The samples that this piece completes; ``last`` gives what was held back and ends the stream."""
        if self._filter_first:
            return self._resampler.resample_chunk(self._filter(samples), last=last)
        return self._filter(self._resampler.resample_chunk(samples, last=last))

    def _filter(self, samples: Samples) -> Samples:
        if not len(samples):
            return samples
        joined = np.concatenate((self._history, samples.astype(np.float32)))
        self._history = joined[len(joined) - len(self._history) :]
        filtered = np.convolve(joined, self._taps, "valid")
        return np.clip(np.rint(filtered), -32_768, 32_767).astype(np.int16)


def _low_pass(narrow_hz: int, wide_hz: int) -> npt.NDArray[np.float32]:
    """Windowed-sinc low-pass at the wide rate, cut at 46 % of the narrow one, unity gain, at most 1 ms of delay."""
    half = min(12 * max(1, round(wide_hz / narrow_hz)), 48)
    offsets = np.arange(-half, half + 1)
    cutoff = 0.46 * narrow_hz / wide_hz
    taps = np.sinc(2 * cutoff * offsets) * np.hamming(2 * half + 1)
    unity: npt.NDArray[np.float32] = (taps / taps.sum()).astype(np.float32)
    return unity


class Decoder:
    """Bytes from the wire to 16 kHz s16le bytes. State is kept, so any split of the stream gives the same sound."""

    __slots__ = ("_format", "_rate", "_rest")

    def __init__(self, audio_format: AudioFormat) -> None:
        self._format = audio_format
        self._rest = b""
        self._rate = (
            RateConverter(audio_format.rate_hz, SAMPLE_RATE_HZ) if audio_format.rate_hz != SAMPLE_RATE_HZ else None
        )

    def decode(self, data: bytes) -> bytes:
        """``len(data)`` must be a multiple of the format's sample size."""
        if self._format.encoding == "pcm_s16le" and self._rate is None:
            return data
        samples = mulaw_decode(data) if self._format.encoding == "mulaw" else np.frombuffer(data, "<i2")
        return (self._rate.convert(samples) if self._rate is not None else samples).tobytes()


class Encoder:
    """20 ms frames of 16 kHz s16le to 20 ms frames on the wire, in the connection's format."""

    __slots__ = ("_format", "_frame_samples", "_held", "_rate")

    def __init__(self, audio_format: AudioFormat) -> None:
        self._format = audio_format
        self._frame_samples = max(1, audio_format.rate_hz * FRAME_MS // 1000)
        self._held: Samples = np.zeros(0, np.int16)
        self._rate: RateConverter | None = None

    def encode(self, frame: bytes) -> bytes:
        """The wire's form of one frame; whole wire frames only, a remainder waits for the next frame or ``flush``."""
        if self._format.rate_hz == SAMPLE_RATE_HZ:
            return frame if self._format.encoding == "pcm_s16le" else mulaw_encode(np.frombuffer(frame, np.int16))
        if self._rate is None:
            self._rate = RateConverter(SAMPLE_RATE_HZ, self._format.rate_hz)
            # The interpolator keeps its first samples: silence ahead makes the first frame whole.
            primed = self._rate.convert(np.zeros(32, np.int16))
            self._held = primed[len(primed) - len(primed) // 2 :]
        ready = np.concatenate((self._held, self._rate.convert(np.frombuffer(frame, np.int16))))
        whole = len(ready) - len(ready) % self._frame_samples
        self._held = ready[whole:]
        return self._pack(ready[:whole])

    def flush(self) -> bytes:
        """What is left of the sound so far; the next frame begins a new stream."""
        if self._rate is None:
            return b""
        rest = np.concatenate((self._held, self._rate.convert(np.zeros(0, np.int16), last=True)))
        self._rate, self._held = None, np.zeros(0, np.int16)
        return self._pack(rest)

    def _pack(self, samples: Samples) -> bytes:
        if not len(samples):
            return b""
        return mulaw_encode(np.ascontiguousarray(samples)) if self._format.encoding == "mulaw" else samples.tobytes()
