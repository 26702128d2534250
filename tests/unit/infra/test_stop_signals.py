"""What ends a process, and what does not."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from infra.stop_signals import stop_signals
from tests.patience import PATIENCE_S


@pytest.fixture(autouse=True)
def hang_ups_count() -> Iterator[None]:
    """As in a terminal; the tests themselves may have been started with ``nohup``."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_each_of_them_stops(number: signal.Signals) -> None:
    with stop_signals() as stop:
        os.kill(os.getpid(), number)
        async with asyncio.timeout(PATIENCE_S):
            await stop.wait()


async def test_a_terminal_that_is_closed_hangs_up_more_than_once_and_forces_nothing() -> None:
    with stop_signals() as stop:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGHUP)
            async with asyncio.timeout(PATIENCE_S):
                await stop.wait()
        told = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, told.set)
        os.kill(os.getpid(), signal.SIGUSR1)
        async with asyncio.timeout(PATIENCE_S):
            await told.wait()  # whatever was sent before has been handled
        asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)
    assert stop.is_set()


async def test_one_that_was_started_to_outlive_its_terminal_does() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stop_signals():
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
