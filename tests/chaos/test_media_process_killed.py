"""kill -9 in the middle of a call: no acknowledged event is lost, the call gets its end, the recording is saved."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

from domain.call.events import ArtifactStored, CallEnded, MessageCommitted, UsageMetered
from media.call.reaper import WORKER_DIED
from tests.unit.media.call.rig import media_rig

_CHILD = """
import asyncio, json, sys
from pathlib import Path
from media.audio.recording import Recording
from tests.unit.media.call.rig import InMemorySocket, media_rig
from tests.unit.media.call.test_calls import assistant, providers

async def main(root):
    loop, written, write = asyncio.get_running_loop(), asyncio.Event(), Recording.write

    def write_and_tell(self, data):
        write(self, data)
        if data:
            loop.call_soon_threadsafe(written.set)

    Recording.write = write_and_tell
    async with media_rig(root, providers(ms_per_character=20.0)) as rig:
        call_id = await rig.create(assistant(firstMessage="Hello."))
        socket = InMemorySocket()
        serving = asyncio.create_task(rig.tier.serve(call_id, socket))
        await socket.until_message(60, type="transcript", role="assistant")
        socket.control(type="say", content="A very long announcement, " * 40)
        async for _ in rig.log.follow(type(rig.head())(0, 0), frozenset({"call.message_committed"})):
            break
        await written.wait()
        print(json.dumps({"call": call_id, "types": rig.types(call_id)}), flush=True)
        await serving

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_a_killed_process_leaves_an_ended_call_and_a_playable_recording(tmp_path: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _CHILD, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    async with asyncio.timeout(120):
        seen: dict[str, Any] = json.loads(await child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    await child.wait()

    async with media_rig(tmp_path, reap_every_s=0.05) as rig:
        async with asyncio.timeout(60):
            async for batch in rig.log.follow(type(rig.head())(0, 0), frozenset({"call.artifact_stored"})):
                stored = [item.recorded.event for item in batch]
                if any(isinstance(event, ArtifactStored) and event.track == "assistant" for event in stored):
                    break
        events = rig.events(seen["call"])
        assert [event.TYPE for event in events][: len(seen["types"])] == seen["types"]
        assert [event.reason for event in events if isinstance(event, CallEnded)] == [WORKER_DIED]
        assert "Hello." in [event.text for event in events if isinstance(event, MessageCommitted)]
        (transport,) = [event for event in events if isinstance(event, UsageMetered) and event.meter == "transport"]
        assert transport.quantities["minutes"] > 0
        tracks = {event.track: event for event in events if isinstance(event, ArtifactStored)}
        assert set(tracks) == {"stereo", "mono", "customer", "assistant"}
        assert (tracks["stereo"].duration_ms or 0) > 0
