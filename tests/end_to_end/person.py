"""A person in front of the page ``/call-me``: speaks into the browser's microphone when it is their turn, listens to
what comes out of its loudspeaker, reads the transcript, and presses what there is to press."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from tests.end_to_end.chromium import Tab
from tests.use_cases import Turn

HEARING_HZ: Final = 16_000
_TIMES: Final = 3
_PATIENCE_S: Final = 45.0
"""How long nothing may come. A machine that others keep busy hears slowly."""
_END_S: Final = 60.0

_SENSES: Final = Path(__file__).with_name("person.js").read_text()


@dataclass(frozen=True, slots=True)
class Read:
    """What stands on the page: the transcript as role and words in order, notes as role ``note``; the status line."""

    transcript: tuple[tuple[str, str], ...]
    status: str
    error: str

    def by(self, role: str) -> str:
        """Everything of one role, in order."""
        return " ".join(words for who, words in self.transcript if who == role)


class Person:
    """``speech`` has everything there is to say as 16 kHz mono s16le. ``puzzled_s``: how long what comes may be no
    answer until the thing is said again; the answer may be being looked for."""

    def __init__(self, tab: Tab, speech: Mapping[str, bytes], *, puzzled_s: float = 6.0) -> None:
        self._tab = tab
        self._puzzled_s = puzzled_s
        self._speech = speech
        self.said: list[str] = []

    async def sit_down(self, url: str) -> None:
        """Open the page."""
        await self._tab.command("Page.addScriptToEvaluateOnNewDocument", source=_SENSES)
        await self._tab.open(url)

    async def call(self) -> None:
        """Press the button and wait until connected."""
        await self._tab.evaluate("document.getElementById('begin').click()")
        await self._tab.until("!document.getElementById('call').hidden || !document.getElementById('error').hidden", 60)

    async def converse(self, turns: Sequence[Turn]) -> None:
        """Hear the greeting out, then say each thing until it is answered."""
        assert await self._answered(""), "there was no greeting"
        for turn in turns:
            await self._settle(turn)
            read = await self.read()
            assert turn is turns[-1] or turn.answer.lower() in read.by("assistant").lower(), f"cut off: {read}"

    async def _settle(self, turn: Turn) -> None:
        wordings = (turn.said, turn.rephrased or turn.said)
        for attempt in range(_TIMES):
            if turn.keys:
                await self.press(turn.keys)
            else:
                await self.say(wordings[attempt % 2])
            if await self._answered(turn.answer):
                return
        raise AssertionError(f"{turn} was not answered: {await self.read()}")

    async def say(self, words: str) -> None:
        """Into the microphone, in real time."""
        self.said.append(words)
        audio = base64.b64encode(self._speech[words]).decode()
        await self._tab.evaluate(f"person.say({json.dumps(audio)})")

    async def press(self, keys: str) -> None:
        """On the page's pad of keys."""
        await self._tab.evaluate("person.mark()")
        for key in keys:
            await self._tab.evaluate(f"document.querySelector('#keys button[value={json.dumps(key)}]').click()")

    async def until_over(self) -> None:
        """Wait for the end of the call."""
        await self._tab.until("person.over()", _END_S)

    async def read(self) -> Read:
        """The page as it stands."""
        shown: dict[str, Any] = await self._tab.evaluate(
            """({
              transcript: [...document.querySelectorAll("#transcript p")].map((line) => line.dataset.role
                ? [line.dataset.role, line.querySelector("span:not(.partial)").textContent]
                : ["note", line.textContent]),
              status: document.getElementById("status").textContent,
              error: document.getElementById("error").innerText,
            })"""
        )
        return Read(tuple((role, words) for role, words in shown["transcript"]), shown["status"], shown["error"])

    async def heard(self) -> NDArray[np.int16]:
        """What came out of the loudspeaker, at 16 kHz."""
        file = base64.b64decode(await self._tab.evaluate("person.recollect()"))
        return await asyncio.to_thread(_decoded, file)

    async def _answered(self, answer: str) -> bool:
        wanted = json.dumps(answer.lower())
        found: bool = await self._tab.evaluate(
            f"person.answered({wanted}, {self._puzzled_s * 1000}, {_PATIENCE_S * 1000})"
        )
        return found


def _decoded(file: bytes) -> NDArray[np.int16]:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=HEARING_HZ)
    with av.open(io.BytesIO(file), "r") as container:
        pieces = [piece for frame in container.decode(audio=0) for piece in resampler.resample(frame)]
    return np.concatenate([piece.to_ndarray()[0] for piece in [*pieces, *resampler.resample(None)]]).astype(np.int16)
