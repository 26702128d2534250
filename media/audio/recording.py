"""The recording of a call: customer left, assistant right, on one absolute timeline.

Raw samples go to a file once a second while the call runs, so that a crash leaves all but the last second; the WAV
header is patched at the end. Where the disk takes nothing for a while, that stretch stays silent and what comes after
it keeps its place. Each side's audio is placed where it sounded: the assistant's by the playout clock, the customer's
by arrival, smoothed so that network jitter does not show and a missing stretch becomes silence.
"""

from __future__ import annotations

import os
import struct
import wave
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from io import FileIO
from math import inf
from pathlib import Path

import numpy as np
import numpy.typing as npt

from media.audio.framing import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE_HZ

_HEADER_BYTES = 44
_SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1000
_STEREO_SAMPLE_BYTES = 4
_TOLERANCE_MS = float(FRAME_MS)
_MARGIN_MS = 1_500
"""How much of the end stays in memory: frames are placed a little ahead, and stopped speech is taken back."""
_BURST_MS = 300.0
"""So long the customer's newest frames wait for their place: behind them may come what was held up with them, and then
they have sounded sooner. With the second between two pieces it is less than the margin."""
_USUAL_TAIL = 3 * SAMPLE_RATE_HZ
"""The margin, the second until the next piece is taken, and what is sent ahead."""

Samples = npt.NDArray[np.int16]


def wav_header(data_bytes: int, channels: int) -> bytes:
    """RIFF header of 16-bit PCM at 16 kHz."""
    block = channels * 2
    size = min(data_bytes, 0xFFFF_FFFF - 36)
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + size,
        b"WAVE",
        b"fmt ",
        16,
        1,
        channels,
        SAMPLE_RATE_HZ,
        SAMPLE_RATE_HZ * block,
        block,
        16,
        b"data",
        size,
    )


