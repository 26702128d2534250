"""A browser that reaches the server through a TURN server only, as behind a firewall that lets nothing else through."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.demo import speech
from tests.end_to_end.chromium import browsing, chromium, write_microphone
from tests.end_to_end.system_process import SystemProcess, running
from tests.end_to_end.test_browser_call import ASSISTANT, HEARD, QUESTION, SPOKEN_SECONDS, calls, said_by
from tests.simulators.turn_server import TurnServer, turn_server

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

ONLY_RELAYED = """(() => {
    const Real = window.RTCPeerConnection;
    window.peers = [];
    window.RTCPeerConnection = class extends Real {
        constructor(given) { super({...given, iceTransportPolicy: "relay"}); peers.push(this); }
    };
})()"""
PAIR = """(async () => {
    const stats = [...(await peers[0].getStats()).values()];
    const pair = stats.find((row) => row.type === "candidate-pair" && row.state === "succeeded" && row.nominated);
    const local = stats.find((row) => row.id === pair.localCandidateId);
    return [local.candidateType, pair.bytesSent, pair.bytesReceived];
})()"""


@pytest.fixture(scope="module")
def turn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TurnServer]:
    if reason := speech.missing_part():
        pytest.skip(reason)
    chromium()
    with turn_server(tmp_path_factory.mktemp("turn")) as server:
        yield server


@pytest.fixture(scope="module")
def system(turn: TurnServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemProcess]:
    settings = {"CALLFOLD_WEBRTC_ADDRESSES": "127.0.0.1", "CALLFOLD_ICE_SERVERS": turn.ice_server}
    with running(tmp_path_factory.mktemp("relayed") / "data", **settings) as started:
        yield started


async def test_a_call_is_held_through_a_turn_server(system: SystemProcess, turn: TurnServer, tmp_path: Path) -> None:
    assert system.organization is not None
    with system.api(system.organization["privateKey"]) as api:
        created = api.post("/assistant", json=ASSISTANT)
    assert created.status_code == 201, created.text
    page = f"{system.url}/call-me?assistant={created.json()['id']}#key={system.organization['publicKey']}"
    spoken = await speech.synthesize([QUESTION])
    microphone = tmp_path / "microphone.wav"
    write_microphone(microphone, bytes(64_000) + spoken[QUESTION] + bytes(160_000))
    async with browsing(tmp_path, microphone=microphone) as tab:
        await tab.command("Page.addScriptToEvaluateOnNewDocument", source=ONLY_RELAYED)
        await tab.open(page)
        await tab.evaluate("document.getElementById('begin').click()")
        await tab.until(said_by("user", "opening hours"), SPOKEN_SECONDS)
        await tab.until(said_by("assistant", "eight"), SPOKEN_SECONDS)
        kind, sent, received = await tab.evaluate(PAIR)
        energy, packets, _ = await tab.evaluate(HEARD)
        await tab.evaluate("document.getElementById('end').click()")
        await tab.until("/over.*/.exec(document.getElementById('status').textContent)?.[0]", SPOKEN_SECONDS)
    assert kind == "relay"
    assert min(sent, received) > 10_000
    assert energy > 0.01
    assert packets > 100
    (call,) = calls(system)
    assert (call["status"], call["endedReason"]) == ("ended", "manually-canceled")
    assert turn.said("ALLOCATE processed, success") >= 1
