"""The logs are away while a call goes on: nothing is lost or out of order, also when the process is killed."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from domain.call.events import CallEnded, MessageCommitted, UsageMetered
from domain.fragments import Fragment, FragmentBatch, FragmentLog
from domain.log.ports import LogUnavailable
from domain.log.position import Position
from media.call.reaper import WORKER_DIED
from media.call.spool_file import SpoolFile
from media.call.spool_records import decode_batch, decode_commit
from streams.log.embedded import EmbeddedLog
from streams.media_log.embedded import EmbeddedFragmentLog
from tests.unit.media.call.rig import Rig, media_rig
from tests.unit.media.call.test_calls import Caller, dial, of, providers, texts


@dataclass
class Broker:
    """Both logs behind one switch: while it is away they refuse, or do not answer."""

    silent: bool = False
    back: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.back.set()

    def commands(self, log: EmbeddedLog) -> Any:
        return _Commands(log, self)

    def fragments(self, log: EmbeddedFragmentLog) -> FragmentLog:
        return _Fragments(log, self)

    async def check(self) -> None:
        if self.silent:
            await self.back.wait()
        elif not self.back.is_set():
            raise LogUnavailable("no broker answers")


@dataclass
class _Commands:
    log: EmbeddedLog
    broker: Broker

    async def execute(self, *arguments: Any, **more: Any) -> Any:
        await self.broker.check()
        return await self.log.execute(*arguments, **more)

    async def record(self, *arguments: Any, **more: Any) -> Any:
        await self.broker.check()
        return await self.log.record(*arguments, **more)


@dataclass
class _Fragments:
    log: EmbeddedFragmentLog
    broker: Broker

    def append(self, batches: Sequence[FragmentBatch]) -> None:
        if not self.broker.back.is_set():
            raise LogUnavailable("no broker answers")
        self.log.append(batches)

    def read(self, call_id: str, *, source: str | None = None, types: Iterable[str] = ()) -> list[Fragment]:
        return self.log.read(call_id, source=source, types=types)


HEARD = ("one", "two", "three", "four")
SECONDS = 60.0
"""Long, for busy machines."""


async def converse(caller: Caller, first: int, last: int) -> None:
    """One exchange after the other; the greeting is the assistant's speech number one."""
    for number in range(first, last + 1):
        await caller.speak()
        await caller.until_said(number + 1, SECONDS)


async def until_recorded(rig: Rig, call_id: str, text: str) -> None:
    """An answer can be heard before the log has the words that it answers."""
    async with asyncio.timeout(SECONDS):
        async for _ in rig.log.follow(Position(0, 0), frozenset({MessageCommitted.TYPE})):
            if text in texts(rig.events(call_id), "user"):
                break


@pytest.mark.parametrize("silent", [False, True])
async def test_a_call_goes_on_while_the_logs_are_away_and_its_history_is_whole_when_they_are_back(
    tmp_path: Path, silent: bool
) -> None:
    broker = Broker(silent=silent)
    async with media_rig(
        tmp_path,
        providers(*HEARD),
        commands=broker.commands,
        fragment_log=broker.fragments,
        log_retry_s=0.02,
        log_patience_s=0.05,
    ) as rig:
        caller = await dial(rig)
        await caller.until_said(1, SECONDS)
        await converse(caller, 1, 1)
        await until_recorded(rig, caller.call_id, "one")
        broker.back.clear()
        await converse(caller, 2, 3)
        async with asyncio.timeout(SECONDS):
            while not rig.tier.trouble:  # noqa: ASYNC110 - as an orchestrator asks
                await asyncio.sleep(0.01)
        assert texts(rig.events(caller.call_id), "user") == ["one"]
        broker.back.set()
        await converse(caller, 4, 4)
        events = await caller.hang_up()
        assert not rig.tier.trouble
        assert texts(events, "user") == list(HEARD)
        assert texts(events, "assistant") == ["Hello.", *["Very well."] * len(HEARD)]
        assert [event.TYPE for event in events].count("call.ended") == 1
        recorded = [positioned.recorded for positioned in rig.log.history(caller.call_id)]
        assert len({one.id for one in recorded}) == len(recorded)
        ended = [event.TYPE for event in events].index("call.ended")
        assert [one.time for one in recorded[:ended]] == sorted(one.time for one in recorded[:ended])
        numbers = [fragment.seq for fragment in rig.fragments.read(caller.call_id)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert rig.fragments.dropped(caller.call_id) == 0


_CHILD = """
import asyncio, json, sys
from pathlib import Path
from media.call.event_spool import EventSpool
from tests.chaos.test_log_away import HEARD, SECONDS, Broker, converse, until_recorded
from tests.unit.media.call.rig import media_rig
from tests.unit.media.call.test_calls import dial, providers

async def main(root):
    broker, kept, keep = Broker(), asyncio.Condition(), EventSpool.keep
    texts = []

    async def keep_and_tell(self, waiting):
        await keep(self, waiting)
        async with kept:
            texts.extend(event.text for _, _, facts in waiting for event, _ in facts if hasattr(event, "text"))
            kept.notify_all()

    EventSpool.keep = keep_and_tell
    async with media_rig(
        root, providers(*HEARD), commands=broker.commands, fragment_log=broker.fragments, log_retry_s=0.02
    ) as rig:
        caller = await dial(rig)
        await caller.until_said(1, SECONDS)
        await converse(caller, 1, 1)
        await until_recorded(rig, caller.call_id, "one")
        broker.back.clear()
        await converse(caller, 2, 3)
        async with kept:
            await kept.wait_for(lambda: texts[-2:] == ["three", "Very well."])
        print(json.dumps({"call": caller.call_id, "types": rig.types(caller.call_id)}), flush=True)
        await caller.serving

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_what_a_killed_process_had_on_disk_reaches_the_logs_before_the_end_of_its_call(tmp_path: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _CHILD, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    async with asyncio.timeout(2 * SECONDS):
        seen: dict[str, Any] = json.loads(await child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    await child.wait()
    call_id = seen["call"]
    spooled, numbers = await asyncio.to_thread(_left_behind, tmp_path / "live" / "spool")
    said = [event.text for event in of(spooled, MessageCommitted)]
    assert said[-4:] == ["two", "Very well.", "three", "Very well."]
    assert numbers

    async with media_rig(tmp_path, reap_every_s=0.05) as rig:
        async with asyncio.timeout(SECONDS):
            async for batch in rig.log.follow(Position(0, 0), frozenset({"call.ended"})):
                if any(item.recorded.originator_id == call_id for item in batch):
                    break
        events = rig.events(call_id)
        before = len(seen["types"])
        assert events[before : before + len(spooled)] == spooled
        assert [event.reason for event in of(events, CallEnded)] == [WORKER_DIED]
        added = events[before + len(spooled) :]
        assert {type(event) for event in added[:-1]} == {UsageMetered}
        assert isinstance(added[-1], CallEnded)
        fragments = [fragment.seq for fragment in rig.fragments.read(call_id)]
        assert fragments == list(range(1, len(fragments) + 1))
        assert fragments[-1] == numbers[-1]


def _left_behind(folder: Path) -> tuple[list[Any], list[int]]:
    """The events and the numbers of the fragments that stand in the spools of the folder, in order."""
    events: list[Any] = []
    numbers: list[int] = []
    for path in sorted(folder.iterdir()):
        spool = SpoolFile(path)
        for record in spool.waiting():
            if path.name.endswith(".events.spool"):
                events.extend(event for event, _ in decode_commit(record).facts)
            else:
                numbers.extend(fragment.seq for fragment in decode_batch(record).fragments)
        spool.close()
    return events, numbers
