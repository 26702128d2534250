"""A person talks to an assistant from the page that the server gives, in a real browser with a file as its voice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from infra.cli.main import app
from infra.demo import speech
from tests.end_to_end.chromium import Tab, browsing, write_microphone
from tests.end_to_end.system_process import SystemProcess, running

pytestmark = pytest.mark.timeout(900)  # a whole system and a whole browser, which a busy machine starts slowly

SPOKEN_SECONDS = 240.0
"""Long, for busy machines."""
QUESTION = "what are your opening hours"
ASSISTANT = {
    "name": "Riley",
    "firstMessage": "Hello.",
    "transcriber": {"provider": "vapi"},
    "voice": {"provider": "vapi", "voiceId": "Elliot"},
    "model": {
        "provider": "vapi",
        "model": "guided-conversation",
        "messages": [
            {
                "role": "system",
                "content": "You are Riley, the receptionist of a dentist.\n\n# Facts\n"
                "Opening hours: We are open from eight until six.\nParking: There is free parking.",
            }
        ],
    },
}
REMEMBER_PEERS = """(() => {
    const Real = window.RTCPeerConnection;
    window.peers = [];
    window.RTCPeerConnection = class extends Real { constructor(...given) { super(...given); peers.push(this); } };
})()"""
HEARD = """(async () => {
    const stats = [...(await peers.at(-1).getStats()).values()].find((row) => row.type === "inbound-rtp");
    return [stats.totalAudioEnergy, stats.packetsReceived, stats.codecId];
})()"""
SHOWN_ERROR = "document.getElementById('error').hidden ? '' : document.getElementById('error').innerText"
TRANSCRIPT = """(async () => {
    const { Transcript } = await import("/call-me/transcript.js");
    const log = document.getElementById("transcript");
    document.getElementById("talk").hidden = false;
    const parts = (line) => [...line.querySelectorAll("b, span")].map((part) => part.textContent).filter(Boolean);
    const read = () => [...log.children].map((line) => parts(line).join(":") || line.textContent);
    const transcript = new Transcript(log);
    transcript.hear("user", "is there", true);
    transcript.hear("assistant", "One moment.", false);
    transcript.hear("user", "is there parking", false);
    transcript.name("Riley");
    transcript.hear("assistant", "There is.", false);
    for (const key of "12#") transcript.pressed(key);
    transcript.show([{ role: "user", content: "what has been heard already" }]);
    const spoken = read();
    transcript.clear();
    transcript.write("user", "hello");
    transcript.show([{ role: "system", content: "Be brief." }, { role: "user", content: "hello" }]);
    transcript.show([{ role: "user", content: "hello" }, { role: "assistant", content: "Good day." }]);
    const told = read();
    for (let turn = 0; turn < 60; turn += 1) transcript.note(`${turn}`);
    const followed = log.scrollTop > 0 && log.scrollHeight - log.scrollTop - log.clientHeight < 2;
    log.scrollTop = 0;
    transcript.note("somebody reads further up");
    return { spoken, told, followed, left: log.scrollTop };
})()"""
"""Half-heard words keep their place; several keys are one line; the conversation is shown where no transcript comes;
who has scrolled up is left there."""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemProcess]:
    if reason := speech.missing_part():
        pytest.skip(reason)
    # A machine without a network has this address only, and Chromium is told to use it.
    with running(tmp_path_factory.mktemp("browser") / "data", CALLFOLD_WEBRTC_ADDRESSES="127.0.0.1") as started:
        yield started


@pytest.fixture(scope="module")
def page(system: SystemProcess) -> str:
    """The page's address, with a stored assistant and the public key in it."""
    assert system.organization is not None
    with system.api(system.organization["privateKey"]) as api:
        created = api.post("/assistant", json=ASSISTANT)
    assert created.status_code == 201, created.text
    return f"{system.url}/call-me?assistant={created.json()['id']}#key={system.organization['publicKey']}"


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Tab]:
    spoken = await speech.synthesize([QUESTION])
    microphone = tmp_path / "microphone.wav"
    # Asked again and again, as the file begins anew: nobody knows when the call begins.
    write_microphone(microphone, bytes(64_000) + spoken[QUESTION] + bytes(160_000))
    async with browsing(tmp_path, microphone=microphone) as opened:
        await opened.command("Page.addScriptToEvaluateOnNewDocument", source=REMEMBER_PEERS)
        yield opened


