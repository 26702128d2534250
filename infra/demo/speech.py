"""The synthetic caller's words as audio, and whether this machine can speak and listen at all."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable

from media.providers.local.caller import SyntheticCaller


def missing_part() -> str:
    """Why this machine cannot speak and listen, as one sentence; empty when it can."""
    needed = {"espeakng_loader": "espeak", "pocketsphinx": "embedded", "chdb": "embedded"}
    absent = {module: extra for module, extra in needed.items() if importlib.util.find_spec(module) is None}
    if not absent:
        return ""
    extras = ",".join(sorted(set(absent.values())))
    return f"{', '.join(sorted(absent))} is not installed; install it with: pip install 'callfold[{extras}]'"


async def synthesize(texts: Iterable[str]) -> dict[str, bytes]:
    """16 kHz mono s16le audio of each text, in whole frames of 20 ms."""
    async with SyntheticCaller() as caller:
        return {text: await caller.say(text) for text in texts}