class Recording:
    """One call's stereo file while it grows. Not thread-safe: ``advance`` gives the bytes, ``write`` stores them.

    ``path`` is created at once with a header for an empty file. All instants are ms of the call's clock, at
    ``begins_ms`` of which the recording begins.
    """

    def __init__(self, path: Path, *, begins_ms: float = 0.0) -> None:
        self.path = path
        self._begins_ms = begins_ms
        self._file: FileIO | None = path.open("wb", buffering=0)
        # Without room for it the header is missing until the end; what there will be of the call is kept all the same.
        with suppress(OSError):
            _write_at(self._file, wav_header(0, 2), 0)
        self._placed = 0
        """Bytes of samples that have their place in the file, whether they are there or were lost."""
        self._gaps: list[tuple[int, int]] = []
        self._tail = np.zeros((_USUAL_TAIL, 2), np.int16)
        """What can still change; silence beyond ``_filled``. Kept in place: new memory each second costs more."""
        self._filled = 0
        self._written = 0
        """Samples that are in the file (or were handed out for writing)."""
        self._customer_end = 0
        self._arrivals: list[tuple[bytes, float]] = []
        self.silenced = False
        """What is heard now must not be kept: it becomes silence."""
        self.empty = True
        """Nothing that was heard has been kept so far."""

    def customer(self, frame: bytes, at_ms: float) -> None:
        """A frame of the caller that ended at ``at_ms``."""
        if self._file is None or self.silenced:
            return
        self.empty = False
        self._arrivals.append((frame, at_ms - self._begins_ms - FRAME_MS))

    def assistant(self, frame: bytes, at_ms: float) -> None:
        """A frame that begins to sound for the caller at ``at_ms``."""
        if self.silenced:
            return
        self.empty = False
        self._place(1, self._sample(at_ms), np.frombuffer(frame, np.int16))

    def cut_assistant(self, at_ms: float) -> None:
        """Nothing of the assistant sounded from ``at_ms`` on: take back what was placed ahead."""
        start = max(0, self._sample(at_ms) - self._written)
        self._tail[start:, 1] = 0

    def advance(self, now_ms: float) -> bytes:
        """The samples that cannot change any more; the caller writes them, off the loop."""
        if self._file is None:
            return b""
        self._settle_customer(now_ms - self._begins_ms - _BURST_MS)
        ready = self._sample(now_ms - _MARGIN_MS) - self._written
        if ready <= 0:
            return b""
        self._reserve(self._written + ready)
        data = self._tail[:ready].tobytes()
        left = max(0, self._filled - ready)
        self._tail[:left] = self._tail[ready : ready + left]
        self._tail[left : self._filled] = 0
        self._filled = left
        self._written += ready
        return data

    def write(self, data: bytes) -> None:
        """Store what ``advance`` gave. Blocking. Raises ``OSError``: then it is lost, and silent in the recording."""
        if not data or self._file is None:
            return
        start, self._placed = self._placed, self._placed + len(data)
        try:
            _write_at(self._file, data, _HEADER_BYTES + start)
        except OSError:
            if self._gaps and self._gaps[-1][1] == start:
                start, _ = self._gaps.pop()
            self._gaps.append((start, self._placed))
            raise

    @property
    def gaps_ms(self) -> list[tuple[float, float]]:
        """From when to when the disk did not take what there was to record, in ms of the recording."""
        per_ms = _SAMPLES_PER_MS * _STEREO_SAMPLE_BYTES
        return [(start / per_ms, end / per_ms) for start, end in self._gaps]

    def finish(self, end_ms: float) -> float:
        """Write the rest up to the end of the call, patch the header, close; returns the length in ms. Blocking.

        Raises ``OSError`` where the file cannot be made whole; ``recover`` can, when the disk lets it.
        """
        self._settle_customer()
        total = max(self._written, self._sample(end_ms))
        self._reserve(total)
        # A rest that the disk does not take is one of the gaps.
        with suppress(OSError):
            self.write(self._tail[: total - self._written].tobytes())
        self._written = total
        file, self._file = self._file, None
        if file is not None:
            with file:
                file.truncate(_HEADER_BYTES + total * _STEREO_SAMPLE_BYTES)
                _write_at(file, wav_header(total * _STEREO_SAMPLE_BYTES, 2), 0)
        return total / _SAMPLES_PER_MS

    @property
    def abandoned(self) -> bool:
        """Nothing more is taken; what the file holds can be recovered."""
        return self._file is None

    def abandon(self) -> None:
        """Close the file as it is."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def discard(self) -> None:
        """Nothing of the call may be kept. Blocking."""
        self.abandon()
        self.path.unlink(missing_ok=True)

    def _sample(self, at_ms: float) -> int:
        return round((at_ms - self._begins_ms) * _SAMPLES_PER_MS)

    def _settle_customer(self, before_ms: float = inf) -> None:
        """Place the frames that came since the last time, up to then.

        A frame cannot have sounded after it arrived, nor can any later one: the latest place that suits the whole
        stretch is the smallest lateness of what follows. A burst after a stalled network thus closes up again, while
        a stretch that was never sent leaves a gap. Where a client's clock is fast, frames come before their place:
        then the stretch moves back, over the end of the one before.
        """
        came = np.array([at_ms for _, at_ms in self._arrivals])
        frames = int(np.searchsorted(came, before_ms))
        if not frames:
            return
        arrived = came - np.arange(len(came)) * FRAME_MS
        latest = np.minimum.accumulate(arrived[::-1])[::-1][:frames]
        run_ms, first = self._customer_end / _SAMPLES_PER_MS, 0
        if self._customer_end and run_ms - latest[0] > _TOLERANCE_MS / 2:
            run_ms = max(0.0, float(latest[0]))
        for index in np.flatnonzero(latest - run_ms > _TOLERANCE_MS).tolist():
            if latest[index] - run_ms > _TOLERANCE_MS:
                self._place_run(first, index, run_ms)
                run_ms, first = float(latest[index]), index
        self._place_run(first, frames, run_ms)
        del self._arrivals[:frames]

    def _place_run(self, first: int, end: int, run_ms: float) -> None:
        """Frames that follow each other without a gap; frame 0 would stand at ``run_ms``."""
        if first == end:
            return
        start = round((run_ms + first * FRAME_MS) * _SAMPLES_PER_MS)
        sound = b"".join(frame for frame, _ in self._arrivals[first:end])
        self._place(0, start, np.frombuffer(sound, np.int16))
        self._customer_end = start + (end - first) * FRAME_SAMPLES

    def _place(self, channel: int, start: int, samples: Samples) -> None:
        if self._file is None:
            return
        offset = start - self._written
        if offset < 0:
            samples = samples[-offset:]
            offset = 0
        if not len(samples):
            return
        end = offset + len(samples)
        self._reserve(self._written + end)
        self._tail[offset:end, channel] = samples
        self._filled = max(self._filled, end)

    def _reserve(self, total: int) -> None:
        missing = total - self._written - len(self._tail)
        if missing > 0:
            # Grown by a second at a time, so that placing a frame seldom copies.
            grown = np.zeros((len(self._tail) + missing + SAMPLE_RATE_HZ, 2), np.int16)
            grown[: len(self._tail)] = self._tail
            self._tail = grown


def _write_at(file: FileIO, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file.fileno(), view, offset)
        view = view[written:]
        offset += written


def recover(path: Path) -> float:
    """Make the file that a crash left a valid WAV again; returns its length in ms. Blocking.

    Raises ``ValueError`` when the file is not one of ours.
    """
    with path.open("r+b") as file:
        if file.read(4) not in (b"RIFF", b"", bytes(4)):
            raise ValueError(f"{path.name} does not begin with a RIFF header; it is not a recording of a call")
        file.seek(0, 2)
        samples = max(0, file.tell() - _HEADER_BYTES) // _STEREO_SAMPLE_BYTES
        file.truncate(_HEADER_BYTES + samples * _STEREO_SAMPLE_BYTES)
        file.seek(0)
        file.write(wav_header(samples * _STEREO_SAMPLE_BYTES, 2))
    return samples / _SAMPLES_PER_MS


def derive_tracks(stereo: Path, folder: Path) -> dict[str, Path]:
    """Write ``mono``, ``customer`` and ``assistant`` WAV files beside a finished stereo one. Blocking.

    Works in pieces of ten seconds, so that the length of a call does not show in memory. Raises ``OSError`` where there
    is no room for them, and then none of them is there.
    """
    mixes: dict[str, Callable[[Samples], Samples]] = {"mono": _mono, "customer": _left, "assistant": _right}
    paths = {name: folder / f"{stereo.stem}.{name}.wav" for name in mixes}
    try:
        _write_tracks(stereo, {paths[name]: mix for name, mix in mixes.items()})
    except OSError:
        for path in paths.values():
            path.unlink(missing_ok=True)
        raise
    return paths


def _write_tracks(stereo: Path, mixes: Mapping[Path, Callable[[Samples], Samples]]) -> None:
    with ExitStack() as files:
        source = files.enter_context(wave.open(str(stereo), "rb"))
        outputs = {path: files.enter_context(wave.open(str(path), "wb")) for path in mixes}
        for output in outputs.values():
            output.setnchannels(1)
            output.setsampwidth(2)
            output.setframerate(SAMPLE_RATE_HZ)
        while data := source.readframes(10 * SAMPLE_RATE_HZ):
            piece = np.frombuffer(data, np.int16).reshape(-1, 2)
            for path, mix in mixes.items():
                outputs[path].writeframes(mix(piece).tobytes())


def _mono(stereo: Samples) -> Samples:
    mixed: Samples = np.clip(stereo.astype(np.int32).sum(axis=1), -32_768, 32_767).astype(np.int16)
    return mixed


def _left(stereo: Samples) -> Samples:
    return np.ascontiguousarray(stereo[:, 0])


def _right(stereo: Samples) -> Samples:
    return np.ascontiguousarray(stereo[:, 1])
