"""How long a client is acknowledged nothing after the broker that leads its partition was killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from infra.kafka.cluster import DevCluster
from streams.kafka.location import KafkaLocation
from tests.chaos.kafka_drills import leader_of

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
