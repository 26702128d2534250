"""A synthetic caller: sentences as the audio of someone who telephones, for demonstrations and tests.

Its voice is the one that the recogniser understands best among those the synthesiser has, at an unhurried speed.
"""

from __future__ import annotations

from media.providers.local.voice import LocalVoice
from media.providers.local.voices import VoiceSettings
from media.providers.local.worker import WorkerProcess
from media.providers.text_to_speech import AudioChunk

CALLER_VOICE = VoiceSettings(voice="en-us+f2", words_per_minute=135)
RATE_HZ = 16_000
FRAME_BYTES = 640
"""20 ms at 16 kHz, 16 bits."""


class SyntheticCaller:
    """Owns a voice worker of its own; use it as an async context manager."""

    def __init__(self) -> None:
        self._worker = WorkerProcess("media.providers.local.voice_worker", "vapi", "voice")

    async def __aenter__(self) -> SyntheticCaller:
        await self._worker.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._worker.close()

    async def say(self, text: str) -> bytes:
        """``text`` as 16 kHz mono s16le, a whole number of 20 ms frames, without silence around it.

        Raises ``ProviderError``, ``not-configured`` where the synthesiser is not installed."""
        voice = LocalVoice(self._worker, CALLER_VOICE)
        pcm = b"".join([fact.pcm async for fact in voice.synthesize(text) if isinstance(fact, AudioChunk)])
        return pcm + bytes(-len(pcm) % FRAME_BYTES)


def silence(duration_ms: int) -> bytes:
    """A pause of whole 20 ms frames."""
    return bytes(duration_ms // 20 * FRAME_BYTES)
