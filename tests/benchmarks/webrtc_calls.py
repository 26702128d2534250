"""Processor time of a call over WebRTC, beside aiortc as it is documented: how many fit on a core.

    python -m tests.benchmarks.webrtc_calls [--calls 20 60] [--seconds 6]

Sound goes both ways all the time: the server decodes what comes and says it back. The browsers' side is another
process, whose time does not count. The server keeps to one core; where that is allowed both have real-time priority, so
that other work is not what is measured. "lag" is how late a 5 ms timer was on the server's loop at the 99th percentile.
What fits is the core divided by the time of a call; leave a third of it free. aiortc as it is documented is asked for
the first number of calls only. No log, speech or model: the transport alone.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from fractions import Fraction
from multiprocessing.connection import Connection
from typing import Any

import av
import numpy as np
import uvloop
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from rich.console import Console
from rich.table import Table

from domain.live_calls import CallSocket
from media.providers.scripted import tone
from media.transports.webrtc.calls import WebRtcCalls
from media.transports.webrtc.settings import WebRtcSettings
from tests.benchmarks.voice_server import come_first, split_cores
from tests.unit.api.installation import ScriptedLiveCalls
from tests.unit.media.transports.webrtc_browser import Browser

ADDRESS = "127.0.0.1"
TIMER_S = 0.005

Answer = Callable[[str], Any]


@asynccontextmanager
async def ours(index: int) -> AsyncIterator[Answer]:
    async def serve(call_id: str, socket: CallSocket) -> None:
        socket.deliver(socket.send_now)
        while await socket.receive() is not None:
            pass

    settings = WebRtcSettings(addresses=[ADDRESS])
    async with WebRtcCalls(ScriptedLiveCalls(on_serve=serve), settings) as calls:
        yield lambda offer: calls.answer(f"call-{index}", offer)


class Echo(MediaStreamTrack):
    """What an example would write: a queue of frames, one every 20 ms."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[np.ndarray[Any, Any]] = []
        self._sent = 0
        self._began_s = asyncio.get_running_loop().time()

    async def recv(self) -> av.AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        await asyncio.sleep(max(0.0, self._began_s + self._sent * 0.02 - asyncio.get_running_loop().time()))
        samples = self.heard.pop(0) if self.heard else np.zeros((1, 960), np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, self._sent * 960, Fraction(1, 48_000)
        self._sent += 1
        return frame


@asynccontextmanager
async def documented(index: int) -> AsyncIterator[Answer]:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    listening: set[asyncio.Task[None]] = set()
    echo = Echo()
    connection.addTrack(echo)

    async def listen(track: MediaStreamTrack) -> None:
        resampler = av.AudioResampler("s16", "mono", 48_000)
        try:
            while True:
                frame = await track.recv()
                assert isinstance(frame, av.AudioFrame)
                echo.heard = [part.to_ndarray() for part in resampler.resample(frame)]
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


async def _talk(pipe: Connection, calls: int) -> None:
    """The browsers: connect all, then speak until told to stop."""
    # Only so that this process, too, offers the address that every machine has.
    WebRtcCalls(ScriptedLiveCalls(), WebRtcSettings(addresses=[ADDRESS]))
    people = [Browser() for _ in range(calls)]
    for person in people:
        pipe.send(await person.offer())
        await person.accept(await asyncio.to_thread(pipe.recv))
    speech = tone(400)

    async def speak(person: Browser) -> None:
        while True:
            person.speech.push(speech)
            await person.speech.drained()

    speaking = [asyncio.create_task(speak(person)) for person in people]
    pipe.send("speaking")
    await asyncio.to_thread(pipe.recv)
    for task in speaking:
        task.cancel()
    pipe.send(min(len(person.heard) for person in people))
    for person in people:
        await person.close()


def browsers(pipe: Connection, calls: int) -> None:
    """The other process."""
    come_first()
    uvloop.run(_talk(pipe, calls))


async def _lag(late_ms: list[float]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due_s = loop.time() + TIMER_S
        await asyncio.sleep(TIMER_S)
        late_ms.append((loop.time() - due_s) * 1000)


async def measure(kind: Callable[..., Any], calls: int, seconds: float, core: int) -> tuple[float, float, int]:
    """Processor time of one call as a share of a core, the lag in ms, and the least bytes that a browser heard."""
    everywhere = os.sched_getaffinity(0)
    mine, theirs = multiprocessing.Pipe()
    other = multiprocessing.get_context("spawn").Process(target=browsers, args=(theirs, calls))
    other.start()
    os.sched_setaffinity(0, {core})
    late_ms: list[float] = []
    async with AsyncExitStack() as stack:
        for index in range(calls):
            answer = await stack.enter_async_context(kind(index))
            mine.send(await answer(await asyncio.to_thread(mine.recv)))
        assert await asyncio.to_thread(mine.recv) == "speaking"
        watching = asyncio.create_task(_lag(late_ms))
        began, used = time.monotonic(), time.process_time()
        await asyncio.sleep(seconds)
        share = (time.process_time() - used) / (time.monotonic() - began) / calls
        watching.cancel()
        mine.send("stop")
        heard = await asyncio.to_thread(mine.recv)
    await asyncio.to_thread(other.join)
    os.sched_setaffinity(0, everywhere)
    return share, statistics.quantiles(late_ms, n=100)[98], heard


def main() -> None:
    """Print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, nargs="+", default=[20, 60])
    parser.add_argument("--seconds", type=float, default=6.0)
    options = parser.parse_args()
    core = split_cores()
    table = Table(title=f"sound both ways for {options.seconds:g} s")
    for column in (
        "calls",
        "",
        "core a call",
        "us per 20 ms both ways",
        "calls that a core holds",
        "lag p99, ms",
        "least heard, s",
    ):
        table.add_column(column, justify="right")
    kinds = {"callfold": ours, "aiortc as documented": documented}
    for calls in options.calls:
        for name, kind in kinds.items():
            share, lag_ms, heard = uvloop.run(measure(kind, calls, options.seconds, core))
            fits = f"{1 / share:.0f}"
            cells = (f"{share:.2%}", f"{share * 20_000:.0f}", fits, f"{lag_ms:.1f}", f"{heard / 32_000:.1f}")
            table.add_row(str(calls), name, *cells)
        kinds.pop("aiortc as documented", None)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
