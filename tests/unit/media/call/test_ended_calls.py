"""Calls that are over leave nothing behind: no tasks, threads, open files, and no memory that grows with them.

The same for as long as you like: ``python -m tests.benchmarks.soak``.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from media.call.session import CallSession
from media.providers.language_model import LanguageModel
from media.providers.scripted import ScriptedLanguageModel, ScriptedSpeechToText, ScriptedTextToSpeech
from media.providers.speech_to_text import SpeechToText
from media.providers.text_to_speech import TextToSpeech
from tests.patience import PATIENCE_S
from tests.unit.media.call.rig import Rig, ScriptedProviders, media_rig
from tests.unit.media.call.test_calls import dial

AT_ONCE = 8
BLOCKS_PER_CALL = 1_500
"""Of Python's allocator: what the log's cache keeps of its newest calls. One that is held on to has ten times that."""


class Fresh(ScriptedProviders):
    """Providers that keep nothing of the calls they served."""

    def transcribers(self, assistant: Mapping[str, Any]) -> Sequence[SpeechToText]:
        return [ScriptedSpeechToText(["what are your opening hours"])]

    def models(self, assistant: Mapping[str, Any]) -> Sequence[LanguageModel]:
        return [ScriptedLanguageModel(answers=("From nine to five.",))]

    def voices(self, assistant: Mapping[str, Any]) -> Sequence[TextToSpeech]:
        return [ScriptedTextToSpeech(ms_per_character=4.0)]


async def converse(rig: Rig, way_out: int) -> None:
    """A call that its caller ends in one of three ways, in the middle of the answer."""
    caller = await dial(rig)
    await caller.until_said(1)
    await caller.speak(200, 160)
    match way_out % 3:
        case 0:
            caller.control(type="end-call")
        case 1:
            caller.vanish()
        case _:
            caller.say(b"odd")
    await caller.ended()


async def many(rig: Rig, rounds: int) -> None:
    for _ in range(rounds):
        await asyncio.gather(*(converse(rig, number) for number in range(AT_ONCE)))


def held() -> tuple[int, set[str], Counter[str]]:
    """Tasks, pools of threads (they grow while much is asked of them at once), and open files by name, but for the
    log's: each thread of a pool that reads it keeps it open."""
    files: Counter[str] = Counter()
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one that this very listing had open
            files[os.readlink(f"/proc/self/fd/{descriptor}").partition(":")[0]] += 1
    others = Counter({name: count for name, count in files.items() if "/log.db" not in name})
    pools = {thread.name.rstrip("0123456789") for thread in threading.enumerate()}
    return len(asyncio.all_tasks()), pools, others


async def test_calls_that_are_over_leave_nothing_behind(tmp_path: Path) -> None:
    async with media_rig(tmp_path, Fresh(), reap_every_s=3_600, log_patience_s=PATIENCE_S) as rig:
        await many(rig, 2)
        gc.collect()
        before, blocks = held(), sys.getallocatedblocks()
        await many(rig, 3)
        gc.collect()
        grown = (sys.getallocatedblocks() - blocks) / (3 * AT_ONCE)

        assert held() == before
        assert not [thing for thing in gc.get_objects() if isinstance(thing, CallSession)]
        assert grown < BLOCKS_PER_CALL
        assert [path.name for path in (tmp_path / "live").glob("*.wav")] == []