def calls(system: SystemProcess) -> list[dict[str, Any]]:
    assert system.organization is not None
    with system.api(system.organization["privateKey"]) as api:
        listed: list[dict[str, Any]] = api.get("/call").json()
    return listed


def until_stored(system: SystemProcess, call_id: str) -> None:
    """Somebody who hangs up is let go before the recording and, last, the call's log are stored."""
    parameters = {"follow": "true", "after": "0:0", "originator": call_id, "types": "call.artifact_stored"}
    with system.operator() as operator, operator.stream("GET", "/operator/events", params=parameters) as answer:
        lines = (line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: "))
        assert any(json.loads(line)["data"]["track"] == "log" for line in lines)


def at_folder(system: SystemProcess) -> tuple[str, str]:
    return ("--data-dir", str(system.folder.root))


def said_by(role: str, words: str) -> str:
    spoken = f'[...document.querySelectorAll("#transcript [data-role={role}] span:not(.partial)")]'
    return f"{spoken}.map((part) => part.textContent).find((text) => text.toLowerCase().includes({json.dumps(words)}))"


async def converse(tab: Tab) -> None:
    """Call until an answer was heard: a browser that gets no processor time for seconds gives up its connection, and
    the page says so."""
    answered = f"({said_by('user', 'opening hours')}) && ({said_by('assistant', 'eight')})"
    for _ in range(3):
        await tab.evaluate("document.getElementById('begin').click()")
        seen = await tab.until(f"{answered} || ({SHOWN_ERROR})", SPOKEN_SECONDS)
        if "connection to the server" not in seen:
            return


async def test_a_person_speaks_with_an_assistant_and_hears_it(system: SystemProcess, page: str, tab: Tab) -> None:
    await tab.open(page)
    await converse(tab)
    asked = await tab.until(said_by("user", "opening hours"), SPOKEN_SECONDS)
    answered = await tab.until(said_by("assistant", "eight"), SPOKEN_SECONDS)
    latency = await tab.until("/[0-9]+ ms/.exec(document.getElementById('latency').value)?.[0]", SPOKEN_SECONDS)
    energy, packets, _ = await tab.evaluate(HEARD)
    await tab.evaluate("document.getElementById('end').click()")
    ended = await tab.until("/over.*/.exec(document.getElementById('status').textContent)?.[0]", SPOKEN_SECONDS)

    assert "opening hours" in asked.lower()
    # The question comes again and again, also over the answer.
    assert "open" in answered
    assert latency.endswith(" ms")
    assert energy > 0.01  # seconds of full loudness: silence has none
    assert packets > 100
    assert "manually-canceled" in ended
    await asyncio.to_thread(until_stored, system, calls(system)[0]["id"])
    call, *_ = calls(system)
    assert (call["type"], call["status"], call["endedReason"]) == ("webCall", "ended", "manually-canceled")
    heard = " ".join(message["message"] for message in call["messages"] if message["role"] == "user")
    assert "opening hours" in heard.lower()
    assert call["artifact"]["recordingUrl"]
    replayed = await asyncio.to_thread(CliRunner().invoke, app, ["replay", call["id"], *at_folder(system), "--json"])
    assert json.loads(replayed.stdout)["exact"] is True, replayed.output


async def test_a_person_without_a_microphone_or_with_a_wrong_key_is_told_what_to_do(page: str, tmp_path: Path) -> None:
    async with browsing(tmp_path, allowed=False) as tab:
        await tab.open(page)
        await tab.evaluate("document.getElementById('begin').click()")
        denied = await tab.until(SHOWN_ERROR, SPOKEN_SECONDS)
    async with browsing(tmp_path) as tab:
        await tab.open(page.partition("#")[0] + "#key=wrong")
        await tab.evaluate("document.getElementById('begin').click()")
        refused = await tab.until(SHOWN_ERROR, SPOKEN_SECONDS)
        again = await tab.evaluate("document.getElementById('begin').disabled")
        written = await tab.evaluate(TRANSCRIPT)

    assert "The microphone is not allowed." in denied
    assert "site settings" in denied
    assert "key" in refused.lower()
    assert again is False
    assert written == {
        "spoken": ["You:is there parking", "Assistant:One moment.", "Riley:There is.", "You pressed 12#"],
        "told": ["You:hello", "Assistant:Good day."],
        "followed": True,
        "left": 0,
    }
