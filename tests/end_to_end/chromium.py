"""Headless Chromium with a file as its microphone, steered over its DevTools protocol
(https://chromedevtools.github.io/devtools-protocol/)."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import shutil
import subprocess
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soxr
from websockets.asyncio.client import ClientConnection, connect

STARTED_SECONDS = 60.0
"""Chromium starts within a second; on a machine whose processors are taken it may need many times that."""
_MICROPHONE_HZ = 48_000


def chromium() -> str:
    """The browser's executable. Skips the test where there is none, and fails it where there has to be one."""
    found = shutil.which("chromium")
    if found is None and os.environ.get("CI"):
        pytest.fail("Chromium is missing; .ci/run installs Debian's package chromium")
    if found is None:
        pytest.skip("Chromium is not installed (Debian's package chromium)")
    return found


def write_microphone(path: Path, audio: bytes) -> None:
    """16 kHz mono s16le as the file that Chromium takes for a microphone."""
    samples = soxr.resample(np.frombuffer(audio, "<i2").astype(np.float32), 16_000, _MICROPHONE_HZ)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_MICROPHONE_HZ)
        file.writeframes(samples.clip(-32_768, 32_767).astype("<i2").tobytes())


class Tab:
    """One page of the browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)

    async def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._ids)
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(await self._socket.recv())
            if message.get("id") == number:
                assert "error" not in message, message["error"]
                result: dict[str, Any] = message["result"]
                return result

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression; a promise is awaited."""
        answer = await self.command("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, condition: str, within_s: float) -> Any:
        """Wait in the page for a condition on it to hold; its value."""
        waiting = """new Promise((resolve, reject) => {
            const look = () => { const found = %s; if (found) { seen.disconnect(); resolve(found); } };
            const seen = new MutationObserver(look);
            seen.observe(document, {subtree: true, childList: true, characterData: true, attributes: true});
            setTimeout(() => reject(new Error(document.body.innerText)), %d);
            look(); })"""
        return await self.evaluate(waiting % (condition, int(within_s * 1000)))

    async def open(self, url: str) -> None:
        await self.command("Page.enable")
        await self.command("Page.navigate", url=url)
        while json.loads(await self._socket.recv()).get("method") != "Page.loadEventFired":
            pass

    async def screenshot(self, path: Path) -> None:
        shot = await self.command("Page.captureScreenshot", format="png")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(shot["data"]))


@asynccontextmanager
async def browsing(folder: Path, *, microphone: Path | None = None, allowed: bool = True) -> AsyncIterator[Tab]:
    """A tab of a fresh browser whose profile is in ``folder``. Without ``allowed`` nobody may use the microphone."""
    answer = "--use-fake-ui-for-media-stream" + ("" if allowed else "=deny")
    process = await asyncio.to_thread(_start, folder / "profile", microphone, answer)
    try:
        port = await asyncio.wait_for(asyncio.to_thread(_debugging_port, process), STARTED_SECONDS)
        async with httpx.AsyncClient(trust_env=False, timeout=STARTED_SECONDS) as client:
            pages = (await client.get(f"http://127.0.0.1:{port}/json/list")).json()
        url = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        async with connect(url, max_size=None, proxy=None, ping_interval=None) as socket:
            yield Tab(socket)
    finally:
        process.terminate()
        await asyncio.to_thread(process.communicate)
        shutil.rmtree(folder / "profile", ignore_errors=True)


def _start(profile: Path, microphone: Path | None, answer: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            chromium(),
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--remote-debugging-port=0",
            f"--user-data-dir={profile}",
            "--use-fake-device-for-media-stream",
            answer,
            *([f"--use-file-for-fake-audio-capture={microphone}"] if microphone else []),
            "--autoplay-policy=no-user-gesture-required",
            "--allow-loopback-in-peer-connection",
            "--window-size=900,900",
            "about:blank",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def _debugging_port(process: subprocess.Popen[bytes]) -> int:
    assert process.stderr is not None
    for line in process.stderr:
        if b"DevTools listening on" in line:
            return int(line.split(b"127.0.0.1:")[1].split(b"/")[0])
    raise AssertionError("Chromium ended before it could be steered")
