"""Speech workers that live as long as the test session's loop: starting them takes most of a second."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from media.providers.local import recogniser, voice, worker
from media.providers.local.caller import SyntheticCaller
from media.providers.local.worker import WorkerProcess
from tests.patience import PATIENCE_S


@pytest.fixture(autouse=True)
def _time_to_answer() -> Iterator[None]:
    """On a busy machine a worker that is only slow is not to be replaced. Tests of one that hangs have their own times,
    which they take back."""
    with pytest.MonkeyPatch.context() as patient:
        patient.setattr(worker, "OPEN_TIMEOUT_S", PATIENCE_S)
        patient.setattr(voice, "ANSWER_TIMEOUT_S", PATIENCE_S)
        patient.setattr(recogniser, "FINAL_TIMEOUT_S", PATIENCE_S)
        yield


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
