"""Speech workers that live as long as the test session's loop: starting them takes most of a second."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from media.providers.local.caller import SyntheticCaller
from media.providers.local.worker import WorkerProcess


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def recogniser_worker() -> AsyncIterator[WorkerProcess]:
    worker = WorkerProcess("media.providers.local.recogniser_worker", "vapi", "transcriber")
    await worker.start()
    yield worker
    await worker.close()


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def voice_worker() -> AsyncIterator[WorkerProcess]:
    worker = WorkerProcess("media.providers.local.voice_worker", "vapi", "voice")
    await worker.start()
    yield worker
    await worker.close()


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def caller() -> AsyncIterator[SyntheticCaller]:
    async with SyntheticCaller() as synthetic:
        yield synthetic
