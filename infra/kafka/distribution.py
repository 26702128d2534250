"""The jars that make up Apache Kafka, pinned: which they are, where they are published, what they must hash to.

``distribution.lock.json`` beside this module is the whole truth at run time; no dependency tree is resolved on a
user's machine. ``python -m infra.kafka.refresh_lock VERSION`` writes it anew for another release.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

MAVEN_CENTRAL = "https://repo1.maven.org/maven2"
LOCK_FILE = Path(__file__).with_name("distribution.lock.json")


class Artifact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One jar. ``coordinates`` are Maven's ``group:name:version``, ``sha256`` is in hex, ``size`` in bytes."""

    coordinates: str
    sha256: str
    size: int

    @property
    def file_name(self) -> str:
        _, name, version = self.coordinates.split(":")
        return f"{name}-{version}.jar"

    @property
    def url(self) -> str:
        """Where Maven Central publishes it."""
        group, name, version = self.coordinates.split(":")
        return f"{MAVEN_CENTRAL}/{group.replace('.', '/')}/{name}/{version}/{self.file_name}"


class Distribution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A release of Kafka and everything that it needs besides Java."""

    kafka: str
    artifacts: tuple[Artifact, ...]

    @property
    def size(self) -> int:
        """Bytes of all jars together."""
        return sum(artifact.size for artifact in self.artifacts)

    @property
    def digest(self) -> str:
        """Changes whenever one jar does: names what is derived from exactly these files."""
        content = "\n".join(sorted(artifact.sha256 for artifact in self.artifacts))
        return hashlib.sha256(content.encode()).hexdigest()[:12]


def locked() -> Distribution:
    """The release that this version of callfold is tested with."""
    return msgspec.json.decode(LOCK_FILE.read_bytes(), type=Distribution)
