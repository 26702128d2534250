"""Reaching a cluster of which any broker may be dead or, worse, frozen: it takes connections and never says a word.

kafka-python asks one bootstrap address at random and waits for it as long as it waits at all; it waits for a whole
request time-out wherever it picks a frozen broker later. So brokers are asked one after the other here, each for a
short time, and every wait that a client does is shorter than what a cluster takes to count a broker as lost.
"""

from __future__ import annotations

import random
import socket
import ssl
import time
from itertools import cycle
from typing import Any

from kafka import KafkaProducer
from kafka.errors import (
    AuthorizationError,
    KafkaConfigurationError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    SaslAuthenticationFailedError,
    UnsupportedSaslMechanismError,
)
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

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

METADATA_MS = 25
"""What lies between two requests for metadata at least. The library leaves 100 ms, and every client begins with two:
for the cluster, and for the topic that it is about."""

SLOW_STEP_SECONDS = 1.0
"""From when on a step of a client's own loop is logged as slow. A busy machine logs hundreds with the library's 0.1."""

REFUSALS = (AuthorizationError, SaslAuthenticationFailedError, UnsupportedSaslMechanismError)
"""What a broker answers to whom it does not let in."""


def common(location: KafkaLocation) -> dict[str, Any]:
    """What every client is told."""
    return {
        "client_id": "callfold",
        "api_version": location.protocol,
        "reconnect_backoff_max_ms": 1_000,
        "allow_auto_create_topics": False,
        "kafka_client": _network,
        **location.access.options(),
    }


def _network(**options: Any) -> KafkaNetClient:
    """The clients' own settings have no word for how long a handshake may take, but what they are built on has."""
    told = {
        **options,
        "socket_connection_setup_timeout_ms": HANDSHAKE_MS,
        "socket_connection_setup_timeout_max_ms": LONGEST_HANDSHAKE_MS,
        "slow_task_threshold_secs": SLOW_STEP_SECONDS,
    }
    network = NetworkSelector(**told)
    connections = _Connections(network, **told)
    connections.cluster.config["retry_backoff_ms"] = METADATA_MS
    return KafkaNetClient(net=network, manager=connections, **told)


class _Connections(KafkaConnectionManager):  # type: ignore[misc]  # kafka-python has no types
    """Ends a first contact with the refusal of a user name or password, which the library would retry in silence."""

    _cut_short = 0
    _refusal: Exception | None = None

    def get_connection(self, node_id: Any, **options: Any) -> Any:
        """As the library's."""
        connection = super().get_connection(node_id, **options)
        if self.cluster.is_bootstrap(node_id):
            connection.init_future.add_errback(lambda problem: self._note(connection, problem))
        return connection

    def maybe_raise_auth_failure(self, node_id: Any) -> None:
        """Whether the next attempt is of no use. The library's own note of it does not outlive the first."""
        if self._refusal is not None and self.cluster.is_bootstrap(node_id):
            raise self._refusal
        super().maybe_raise_auth_failure(node_id)

    def _note(self, connection: Any, problem: Exception) -> None:
        # Over TLS the answer is lost where the broker hangs up right behind it; once may be a broker that ends.
        if connection.sasl_enabled and connection.broker_version and type(problem) is KafkaConnectionError:
            self._cut_short += 1
        if self._cut_short > 1:
            problem = SaslAuthenticationFailedError("the broker hangs up")
        if isinstance(problem, REFUSALS):
            self._refusal = problem


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
        others = len(addresses) > 1 or location.access.encrypted
        patience_ms = min(left_ms, FIRST_ANSWER_MS) if others else left_ms
        try:
            return _made(kind, bootstrap_servers=[address], bootstrap_timeout_ms=patience_ms, **options)
        except KafkaTimeoutError as problem:
            _check_certificate(location, address)
            if time.monotonic() >= deadline:
                raise _other_tls(location) or unreachable(location, problem) from problem
        except KafkaConfigurationError:
            raise
        except REFUSALS as problem:
            raise _refused(location, problem) from problem
        except KafkaError as problem:
            raise unreachable(location, problem) from problem
    raise AssertionError("a location names at least one address")


def unreachable(location: KafkaLocation, problem: Exception) -> UnfitCluster:
    """No broker answers: the address is wrong, or nothing runs there."""
    return UnfitCluster(
        f"no Kafka broker answers at {location.servers} ({problem or type(problem).__name__}); "
        "correct the addresses in CALLFOLD_LOG, or start the cluster; its listeners have to speak "
        f"CALLFOLD_KAFKA_SECURITY={location.access.security}"
    )


def _refused(location: KafkaLocation, problem: Exception) -> UnfitCluster:
    access = location.access
    return UnfitCluster(
        f"Kafka at {location.servers} does not let user {access.username!r} in by {access.mechanism} ({problem}); "
        "correct CALLFOLD_KAFKA_USERNAME, CALLFOLD_KAFKA_PASSWORD and CALLFOLD_KAFKA_SASL"
    )


def _check_certificate(location: KafkaLocation, address: str) -> None:
    """Raises ``UnfitCluster`` where the broker's is not believed: the library would go on trying in silence."""
    problem = _tls_problem(location, address)
    if isinstance(problem, ssl.SSLCertVerificationError):
        raise UnfitCluster(
            f"the certificate of Kafka at {address} is not believed ({problem.verify_message}); name the authority "
            "that signed it with CALLFOLD_KAFKA_CA_FILE, and the broker as its certificate does in CALLFOLD_LOG"
        ) from problem


def _other_tls(location: KafkaLocation) -> UnfitCluster | None:
    """What is wrong with the TLS of brokers that do not answer, if that is what is wrong."""
    for address in location.bootstrap:
        problem = _tls_problem(location, address)
        if problem is not None:
            return UnfitCluster(
                f"Kafka at {address} does not speak TLS with this client ({problem.reason}); check that its listener "
                "is one for TLS, and whether it asks for a certificate (CALLFOLD_KAFKA_CERT_FILE)"
            )
    return None


def _tls_problem(location: KafkaLocation, address: str) -> ssl.SSLError | None:
    """Why no TLS can be spoken there, if so. Whoever does not answer at all has another problem."""
    if not location.access.encrypted:
        return None
    host, _, port = address.rpartition(":")
    name = host.strip("[]")
    try:
        with (
            socket.create_connection((name, int(port)), timeout=HANDSHAKE_MS / 1000) as connection,
            location.access.tls().wrap_socket(connection, server_hostname=name),
        ):
            return None
    except ssl.SSLError as problem:
        return problem
    except OSError:
        return None


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
