"""Dead letters on a topic: what one process parks, drops or settles is so for all, and retries find who can do them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from domain.aggregate import Refused
from domain.log.position import Position
from domain.processing import DeadLetter
from infra.kafka.cluster import DevCluster
from infra.upkeep import HeldOnTopic, Upkeep
from streams.faust.dead_topic import DeadTopic, RetryRequest
from streams.kafka.location import KafkaLocation
from streams.kafka.topics import prepare
from tests.brokers import fresh_topic
from tests.contracts.kafka_nodes import on_broker


@pytest.fixture
def location(kafka_broker: DevCluster) -> KafkaLocation:
    place = on_broker(kafka_broker.bootstrap)
    prepare(place, replication=1)
    return place


@contextmanager
def processes(location: KafkaLocation, number: int) -> Iterator[list[DeadTopic]]:
    with ExitStack() as open_:
        opened = []
        for _ in range(number):
            opened.append(DeadTopic.open(location, writer=fresh_topic("writer")))
            open_.callback(opened[-1].close)
        yield opened


def letter(ordinal: int, originator_id: str = "call-1") -> DeadLetter:
    return DeadLetter(
        processor="names",
        originator_id=originator_id,
        position=Position(0, ordinal),
        reason=f"because of {ordinal}",
        attempt=1,
    )


def test_what_one_process_decides_holds_for_all_and_for_those_to_come(location: KafkaLocation) -> None:
    with processes(location, 2) as (one, two):
        one.park([letter(3), letter(4), letter(7), letter(5, "call-2")])
        one.park([letter(3)])
        two.catch_up()
        assert [kept.position.ordinal for kept in two.list()] == [3, 4, 5, 7]
        assert two.blocks("names", "call-1", Position(0, 9))
        two.drop("names", Position(0, 3))
        one.catch_up()
        # The order of decisions of different processes does not matter: what is dropped stays dropped.
        one.settle(letter(4))
        assert one.fail_again(letter(7), "still").attempt == 2
        two.catch_up()
        for process in (one, two):
            assert [(kept.position.ordinal, kept.attempt) for kept in process.list()] == [(5, 1), (7, 2)]
            assert process.is_dropped("names", Position(0, 3))
            assert not process.blocks("names", "call-1", Position(0, 4))
    with processes(location, 1) as (later,):
        assert [(kept.position.ordinal, kept.reason) for kept in later.list()] == [(5, "because of 5"), (7, "still")]
        assert later.dropped == {("names", 0, 3)}


async def test_a_retry_is_done_by_whoever_works_on_the_shard(location: KafkaLocation) -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    with processes(location, 1) as (operator,):

        def changed() -> None:
            loop.call_soon_threadsafe(asked.set)

        worker = await asyncio.to_thread(DeadTopic.open, location, writer="worker", changed=changed)
        try:
            worker.park([letter(3), letter(4)])
            operator.catch_up()
            upkeep = Upkeep(None, [HeldOnTopic(operator, lambda: fresh_topic("request"), frozenset({"names"}))])
            assert [shown["position"] for shown in await upkeep.dead_letters()] == ["0:3", "0:4"]
            retrying = asyncio.create_task(upkeep.retry_dead_letters("names", "call-1"))
            await asyncio.wait_for(asked.wait(), 60)
            (request,) = worker.requests()
            worker.settle(letter(3))
            worker.fail_again(letter(4), "still")
            worker.retried(request)
            assert await retrying == {"processed": 1, "waiting": 1}
            assert await upkeep.drop_dead_letters("names", "call-1") == {"dropped": 1}
            assert await upkeep.dead_letters() == []
            with pytest.raises(Refused, match="No event is parked"):
                await upkeep.retry_dead_letters("weather", "call-1")
        finally:
            worker.close()


def test_a_request_that_nobody_could_carry_out_waits_for_who_comes(location: KafkaLocation) -> None:
    request = RetryRequest("names", "call-1", "request-1")
    with processes(location, 1) as (operator,):
        operator.ask_retry(request)
        assert not operator.wait_retried(request, 0.0)
        with processes(location, 1) as (worker,):
            assert worker.requests() == [request]
            worker.retried(request)
        assert operator.wait_retried(request, 60)
