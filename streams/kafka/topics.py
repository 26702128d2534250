"""Making the topics that are missing, and refusing to work on any that could lose what was acknowledged."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from streams.kafka.clients import admin, check_packages
from streams.kafka.connecting import unreachable
from streams.kafka.identity import LogIdentity, check_identity
from streams.kafka.location import KafkaLocation
from streams.kafka.rules import (
    LEAST_FREE_BYTES,
    LEAST_RETENTION,
    SAFE_REPLICATION,
    TopicFacts,
    TopicRules,
    check_brokers,
    check_disk,
    check_table,
    check_topic,
    check_version,
    least_insync,
    topic_rules,
)
from streams.kafka.unfit import UnfitCluster

_SETTLE_SECONDS = 10.0
"""How long brokers may take to hear of a topic that was made, or of a broker that was lost."""
_SETTLE_PAUSE_SECONDS = 0.05
_UNKNOWN_TOPIC = 3
_log = logging.getLogger(__name__)


class Prepared(msgspec.Struct, frozen=True):
    """A cluster that was checked. ``shards`` is the number of the log's partitions."""

    identity: LogIdentity
    media_topic_id: str
    brokers: int
    shards: int


def prepare(
    location: KafkaLocation,
    *,
    shards: int = 1,
    replication: int = SAFE_REPLICATION,
    least_retention: timedelta = LEAST_RETENTION,
    least_free_bytes: int = LEAST_FREE_BYTES,
    replica: tuple[Path, LogIdentity] | None = None,
) -> Prepared:
    """Check the cluster and the topics that are there, then make the missing ones and check those too.

    ``replication`` is on how many brokers each record is kept; fewer than three is for development. ``replica`` is this
    node's own, if it has one, with the log that it was made of: no topic is made in another's place. Blocking; takes
    some round trips. Raises ``UnfitCluster``, and then nothing was written.
    """
    check_packages()
    rules = topic_rules(shards, least_retention)
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        try:
            with admin(location) as client:
                return _prepared(client, location, rules, replication, least_free_bytes, replica)
        except KafkaError as problem:
            # For some seconds the others send those who ask to a broker that has just died.
            if time.monotonic() > deadline or not _may_pass(problem):
                raise _told(location, problem) from problem
        time.sleep(_SETTLE_PAUSE_SECONDS)


def _prepared(
    client: Any,
    location: KafkaLocation,
    rules: Sequence[TopicRules],
    replication: int,
    least_free_bytes: int,
    replica: tuple[Path, LogIdentity] | None,
) -> Prepared:
    """May be done again whenever it has failed: what was made then is found now. Raises ``KafkaError`` too."""
    check_version(client._manager.broker_version)
    cluster = client.describe_cluster()
    brokers = [broker["broker_id"] for broker in cluster["brokers"] if not broker.get("is_fenced")]
    _check_log_folders(client, brokers, least_free_bytes)
    _warn_of_automatic_topics(client, brokers[0])
    found = _checked(client, location, rules, replication)
    if replica is not None:
        path, recorded = replica
        present = LogIdentity(cluster["cluster_id"], found["log"].topic_id if "log" in found else "")
        check_identity(recorded, present, topic=location.topic("log"), replica=str(path))
    missing = [topic for topic in rules if topic.name not in found]
    # What is there may have lost a broker for a while; what is made needs all of them.
    check_brokers(len(brokers), replication if missing else least_insync(replication))
    if missing:
        _make(client, location, missing, found, replication)
        found = _settled(client, location, rules, replication)
    return Prepared(
        LogIdentity(cluster["cluster_id"], found["log"].topic_id),
        found["media"].topic_id,
        len(brokers),
        len(found["log"].replicas),
    )


def identify(location: KafkaLocation) -> Prepared:
    """What ``prepare`` found when the log was last started, unchecked: for reading only. Raises ``UnfitCluster``."""
    with admin(location) as client, _telling(location):
        check_version(client._manager.broker_version)
        cluster = client.describe_cluster()
        names = [location.topic(name) for name in ("log", "media")]
        log, media = (_present(topic) for topic in client.describe_topics(names))
        if log is None or media is None:
            raise UnfitCluster(
                f"there is no log at {location.servers}: topic {names[0]} or {names[1]} is missing; "
                "correct the addresses or the topics= of CALLFOLD_LOG"
            )
        return Prepared(
            LogIdentity(cluster["cluster_id"], str(log["topic_id"])),
            str(media["topic_id"]),
            len(cluster["brokers"]),
            len(log["partitions"]),
        )


def check_room(folder: Path, least_free_bytes: int = LEAST_FREE_BYTES) -> None:
    """Refuse to start a replica on a full disk. Raises ``UnfitCluster`` with ``full``."""
    check_disk(f"folder {folder}", shutil.disk_usage(folder).free, least_free_bytes)


