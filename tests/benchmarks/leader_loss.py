"""How long a client is acknowledged nothing after the broker that leads its partition was killed, beside kafka-python.

python -m tests.benchmarks.leader_loss            # five leaders each, on three brokers of this machine: two minutes
python -m tests.benchmarks.leader_loss --kills 9
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import count, pairwise
from pathlib import Path
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from domain.log.envelope import to_record
from domain.log.ports import OutcomeUnknown
from infra.kafka.cluster import DevCluster
from streams.kafka.clients import Producer, producer
from streams.kafka.location import KafkaLocation
from tests.benchmarks.call_events import message
from tests.benchmarks.kafka_log import CREATED, Bench, commit, now
from tests.brokers import real_cluster
from tests.chaos.kafka_drills import leader_of

BROKERS = 3
SILENCE_SECONDS = 60.0
"""After so long nobody is believed to come back."""

WARM_UP = 20
"""Acknowledgements before the leader is killed, and after somebody else leads."""


def silence(cluster: DevCluster, location: KafkaLocation, append: Callable[[], None]) -> float:
    """Seconds without an acknowledgement when the leader is killed in the middle of appends one after the other."""
    acknowledged: list[float] = []
    grown, ended = threading.Condition(), threading.Event()

    def work() -> None:
        while not ended.is_set():
            append()
            with grown:
                acknowledged.append(time.monotonic())
                grown.notify_all()

    def await_more(count: int) -> None:
        with grown:
            wanted = len(acknowledged) + count
            if not grown.wait_for(lambda: len(acknowledged) >= wanted, SILENCE_SECONDS):
                raise TimeoutError(f"nobody was acknowledged anything for {SILENCE_SECONDS:.0f} s")

    with ThreadPoolExecutor(1) as writing:
        working = writing.submit(work)
        try:
            await_more(WARM_UP)
            leader = leader_of(location)
            cluster.kill(leader)
            killed = time.monotonic()
            await_more(WARM_UP)
        finally:
            ended.set()
        working.result()
    cluster.restart(leader)
    return max(after - before for before, after in pairwise(acknowledged) if after > killed)


def of_callfold(bench: Bench, cluster: DevCluster, kills: int) -> Sequence[float]:
    """Commits one after the other, each sent again under its id until it is settled."""
    location, call_id, numbers = bench.location(), str(uuid4()), count()
    with closing(bench.open(location)) as log:
        asyncio.run(log.record(call_id, [CREATED], [now()]))

        def commit_one() -> None:
            commit_id, event, time = str(uuid4()), message(next(numbers)), now()
            while True:
                with suppress(OutcomeUnknown):
                    asyncio.run(log.record(call_id, [event], [time], commit_id=commit_id))
                    return

        return [silence(cluster, location, commit_one) for _ in range(kills)]


def of_kafka_python(bench: Bench, cluster: DevCluster, kills: int) -> Sequence[float]:
    """The same bytes, through a producer that is made anew for each leader."""
    record, location = to_record(commit(str(uuid4()), 1, [message(0)])), bench.location()
    seconds = []
    for _ in range(kills):
        with closing(producer(location)) as sending:

            def send_one(sending: Producer = sending) -> None:
                sending.send(location.topic("log"), record.value, b"call", list(record.headers), 0).get(timeout=60)

            seconds.append(silence(cluster, location, send_one))
    return seconds


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--kills", type=int, default=5, help="leaders killed for each (default 5)")
    kills = arguments.parse_args().kills
    table = Table(title=f"silence after a leader was killed, {BROKERS} brokers, {kills} times each")
    for heading in ("", "median s", "longest s", "each"):
        table.add_column(heading, justify="right" if heading.endswith(" s") else "left")
    with tempfile.TemporaryDirectory() as root, real_cluster(Path(root) / "cluster", brokers=BROKERS) as cluster:
        bench = Bench(cluster.bootstrap, BROKERS, Path(root))
        for name, way in (("callfold on Kafka", of_callfold), ("kafka-python alone", of_kafka_python)):
            seconds = way(bench, cluster, kills)
            each = " ".join(f"{one:.1f}" for one in seconds)
            table.add_row(name, f"{statistics.median(seconds):.1f}", f"{max(seconds):.1f}", each)
    Console().print(table)


if __name__ == "__main__":
    main()
