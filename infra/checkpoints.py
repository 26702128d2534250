"""Who signs the log's checkpoints in this process: with which key, and where the checkpoints are kept."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from infra.data_folder import DataFolder, Seat
from infra.identifiers import now
from infra.settings import Settings
from streams.log.append import EMBEDDED_SHARD
from streams.log.checkpoint_key import CheckpointKey, public_key
from streams.log.head_file import HeadFile, HeadStore
from streams.log.heads import HeadKeeper

if TYPE_CHECKING:
    from streams.kafka.location import KafkaLocation
    from streams.kafka.topics import Prepared

CHECKPOINTS = "checkpoints.jsonl"


def checkpoint_key(settings: Settings, folder: DataFolder) -> CheckpointKey:
    """The key of ``CALLFOLD_CHECKPOINT_KEY``, else the folder's own. Raises ``LogUnavailable``."""
    if settings.checkpoint_key is not None:
        return CheckpointKey.parse(settings.checkpoint_key.get_secret_value())
    return CheckpointKey.kept(folder.checkpoint_key)


def trusted_keys(settings: Settings, folder: DataFolder, given: Iterable[str]) -> frozenset[str]:
    """The public keys whose checkpoints are believed: those that are named, and this installation's own.

    Makes none: without a key nothing was signed. Raises ``InvalidKey`` and ``LogUnavailable``.
    """
    keys = {public_key(text) for text in given}
    if settings.checkpoint_key is not None or folder.checkpoint_key.exists():
        keys.add(checkpoint_key(settings, folder).public)
    return frozenset(keys)


def sign_file(settings: Settings, folder: DataFolder, closing: contextlib.ExitStack) -> None:
    """Sign the embedded log. To be called before it is opened: the last signature follows its end.

    Raises ``LogUnavailable``.
    """
    key = checkpoint_key(settings, folder)
    keeper = HeadKeeper({EMBEDDED_SHARD: folder.log}, key, [HeadFile(folder.checkpoints)], clock=now)
    closing.callback(keeper.close)


def sign_replicas(
    settings: Settings, location: KafkaLocation, seat: Seat, found: Prepared, closing: contextlib.ExitStack
) -> None:
    """Sign every shard of a log on Kafka, as this process's replicas see it: on its topic, and in a file here.

    To be called before the log is opened. Raises ``LogUnavailable``.
    """
    from streams.log.head_topic import HeadTopic
    from streams.log.kafka.replica_folder import replica_path

    key = checkpoint_key(settings, seat.folder)
    topic = HeadTopic(location)
    closing.callback(topic.close)
    seat.replica.mkdir(parents=True, exist_ok=True)
    stores: list[HeadStore] = [topic, HeadFile(seat.replica / CHECKPOINTS)]
    files = {shard: replica_path(seat.replica, shard) for shard in range(found.shards)}
    closing.callback(HeadKeeper(files, key, stores, clock=now, log=found.identity.name).close)