@contextmanager
def _telling(location: KafkaLocation) -> Iterator[None]:
    try:
        yield
    except KafkaError as problem:
        raise _told(location, problem) from problem


def _may_pass(problem: KafkaError) -> bool:
    return bool(getattr(problem, "retriable", False))


def _told(location: KafkaLocation, problem: KafkaError) -> UnfitCluster:
    """What goes wrong on the way is the cluster's fault; say which cluster."""
    if _may_pass(problem):
        return unreachable(location, problem)
    return UnfitCluster(
        f"Kafka at {location.servers} refused a request: {problem}; check this user's rights and the brokers' logs"
    )


def _checked(
    client: Any, location: KafkaLocation, rules: Sequence[TopicRules], replication: int
) -> dict[str, TopicFacts]:
    """The topics that are there, by their names without prefix."""
    names = {location.topic(topic.name): topic for topic in rules}
    described = [_present(topic) for topic in client.describe_topics(list(names))]
    # In the order of the rules: the log's own topic comes first and is the one to be told of.
    place = list(names).index
    present = sorted((topic for topic in described if topic is not None), key=lambda topic: place(topic["name"]))
    settings = _settings(client, [topic["name"] for topic in present])
    found = {}
    for topic in present:
        facts = TopicFacts(
            topic["name"],
            str(topic["topic_id"]),
            tuple(len(partition["replica_nodes"]) for partition in topic["partitions"]),
            settings[topic["name"]],
        )
        check_topic(names[topic["name"]], facts, replication)
        found[names[topic["name"]].name] = facts
    for table in rules:
        if table.name in found and table.table_over in found:
            check_table(found[table.name], found[table.table_over])
    return found


def _settled(
    client: Any, location: KafkaLocation, rules: Sequence[TopicRules], replication: int
) -> dict[str, TopicFacts]:
    """The topics once every broker has heard of those that were just made."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        try:
            found = _checked(client, location, rules, replication)
        except UnfitCluster:
            if time.monotonic() > deadline:
                raise
        else:
            if len(found) == len(rules):
                return found
            if time.monotonic() > deadline:
                raise UnfitCluster(f"Kafka at {location.servers} made topics and does not show them; try again")
        time.sleep(_SETTLE_PAUSE_SECONDS)


def _present(topic: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if topic["error_code"] == _UNKNOWN_TOPIC:
        return None
    if topic["error_code"]:
        raise for_code(topic["error_code"])(f"topic {topic['name']}")
    return topic


def _settings(client: Any, topics: Sequence[str]) -> dict[str, dict[str, str]]:
    if not topics:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
    described = client.describe_configs(resources, config_filter="all")["topic"]
    return {topic: _values(described[topic]) for topic in topics}


def _values(described: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {name: setting["value"] for name, setting in described.items() if setting["value"] is not None}


def _make(
    client: Any,
    location: KafkaLocation,
    missing: Sequence[TopicRules],
    found: Mapping[str, TopicFacts],
    replication: int,
) -> None:
    wanted = {
        location.topic(topic.name): {
            "num_partitions": len(found[topic.table_over].replicas) if topic.table_over in found else topic.partitions,
            "replication_factor": replication,
            "configs": topic.settings(replication),
        }
        for topic in missing
    }
    created = client.create_topics(wanted, raise_errors=False)
    for topic in created["topics"]:
        error = for_code(topic["error_code"])
        # Another node that starts at the same time may have made it; it is checked like any other.
        if topic["error_code"] and error is not TopicAlreadyExistsError:
            raise UnfitCluster(
                f"topic {topic['name']} cannot be made: {error(topic.get('error_message'))}; "
                "make it yourself, or allow this user to create topics"
            )
    client.wait_for_topics(list(wanted))
    _log.info("kafka.topics_made", extra={"topics": sorted(wanted), "replication": replication})


def _check_log_folders(client: Any, brokers: Sequence[int], least_free_bytes: int) -> None:
    for answer in client.describe_log_dirs(brokers=brokers):
        for folder in answer["log_dirs"]:
            place = f"broker {answer['broker']} ({folder['log_dir']})"
            if folder["error_code"]:
                raise UnfitCluster(
                    f"{place} cannot be used: {for_code(folder['error_code'])(None)}; repair the disk of that broker"
                )
            if folder["usable_bytes"] >= 0:
                check_disk(place, folder["usable_bytes"], least_free_bytes)


def _warn_of_automatic_topics(client: Any, broker: int) -> None:
    """Nothing here makes topics by using them, but a tool beside us could, with the wrong settings."""
    resource = ConfigResource(ConfigResourceType.BROKER, str(broker))
    settings = _values(client.describe_configs([resource], config_filter="all")["broker"][str(broker)])
    if settings.get("auto.create.topics.enable") == "true":
        _log.warning("kafka.automatic_topics", extra={"fix": "set auto.create.topics.enable=false on every broker"})
