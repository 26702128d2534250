"""Reaching a cluster of which any broker may be dead or, worse, frozen: it takes connections and never says a word.

kafka-python asks one bootstrap address at random and waits for it as long as it waits at all; it waits for a whole
request time-out wherever it picks a frozen broker later. So brokers are asked one after the other here, each for a
short time, and every wait that a client does is shorter than what a cluster takes to count a broker as lost.
"""

from __future__ import annotations

import random
import time
from itertools import cycle
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaConfigurationError, KafkaError, KafkaTimeoutError
from kafka.net.compat import KafkaNetClient

from streams.kafka.location import KafkaLocation
from streams.kafka.unfit import UnfitCluster

CONNECT_MS = 10_000
"""How long a cluster may take for a first answer, whichever of its brokers gives it."""

FIRST_ANSWER_MS = 2_500
"""How long one of several bootstrap addresses may take for it before the next is asked."""

HANDSHAKE_MS = 2_000
LONGEST_HANDSHAKE_MS = 4_000
"""How long a broker may take to accept a connection, at first and after failures. A frozen one never does."""

REQUEST_MS = 3_000
"""How long a broker may leave a request of the log's unanswered before its connection is given up, and the request
made again, where the partition is led by then. Clusters count a silent broker as lost after 9 s, unless they are told
otherwise (``broker.session.timeout.ms``): by then every client must have let go of it."""


def common(location: KafkaLocation) -> dict[str, Any]:
    """What every client is told."""
    return {
        "client_id": "callfold",
        "api_version": location.protocol,
        "reconnect_backoff_max_ms": 1_000,
        "allow_auto_create_topics": False,
        "kafka_client": _network,
    }


def _network(**options: Any) -> KafkaNetClient:
    """The clients' own settings have no word for how long a handshake may take, but what they are built on has."""
    return KafkaNetClient(
        **options,
        socket_connection_setup_timeout_ms=HANDSHAKE_MS,
        socket_connection_setup_timeout_max_ms=LONGEST_HANDSHAKE_MS,
    )


def reached(location: KafkaLocation, kind: Any, **options: Any) -> Any:
    """A client of this ``kind`` that has found its cluster: the bootstrap addresses are asked in an order by chance,
    again and again for ``CONNECT_MS``. Raises ``UnfitCluster`` where none answers.
    """
    addresses = random.SystemRandom().sample(location.bootstrap, len(location.bootstrap))
    if location.protocol is not None:
        # A client that was told the protocol makes no first contact at all.
        return _made(kind, bootstrap_servers=addresses, **options)
    deadline = time.monotonic() + CONNECT_MS / 1000
    for address in cycle(addresses):
        left_ms = max(round((deadline - time.monotonic()) * 1000), 1)
        patience_ms = left_ms if len(addresses) == 1 else min(left_ms, FIRST_ANSWER_MS)
        try:
            return _made(kind, bootstrap_servers=[address], bootstrap_timeout_ms=patience_ms, **options)
        except KafkaTimeoutError as problem:
            if time.monotonic() >= deadline:
                raise unreachable(location, problem) from problem
        except KafkaConfigurationError:
            raise
        except KafkaError as problem:
            raise unreachable(location, problem) from problem
    raise AssertionError("a location names at least one address")


def unreachable(location: KafkaLocation, problem: Exception) -> UnfitCluster:
    """No broker answers: the address is wrong, or nothing runs there."""
    return UnfitCluster(
        f"no Kafka broker answers at {location.servers} ({problem or type(problem).__name__}); "
        "correct the addresses in CALLFOLD_LOG, or start the cluster"
    )


class EndingProducer(KafkaProducer):  # type: ignore[misc]  # kafka-python has no types
    """``KafkaProducer`` whose closing ends it, also when records are without an outcome.

    The library's flushes first, raises there, and leaves its thread and its connections behind for good.
    """

    _ending = False

    def flush(self, timeout: float | None = None) -> None:
        """Wait until every record has its outcome. Raises ``KafkaTimeoutError``, but not while this is being closed."""
        try:
            super().flush(timeout=timeout)
        except KafkaTimeoutError:
            if not self._ending:
                raise

    def close(self, timeout: float | None = None, null_logger: bool = False) -> None:
        """Wait for outcomes, ``timeout`` seconds at most; what has none by then is given up."""
        self._ending = True
        super().close(timeout=timeout, null_logger=null_logger)


def _made(kind: Any, **options: Any) -> Any:
    """A client; one that fails to start leaves no thread behind, as the library's would."""
    client = kind.__new__(kind)
    try:
        client.__init__(**options)
    except BaseException:
        network = getattr(client, "_client", None)
        if network is not None:
            network.close()
        raise
    return client
