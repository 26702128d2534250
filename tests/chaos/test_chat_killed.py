"""kill -9 while chats are answered: each is there whole, with its place in its session, or not at all."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from pathlib import Path

import pytest

from domain.chat.state import Completed
from domain.configuration.commands import CreateConfiguration
from domain.session.aggregate import SESSION
from domain.session.state import ActiveSession
from infra.identifiers import now, random_id
from streams.log.embedded import EmbeddedLog


async def killed_after(folder: Path, session_id: str, recorded: int) -> list[str]:
    """Chats that the process had told of when it was killed."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.chaos.chat_process", str(folder), session_id), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    try:
        async with asyncio.timeout(180):
            told = [(await child.stdout.readline()).decode().strip() for _ in range(recorded)]
    finally:
        child.send_signal(signal.SIGKILL)
    told += (await child.stdout.read()).decode().split()
    await child.wait()
    return told


async def drill(folder: Path, kills: int) -> None:
    log = EmbeddedLog.open(folder / "log.db", clock=now, new_id=random_id)
    session_id, chance, acknowledged = random_id(), random.Random(7), set[str]()
    config = {"assistant": {"model": {"provider": "vapi"}}}
    await log.execute(SESSION, session_id, CreateConfiguration(org_id="org", config=config))
    for _ in range(kills):
        acknowledged |= set(await killed_after(folder, session_id, chance.randint(1, 20)))
    chats = {document.id: document.state for document in log.list("chat", limit=100_000)}
    session = log.get("session", session_id)
    assert session is not None
    assert isinstance(session.state, ActiveSession)
    joined = [conversation.id for conversation in session.state.conversations]
    log.close()
    assert acknowledged <= chats.keys()
    assert len(joined) == len(set(joined))
    assert set(joined) == chats.keys()
    assert all(isinstance(chat, Completed) and chat.entries and chat.usage for chat in chats.values())


async def test_killed_processes_leave_whole_chats_only(tmp_path: Path) -> None:
    await drill(tmp_path, kills=2)


@pytest.mark.long
@pytest.mark.timeout(1800)  # fifty processes are started, each of which takes ten seconds on a busy machine
async def test_many_killed_processes_leave_whole_chats_only(tmp_path: Path) -> None:
    await drill(tmp_path, kills=50)
