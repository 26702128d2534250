"""A Faust application set so that it is quiet and safe: no web server, no topics of its own, no files but in a folder.

It runs inside a process of ours, which owns logging, signals and the loop; Faust's own worker is not used.
"""

from __future__ import annotations

from pathlib import Path

import faust

from streams.kafka.access import KafkaAccess
from streams.kafka.clients import MAX_RECORD_BYTES
from streams.kafka.location import KafkaLocation

SESSION_SECONDS = 15.0
"""How long a process may be silent before its shards go to others. Faust's own default is a minute."""

HEARTBEAT_SECONDS = 3.0

REBALANCE_SECONDS = 30.0
"""How long the others wait for a process to give up its shards: for the batch in hand to be written."""

MOST_SECONDS_WITHOUT_FETCHING = 86_400.0
"""A process that fetches nothing for so long loses its shards. It does so while a sink is away; who does not live any
more is told by the heartbeats."""

YEARS_SECONDS = 10 * 365 * 86_400.0
"""Before Faust's own watch calls a stream stuck. It takes the partitions of changelogs, which are read only until their
tables are there, for streams that never begin, and would say so of each every few seconds; how far a pipeline is behind
is told by its lag."""

COMMIT_SECONDS = 1.0
"""How often offsets are committed. What comes again after a crash is found to be done, so that this may be seldom."""


def quiet_app(location: KafkaLocation, name: str, folder: Path) -> faust.App:
    """An application whose consumer group is ``prefix.name``. ``folder`` is for what Faust wants to keep on disk."""
    return faust.App(
        location.topic(name),
        broker=[f"kafka://{address}" for address in location.bootstrap],
        broker_credentials=_credentials(location.access),
        datadir=str(folder),
        store="memory://",
        web_enabled=False,
        autodiscover=False,
        # Topics are made and checked by streams.kafka.topics; the leader topic is Faust's own and of no use here.
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=1,
        broker_session_timeout=SESSION_SECONDS,
        broker_heartbeat_interval=HEARTBEAT_SECONDS,
        broker_rebalance_timeout=REBALANCE_SECONDS,
        broker_commit_interval=COMMIT_SECONDS,
        broker_max_poll_interval=MOST_SECONDS_WITHOUT_FETCHING,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=MAX_RECORD_BYTES,
        producer_acks=-1,
        producer_compression_type="zstd",
        producer_max_request_size=MAX_RECORD_BYTES,
        # What was delivered and is not done is not waited for when shards move: it is delivered again where they go.
        stream_wait_empty=False,
        stream_processing_timeout=YEARS_SECONDS,
        # It counts from the start of the process, not of its turn with a partition: who takes one over would be blamed.
        broker_commit_livelock_soft_timeout=YEARS_SECONDS,
        table_standby_replicas=0,
        table_cleanup_interval=3600.0,
        logging_config=None,
        loghandlers=[],
        worker_redirect_stdouts=False,
    )


def _credentials(access: KafkaAccess) -> faust.SSLCredentials | faust.SASLCredentials | None:
    """The same TLS and SASL as everywhere else, in Faust's words."""
    context = access.tls() if access.encrypted else None
    if access.username:
        return faust.SASLCredentials(
            username=access.username, password=access.password, ssl_context=context, mechanism=access.mechanism
        )
    return None if context is None else faust.SSLCredentials(context)
