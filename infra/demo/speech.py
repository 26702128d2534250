"""The synthetic caller's voice: words in, audio out, by the local voice in its own process."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable

from media.providers.local.voice import LocalVoice
from media.providers.local.voices import VoiceSettings
from media.providers.local.worker import WorkerProcess
from media.providers.text_to_speech import AudioChunk

CALLER = VoiceSettings(voice="en-us+f2", words_per_minute=135)
"""Another voice than the assistant's, and the one that the local recogniser understands best."""


def missing_part() -> str:
    """Why this machine cannot speak and listen, as one sentence; empty when it can."""
    needed = {"espeakng_loader": "espeak", "pocketsphinx": "embedded", "chdb": "embedded"}
    absent = {module: extra for module, extra in needed.items() if importlib.util.find_spec(module) is None}
    if not absent:
        return ""
    extras = ",".join(sorted(set(absent.values())))
    return f"{', '.join(sorted(absent))} is not installed; install it with: pip install 'callfold[{extras}]'"


async def synthesize(texts: Iterable[str]) -> dict[str, bytes]:
    """16 kHz mono s16le audio of each text."""
    worker = WorkerProcess("media.providers.local.voice_worker", "vapi", "voice")
    await worker.start()
    try:
        voice = LocalVoice(worker, CALLER)
        return {
            text: b"".join([fact.pcm async for fact in voice.synthesize(text) if isinstance(fact, AudioChunk)])
            for text in texts
        }
    finally:
        await worker.close()
