"""The room goes on between speeches, in real time, under the speech, and into the recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media.audio.ambience import office
from media.call.speaking import Speaking
from media.machine.plan import CallPlan
from tests.unit.media.call.rig import media_rig
from tests.unit.media.call.test_calls import assistant, dial, providers


class Line:
    """What was sent and recorded, by the instant it sounds at."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.placed: list[float] = []

    def send_frame(self, frame: bytes) -> None:
        self.frames.append(frame)

    def assistant(self, frame: bytes, at_ms: float = 0.0) -> None:
        self.placed.append(at_ms)

    def clear(self) -> None: ...

    def cut_assistant(self, *_: float) -> None: ...

    def end_of_speech(self) -> None: ...


def speaking(line: Any) -> Speaking:
    return Speaking(line, None, line, office())


@pytest.mark.parametrize("later_ms", [-15, -5, 0, 5])
def test_no_more_is_sent_than_time_has_passed_however_often_somebody_speaks(later_ms: int) -> None:
    line = Line()
    sink = speaking(line)
    now_ms = 0.0
    for _ in range(100):
        for _ in range(7):
            sink.rest(now_ms)
            now_ms += 20
        now_ms += later_ms
        for frame in range(10):
            sink.send_frame(bytes(640), now_ms + 20 * frame)
        now_ms += 200
    sink.rest(now_ms)
    missing_ms = now_ms - len(line.frames) * 20
    assert -40 <= missing_ms <= 100 * 20  # a speech may begin up to a frame after the last of the room


def test_a_stall_is_not_made_up_for_in_a_burst() -> None:
    line = Line()
    sink = speaking(line)
    sink.rest(0.0)
    sink.rest(5_000.0)
    assert len(line.frames) == 2


@pytest.mark.parametrize(
    ("chosen", "transport", "expected"),
    [
        (None, "vapi.websocket", "off"),
        (None, "twilio", "office"),
        ("office", "vapi.websocket", "office"),
        ("off", "twilio", "off"),
        ("https://x.example/room", "twilio", "https://x.example/room"),
    ],
)
def test_the_phone_has_an_office_by_default_and_the_browser_nothing(
    chosen: str | None, transport: str, expected: str
) -> None:
    config = {} if chosen is None else {"backgroundSound": chosen}
    assert CallPlan.from_assistant(config, transport_provider=transport).background == expected


async def test_a_caller_hears_the_room_while_nobody_speaks(tmp_path: Path) -> None:
    async with media_rig(tmp_path, providers()) as rig:
        caller = await dial(rig, assistant(backgroundSound="office"))
        await caller.until_said(1)
        said = len(caller.audio)
        await caller.until(lambda: len(caller.audio) >= said + 640 * 10)
        samples = np.frombuffer(bytes(caller.audio[said : said + 640 * 10]), np.int16)
        await caller.hang_up()
    assert 0 < np.abs(samples).max() < 3_000
