"""From the mouth to the server over WebRTC, before and after a lost packet, beside aiortc as it is documented.

    python -m tests.benchmarks.webrtc_latency [--bursts 14]

A page in headless Chromium makes bursts of a tone and notes the instant of each where its sound is made; the server
notes when it has the decoded burst in its hands. Both clocks are this machine's. Halfway one packet is dropped on
arrival. What the page itself needs to encode is in the figures, a network is not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from rich.console import Console
from rich.table import Table

from domain.live_calls import CallSocket
from media.transports.webrtc.calls import WebRtcCalls
from media.transports.webrtc.settings import WebRtcSettings
from tests.end_to_end.chromium import browsing
from tests.unit.api.installation import ScriptedLiveCalls

ADDRESS = "127.0.0.1"
LOUD = 1_600
NEW_BURST_S = 0.3
LONGEST_S = 0.8
PAGE = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 15\r\nconnection: close\r\n\r\n<!doctype html>"
SPEAK = """(async () => {
  const context = new AudioContext({sampleRate: 48000, latencyHint: "interactive"});
  await context.resume();
  const code = `registerProcessor("bursts", class extends AudioWorkletProcessor {
    constructor() { super(); this.due = currentTime + 1; this.left = 0; this.made = 0; }
    process(inputs, outputs) {
      if (!this.left && currentTime >= this.due) {
        this.left = 30; this.due += 0.9 + 0.137 * (this.made++ % 5); this.port.postMessage(Date.now());
      }
      if (this.left) {
        this.left--;
        outputs[0][0].forEach((_, at, out) => { out[at] = 0.6 * Math.sin(2 * Math.PI * 750 * at / 48000); });
      }
      return true;
    } })`;
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], {type: "text/javascript"})));
  const maker = new AudioWorkletNode(context, "bursts", {numberOfInputs: 0, outputChannelCount: [1]});
  window.made = [];
  maker.port.onmessage = (event) => made.push(event.data);
  const sink = context.createMediaStreamDestination();
  maker.connect(sink);
  window.peer = new RTCPeerConnection({iceServers: []});
  peer.addTrack(sink.stream.getAudioTracks()[0], sink.stream);
  peer.createDataChannel("client-messages");
  await peer.setLocalDescription();
  await new Promise((resolve) => {
    const look = () => peer.iceGatheringState === "complete" && resolve();
    peer.addEventListener("icegatheringstatechange", look);
    look();
  });
  return peer.localDescription.sdp;
})()"""


class Heard:
    """The instants at which bursts began, by this machine's clock in ms; ``enough`` once there are so many."""

    def __init__(self, wanted: int) -> None:
        self.began: list[float] = []
        self.halfway, self.enough = asyncio.Event(), asyncio.Event()
        self._wanted = wanted
        self._last_s = 0.0

    def take(self, audio: bytes) -> bool:
        if np.abs(np.frombuffer(audio, "<i2").astype(np.int32)).max(initial=0) > LOUD:
            now_s = time.time()
            if now_s - self._last_s > NEW_BURST_S:
                self.began.append(now_s * 1000)
            self._last_s = now_s
        if len(self.began) >= self._wanted // 2:
            self.halfway.set()
        if len(self.began) >= self._wanted:
            self.enough.set()
        return True


Answer = Callable[[str], Any]


@asynccontextmanager
async def ours(heard: Heard) -> AsyncIterator[Answer]:
    async def serve(call_id: str, socket: CallSocket) -> None:
        socket.deliver(heard.take)
        while await socket.receive() is not None:
            pass

    async with WebRtcCalls(ScriptedLiveCalls(on_serve=serve), WebRtcSettings(addresses=[ADDRESS])) as calls:
        yield lambda offer: calls.answer("call", offer)


@asynccontextmanager
async def documented(heard: Heard) -> AsyncIterator[Answer]:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    listening: set[asyncio.Task[None]] = set()

    async def listen(track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                assert isinstance(frame, av.AudioFrame)
                heard.take(frame.to_ndarray().tobytes())
        except MediaStreamError:
            return

    async def answer(offer: str) -> str:
        connection.on("track", lambda track: listening.add(asyncio.create_task(listen(track))))
        await connection.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        return connection.localDescription.sdp

    try:
        yield answer
    finally:
        await connection.close()
        await asyncio.gather(*listening)


async def measure(kind: Callable[[Heard], Any], bursts: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each burst before the loss, and after it."""
    heard = Heard(bursts)
    real, losses = RTCRtpReceiver._handle_rtp_packet, 0

    async def losing(self: RTCRtpReceiver, packet: Any, arrival_time_ms: int) -> None:
        nonlocal losses
        if heard.halfway.is_set() and not losses:
            losses = 1
        else:
            await real(self, packet, arrival_time_ms)

    async def page(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(PAGE)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(page, ADDRESS, 0)
    RTCRtpReceiver._handle_rtp_packet = losing  # type: ignore[method-assign]  # the network drops it
    try:
        with tempfile.TemporaryDirectory() as folder:
            async with kind(heard) as answer, browsing(Path(folder)) as tab:
                await tab.open(f"http://{ADDRESS}:{server.sockets[0].getsockname()[1]}/")
                agreed = await answer(await tab.evaluate(SPEAK))
                await tab.evaluate(f"peer.setRemoteDescription({json.dumps({'type': 'answer', 'sdp': agreed})})")
                async with asyncio.timeout(60 + 3 * bursts):
                    await heard.enough.wait()
                made = await tab.evaluate("made")
    finally:
        RTCRtpReceiver._handle_rtp_packet = real  # type: ignore[method-assign]
        server.close()
    half = heard.began[bursts // 2 - 1]
    took = [(at - made_ms, at) for at in heard.began for made_ms in made if 0 <= at - made_ms < LONGEST_S * 1000]
    return [ms for ms, at in took if at <= half], [ms for ms, at in took if at > half]


def main() -> None:
    """Print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bursts", type=int, default=14)
    bursts = parser.parse_args().bursts
    table = Table(title=f"mouth to server, ms, {bursts} bursts")
    for column in ("", "median", "longest", "after one lost packet: median", "longest"):
        table.add_column(column, justify="right")
    for name, kind in (("callfold", ours), ("aiortc as documented", documented)):
        before, after = asyncio.run(measure(kind, bursts))
        table.add_row(name, *(f"{f(part):.0f}" for part in (before, after) for f in (statistics.median, max)))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
