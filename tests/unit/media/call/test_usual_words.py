"""How many words interrupt assistants that do not say so: the installation's setting, in every assistant of a call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from media.call.settings import MediaSettings
from media.machine.plan import CallPlan
from tests.unit.media.call.rig import media_rig
from tests.unit.media.call.test_calls import Caller, assistant, providers


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, 2),
        ({"stopSpeakingPlan": {"voiceSeconds": 0.3}}, 2),
        ({"stopSpeakingPlan": {"numWords": 0}}, 0),
        ({"numWordsToInterruptAssistant": 4}, 4),
    ],
)
def test_the_setting_is_for_those_who_say_nothing(config: dict[str, Any], words: int) -> None:
    assert CallPlan.from_assistant(config, interruption_words=2).stop.num_words == words


def test_what_there_is_no_more_is_named_and_gone_without() -> None:
    older = {"backchannelingEnabled": True, "voice": {"provider": "vapi", "fillerInjectionEnabled": True}}
    assert CallPlan.from_assistant(older).unsupported == ("backchannelingEnabled", "voice.fillerInjectionEnabled")
    off = {"backchannelingEnabled": False, "voice": {"provider": "vapi", "fillerInjectionEnabled": False}}
    assert CallPlan.from_assistant(off).unsupported == ()


def test_no_more_words_than_a_plan_may_ask_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="interruption_words"):
        MediaSettings(live_dir=tmp_path, interruption_words=11)


async def test_a_call_and_its_next_assistant_keep_to_it_and_so_does_the_replay(tmp_path: Path) -> None:
    members = [{"assistant": assistant(name=name, firstMessage=f"This is {name}.")} for name in ("front", "desk")]
    async with media_rig(tmp_path, providers(ms_per_character=20), interruption_words=3) as rig:
        caller = Caller(rig, await rig.create(squad={"members": members}))
        await caller.until_said(1)
        caller.control(type="handoff", destination={"type": "assistant", "assistantName": "desk"})
        await caller.until_said(2)
        await caller.hang_up()
        plans = [fragment for fragment in rig.fragments.read(caller.call_id) if fragment.type == "machine.plan"]
    assert [plan.data["interruption_words"] for plan in plans] == [3]
