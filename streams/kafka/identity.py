"""Which log a replica was made from: a copy of one log must never go on reading another."""

from __future__ import annotations

import msgspec

from streams.kafka.unfit import UnfitCluster


class LogIdentity(msgspec.Struct, frozen=True):
    """Both are given by Kafka and never used twice: a topic that is deleted and made again gets a new id.

    ``topic_id`` is empty where there is no such topic.
    """

    cluster_id: str
    topic_id: str

    @property
    def name(self) -> str:
        """The log's name in checkpoints."""
        return f"kafka:{self.cluster_id}:{self.topic_id}"

    @classmethod
    def named(cls, name: str) -> LogIdentity:
        """The identity with this name. Raises ``ValueError``."""
        match name.split(":"):
            case ["kafka", cluster_id, topic_id]:
                return cls(cluster_id, topic_id)
        raise ValueError(f"{name!r} names no log on Kafka")


def check_identity(recorded: LogIdentity, found: LogIdentity, *, topic: str, replica: str) -> None:
    """Refuse a replica of another cluster's log, or of a topic that was since made anew. Raises ``UnfitCluster``.

    ``replica`` names the file or folder for the message.
    """
    if recorded.cluster_id != found.cluster_id:
        raise UnfitCluster(
            f"the replica {replica} was made from Kafka cluster {recorded.cluster_id}, and CALLFOLD_LOG names cluster "
            f"{found.cluster_id}; correct CALLFOLD_LOG, or use another data folder for this cluster"
        )
    if not found.topic_id:
        raise UnfitCluster(
            f"topic {topic} is gone, of which the replica {replica} was made; bring it back from its backup, correct "
            "the topics= of CALLFOLD_LOG, or move the replica aside to start with a new, empty log"
        )
    if recorded.topic_id != found.topic_id:
        raise UnfitCluster(
            f"topic {topic} was deleted and made again since the replica {replica} was made (topic id "
            f"{recorded.topic_id} then, {found.topic_id} now); bring the old topic back from its backup, or move the "
            "replica aside to start with the new, empty log"
        )
