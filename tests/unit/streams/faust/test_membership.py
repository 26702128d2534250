"""A consumer group's member: what it takes from Faust while nothing gets done, and what it gives back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from domain.log.ports import LogUnavailable
from streams.faust import membership
from streams.faust.membership import Delivered, Membership
from tests.patience import PATIENCE_S


@dataclass
class Part:
    """Work on a partition that keeps what it is given."""

    records: list[Delivered] = field(default_factory=list)
    stopped: bool = False

    def start(self) -> None:
        """Begun."""

    def deliver(self, record: Delivered) -> None:
        self.records.append(record)

    async def stop(self) -> None:
        self.stopped = True


class Signal:
    """Of an app: whoever connects is called."""

    def __init__(self) -> None:
        self.receivers: list[Callable[..., Awaitable[None]]] = []

    def connect(self, receiver: Callable[..., Awaitable[None]], **_: Any) -> None:
        self.receivers.append(receiver)

    async def send(self, *partitions: int) -> None:
        for receiver in self.receivers:
            await receiver(None, [SimpleNamespace(topic="media", partition=number) for number in partitions])


class App:
    """As much of an application as a member touches; ``taken`` counts the records that its agent has asked for."""

    def __init__(self) -> None:
        self.on_partitions_assigned, self.on_partitions_revoked, self.on_rebalance_complete = (
            Signal(),
            Signal(),
            Signal(),
        )
        self.taken = 0
        self.taken_over = 0
        self.away = 0
        self._moved = asyncio.Condition()

    def topic(self, name: str, **_: Any) -> str:
        return name

    def agent(self, topic: str, **_: Any) -> Callable[[Any], None]:
        def register(agent: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
            self.run = agent

        return register

    def records(self, count: int, partition: int = 0) -> Any:
        return SimpleNamespace(noack=lambda: SimpleNamespace(events=lambda: self._events(count, partition)))

    async def taking_over(self) -> None:
        if self.away:
            self.away -= 1
            raise LogUnavailable("no broker answers")
        self.taken_over += 1

    async def until_taken(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S), self._moved:
            await self._moved.wait_for(lambda: self.taken >= count)

    async def _events(self, count: int, partition: int) -> AsyncIterator[Any]:
        for offset in range(count):
            async with self._moved:
                self.taken += 1
                self._moved.notify_all()
            message = SimpleNamespace(partition=partition, offset=offset)
            yield SimpleNamespace(message=message, value=b"", ack=lambda: None)


@pytest.fixture
def parts() -> dict[int, Part]:
    return {}


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
async def member(app: App, parts: dict[int, Part], monkeypatch: pytest.MonkeyPatch) -> Membership[Part]:
    monkeypatch.setattr(membership, "MOST_WAITING", 8)

    def begin(number: int) -> Part:
        parts[number] = Part()
        return parts[number]

    made: Membership[Part] = Membership(app, "media", "counts", begin, taking_over=app.taking_over)  # type: ignore[arg-type]  # as much as is used
    await app.on_partitions_assigned.send(0, 1)
    return made


async def test_no_more_is_taken_while_too_many_records_are_not_done(
    app: App, member: Membership[Part], parts: dict[int, Part]
) -> None:
    taking = asyncio.create_task(app.run(app.records(20)))
    await app.until_taken(8)
    for record in parts[0].records[:3]:
        record.acknowledge()
    await asyncio.sleep(0)
    assert (app.taken, len(parts[0].records)) == (8, 8)
    parts[0].records[3].acknowledge()
    await app.until_taken(12)
    for record in parts[0].records[4:12]:
        record.acknowledge()
    await app.until_taken(20)
    for record in parts[0].records[12:]:
        record.acknowledge()
    await taking
    assert [record.offset for record in parts[0].records] == list(range(20))
    assert member.acknowledged == 20


async def test_who_loses_a_partition_does_not_wait_for_it(
    app: App, member: Membership[Part], parts: dict[int, Part]
) -> None:
    taking = asyncio.create_task(app.run(app.records(20)))
    await app.until_taken(8)
    await app.on_partitions_revoked.send(0)
    await taking
    assert parts[0].stopped
    assert len(parts[0].records) == 8
    assert set(member.parts) == {1}


async def test_what_former_owners_left_is_learnt_once_for_all_partitions_however_long_it_takes(
    app: App, member: Membership[Part]
) -> None:
    await app.on_rebalance_complete.send()
    await member.taken_over()
    assert app.taken_over == 1
    app.away = 2
    await app.on_partitions_revoked.send(0, 1)
    await app.on_partitions_assigned.send(0, 1)
    begun = asyncio.create_task(member.taken_over())
    await asyncio.sleep(0)
    assert not begun.done(), "the tables are not there again yet"
    await app.on_rebalance_complete.send()
    async with asyncio.timeout(PATIENCE_S):
        await begun
        await asyncio.gather(member.taken_over(), member.taken_over())
    assert (app.away, app.taken_over) == (0, 2)
