"""Many calls that begin at once take turns with everything else that the process does."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from media.call import reception
from tests.unit.media.call.rig import media_rig
from tests.unit.media.call.test_calls import dial

STEPS = ("choose_assistant", "prepare", "open_session", "assemble")


async def test_between_any_two_steps_of_calls_that_begin_everybody_else_has_a_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []

    def noted(name: str, step: Any) -> Any:
        def wrapped(*arguments: Any, **more: Any) -> Any:
            happened.append(name)
            return step(*arguments, **more)

        return wrapped

    async def everybody_else() -> None:
        while True:
            happened.append("else")
            await asyncio.sleep(0)

    for name in STEPS:
        monkeypatch.setattr(reception, name, noted(name, getattr(reception, name)))
    async with media_rig(tmp_path) as rig:
        others = asyncio.create_task(everybody_else())
        callers = [await dial(rig) for _ in range(10)]
        for caller in callers:
            await caller.until_said(1)
        others.cancel()
        steps = [name for name in happened if name != "else"]
        assert Counter(steps) == dict.fromkeys(STEPS, 10)
        assert not [pair for pair in pairwise(happened) if "else" not in pair]
        for caller in callers:
            await caller.hang_up()
