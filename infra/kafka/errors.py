"""What can go wrong with a development cluster. Every message says what is the matter and what to do about it."""

from __future__ import annotations

from pathlib import Path


class ClusterError(Exception):
    """Base of everything this package raises on purpose."""


class JavaMissing(ClusterError):
    """There is no Java runtime to run Kafka with."""


class JavaTooOld(ClusterError):
    """The Java runtime that was found cannot run this Kafka."""


class DownloadFailed(ClusterError):
    """Kafka's files could not be fetched."""


class ChecksumMismatch(ClusterError):
    """A fetched file is not the one that the lock file names."""


class PortTaken(ClusterError):
    """Another process listens where a broker would."""


class NodeFailed(ClusterError):
    """A broker ended, or did not get ready in time; the message carries the last lines of its log."""


class NoCluster(ClusterError):
    """The folder holds no cluster."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"there is no Kafka cluster in {folder}; start one with `callfold dev kafka up`, or name its folder "
            "with --dir"
        )


class NoSuchNode(ClusterError):
    """The cluster has no broker of that number."""


class WrongCondition(ClusterError):
    """What was asked makes no sense for a broker in its present condition (killing a dead one, for example)."""


class ClusterDiffers(ClusterError):
    """The folder holds a cluster of another shape than the one asked for."""
