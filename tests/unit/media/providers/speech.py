"""What the tests of local speech share: one pair of workers for all of them, word errors, and hearing a sentence."""

from __future__ import annotations

import importlib.util

import pytest

from media.providers.local.caller import FRAME_BYTES, silence
from media.providers.local.recogniser import RecognitionStream
from media.providers.speech_to_text import Final, Partial

needs_speech = pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None or importlib.util.find_spec("pocketsphinx") is None,
    reason="needs the extra callfold[embedded]: PocketSphinx and espeak-ng are not installed",
)


def word_errors(reference: str, hypothesis: str) -> int:
    """Smallest number of insertions, deletions and substitutions of words."""
    said, heard = reference.split(), hypothesis.split()
    row = list(range(len(heard) + 1))
    for index, word in enumerate(said, 1):
        previous, row[0] = row[0], index
        for at, other in enumerate(heard, 1):
            previous, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, previous + (word != other))
    return row[-1]


async def hear(stream: RecognitionStream, pcm: bytes) -> tuple[Final, list[Partial]]:
    """Feed a spoken sentence between two pauses, say that it is over, and wait for the final."""
    audio = silence(400) + pcm + silence(300)
    for at in range(0, len(audio), FRAME_BYTES):
        stream.feed(audio[at : at + FRAME_BYTES])
    stream.finalize()
    partials: list[Partial] = []
    async for fact in stream:
        if isinstance(fact, Final):
            return fact, partials
        assert isinstance(fact, Partial)
        partials.append(fact)
    raise AssertionError("the stream ended without a final")
