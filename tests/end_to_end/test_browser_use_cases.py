"""The documented use cases held by a person in front of the page, in a real browser: with the local providers and with
simulated vendors, and ``callfold replay`` of every one of them.

Over WebSockets they are held by ``test_use_cases.py``; this adds the page, its keys, WebRTC and a squad by its id.
"""

from __future__ import annotations

import asyncio
import wave
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from numpy.typing import NDArray

from infra.demo import speech
from tests.end_to_end.chromium import browsing
from tests.end_to_end.held_calls import (
    HeldCall,
    assert_conversation,
    assert_replays,
    at_vendors,
    simulated_vendors,
    system,
    tool_server,
    until_ended,
)
from tests.end_to_end.person import HEARING_HZ, Person, Read
from tests.end_to_end.system_process import SystemProcess
from tests.use_cases import USE_CASES, UseCase

pytestmark = [pytest.mark.timeout(900), pytest.mark.long]

LOOPBACK = {"CALLFOLD_WEBRTC_ADDRESSES": "127.0.0.1"}
FLUX = {"provider": "deepgram", "model": "flux-general-en"}
"""Its simulator takes a pause of 400 ms for the end of a turn, which no pause between spoken words is."""
_WINDOW = HEARING_HZ // 50
_LOUD = 0.02
"""Root mean square of full scale that speech has and the sound of an office has not."""


@pytest.mark.parametrize("case", USE_CASES, ids=lambda case: case.name.replace(" ", "-"))
async def test_local_providers_hold_a_use_case_in_the_browser(tmp_path: Path, case: UseCase) -> None:
    async with AsyncExitStack() as stack:
        tools_url = stack.enter_context(tool_server(dict(case.tools)))
        started = await stack.enter_async_context(system(tmp_path / "data", **LOOPBACK))
        held, read, heard = await talk(started, case, case.request(tools_url), tmp_path)
    await judge(case, held, read, heard, tmp_path / "data")


@pytest.mark.parametrize("case", USE_CASES, ids=lambda case: case.name.replace(" ", "-"))
async def test_simulated_vendors_hold_a_use_case_in_the_browser(tmp_path: Path, case: UseCase) -> None:
    async with AsyncExitStack() as stack:
        vendors = await stack.enter_async_context(simulated_vendors([turn.said for turn in case.turns if turn.said]))
        tools_url = stack.enter_context(tool_server(dict(case.tools)))
        started = await stack.enter_async_context(system(tmp_path / "data", **LOOPBACK, **vendors))
        wanted = hearing_turns(at_vendors(case.request(tools_url)))
        # Vendors hear one text after the other: what is said twice would be taken for the next.
        held, read, heard = await talk(started, case, wanted, tmp_path, puzzled_s=60)
    await judge(case, held, read, heard, tmp_path / "data")


async def talk(
    started: SystemProcess, case: UseCase, request: dict[str, Any], folder: Path, *, puzzled_s: float = 6.0
) -> tuple[HeldCall, Read, NDArray[np.int16]]:
    """Store what the request names, and hold the call from the page: the call, the page at its end, what was heard."""
    if reason := speech.missing_part():
        pytest.skip(reason)
    ((kind, wanted),) = request.items()
    assert started.organization is not None
    with started.api(started.organization["privateKey"]) as api:
        stored = api.post(f"/{kind}", json=wanted)
        assert stored.status_code == 201, stored.text
        page = f"{started.url}/call-me?{kind}={stored.json()['id']}#key={quote(started.organization['publicKey'])}"
        words = await speech.synthesize(
            sorted({said for turn in case.turns for said in (turn.said, turn.rephrased) if said})
        )
        async with browsing(folder) as tab:
            person = Person(tab, words, puzzled_s=puzzled_s)
            await person.sit_down(page)
            await person.call()
            await person.converse(case.turns)
            await person.until_over()
            read, heard = await person.read(), await person.heard()
        (call,) = api.get("/call").json()
        await asyncio.to_thread(until_ended, started, call["id"])
        return HeldCall(call["id"], api.get(f"/call/{call['id']}").json()), read, heard


async def judge(case: UseCase, held: HeldCall, read: Read, heard: NDArray[np.int16], root: Path) -> None:
    """What the page showed and played is what the call's artifacts say; and the call replays."""
    assert_conversation(case, held)
    assert held.body["type"] == "webCall"
    assert not read.error
    assert "the assistant ended it" in read.status
    told = " ".join(words for role, words in read.transcript if role == "assistant")
    assert all(turn.answer.lower() in told.lower() for turn in case.turns), read
    notes = [words for role, words in read.transcript if role == "note"]
    assert [note for note in notes if note.endswith("takes over.")] == [
        f"{name} takes over." for name in case.activated
    ]
    assert all(any(tool in note for note in notes) for tool in case.tools), notes
    assert all(f"You pressed {turn.keys}" in notes for turn in case.turns if turn.keys), notes
    spoken = [message for message in held.body["artifact"]["messages"] if message["role"] in ("bot", "user")]
    times = [message["secondsFromStart"] for message in spoken]
    assert times == sorted(times), spoken
    # Before a caller has consented to it nothing is recorded, but heard all the same.
    recorded_s = await asyncio.to_thread(lambda: sounding_s(assistant_side(root, held.id)))
    assert sounding_s(heard) > 0.75 * recorded_s > 1
    await asyncio.to_thread(assert_replays, root, held.id)


def assistant_side(root: Path, call_id: str) -> NDArray[np.int16]:
    """The assistant's half of the recording, of which the sound of an office is no part."""
    (path,) = (root / "artifacts" / call_id).glob("assistant-recording-*.wav")
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, HEARING_HZ)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def sounding_s(sound: NDArray[np.int16]) -> float:
    """Seconds of speech in it."""
    windows = sound[: len(sound) // _WINDOW * _WINDOW].reshape(-1, _WINDOW) / 32_768
    return float((np.sqrt((windows**2).mean(axis=1)) > _LOUD).sum()) * _WINDOW / HEARING_HZ


def hearing_turns(request: Any) -> Any:
    """The same with a transcriber that decides turns itself."""
    if isinstance(request, list):
        return [hearing_turns(each) for each in request]
    if not isinstance(request, dict):
        return request
    return {name: FLUX if name == "transcriber" else hearing_turns(value) for name, value in request.items()}
