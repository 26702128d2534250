"""A process that answers chats in one session, eight at a time, until somebody kills it.

``python -m tests.chaos.chat_process FOLDER SESSION_ID`` writes the id of each chat to its output once it is recorded.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from domain.chats import ChatOrder
from infra.identifiers import now, random_id
from streams.log.embedded import EmbeddedLog
from tests.unit.api.chatting import chatting

AT_ONCE = 8


async def main(folder: Path, session_id: str) -> None:
    log = EmbeddedLog.open(folder / "log.db", clock=now, new_id=random_id)
    tier = chatting(log, now)

    async def talk() -> None:
        while True:
            order = ChatOrder(
                chat_id=random_id(),
                org_id="org",
                request={"input": "hello", "sessionId": session_id},
                input=({"role": "user", "content": "hello"},),
                session_id=session_id,
            )
            over = await (await tier.hold(order)).over()
            print(over.chat.identity.id, flush=True)

    async with asyncio.TaskGroup() as talkers:
        for _ in range(AT_ONCE):
            talkers.create_task(talk())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
