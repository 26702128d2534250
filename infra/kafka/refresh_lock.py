"""Write ``distribution.lock.json`` for a release of Kafka: ``python -m infra.kafka.refresh_lock 4.3.1``.

Needs Maven (``mvn``) to resolve the dependency tree, and the network; nothing else in callfold does. Every jar is
fetched once, compared with the SHA-512 or SHA-1 that Maven Central publishes beside it, and pinned by SHA-256.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import httpx2
import msgspec

from infra.kafka.distribution import LOCK_FILE, Artifact, Distribution
from infra.kafka.errors import ChecksumMismatch, ClusterError, DownloadFailed

_KAFKA = "org.apache.kafka:kafka_2.13"
_LOG4J_CORE = "org.apache.logging.log4j:log4j-core"
_SLF4J_BINDING = "org.apache.logging.log4j:log4j-slf4j-impl"
"""Kafka writes its log through slf4j 1.7 and leaves the choice of what is behind it to the packager: without this
jar a broker runs and says nothing. It comes in the version of the log4j that Kafka itself needs."""

_POM = """<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>callfold</groupId><artifactId>kafka-distribution</artifactId><version>1</version>
  <dependencies>{dependencies}</dependencies>
</project>
"""
_DEPENDENCY = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
_LISTED = re.compile(r"^\s+([\w.-]+):([\w.-]+):jar:([\w.-]+):(?:compile|runtime)\b", re.MULTILINE)


class ResolutionFailed(ClusterError):
    """Maven could not resolve the release; the message ends with what it said."""


def resolve(coordinates: Sequence[str]) -> list[str]:
    """Coordinates of all that these need at run time, themselves included, sorted. Raises ``ResolutionFailed``."""
    dependencies = "".join(_DEPENDENCY.format(*each.split(":")) for each in coordinates)
    with tempfile.TemporaryDirectory() as folder:
        pom, listing = Path(folder, "pom.xml"), Path(folder, "listing")
        pom.write_text(_POM.format(dependencies=dependencies))
        command = ["mvn", "-B", "-ntp", "-q", "-f", str(pom), "dependency:list", "-DincludeScope=runtime"]
        try:
            done = subprocess.run([*command, f"-DoutputFile={listing}"], capture_output=True, text=True, check=False)  # noqa: S603 - a fixed program, arguments of a developer
        except FileNotFoundError:
            raise ResolutionFailed(
                "refreshing the lock needs Maven; install it (Debian: apt-get install maven)"
            ) from None
        if done.returncode:
            raise ResolutionFailed("Maven could not resolve it:\n" + "\n".join(done.stdout.splitlines()[:12]))
        return sorted(":".join(match) for match in _LISTED.findall(listing.read_text()))


def pinned(client: httpx2.Client, coordinates: str) -> Artifact:
    """Fetch a jar and say what it is. Raises ``DownloadFailed``, ``ChecksumMismatch``."""
    unpinned = Artifact(coordinates, "", 0)
    content = _fetched(client, unpinned.url)
    for algorithm in ("sha512", "sha1"):  # not every publisher gives the stronger one
        answer = client.get(f"{unpinned.url}.{algorithm}")
        if answer.is_success:
            break
    else:
        raise DownloadFailed(f"Maven Central publishes no checksum for {coordinates}")
    if hashlib.new(algorithm, content).hexdigest() != answer.text.split()[0].lower():
        raise ChecksumMismatch(f"{unpinned.url} does not have the {algorithm} that is published beside it")
    return Artifact(coordinates, hashlib.sha256(content).hexdigest(), len(content))


def _fetched(client: httpx2.Client, url: str) -> bytes:
    answer = client.get(url)
    if answer.is_error:
        raise DownloadFailed(f"{url} answered {answer.status_code}")
    return answer.content


def distribution(kafka: str) -> Distribution:
    """Resolve and pin release ``kafka``."""
    release = [f"{_KAFKA}:{kafka}"]
    log4j = next(found.split(":")[2] for found in resolve(release) if found.startswith(f"{_LOG4J_CORE}:"))
    with httpx2.Client(timeout=60, follow_redirects=True) as client:
        artifacts = [pinned(client, each) for each in resolve([*release, f"{_SLF4J_BINDING}:{log4j}"])]
    return Distribution(kafka, tuple(artifacts))


def main(arguments: Sequence[str]) -> None:
    """Write the lock file for the release that ``arguments`` names."""
    if len(arguments) != 1:
        sys.exit("usage: python -m infra.kafka.refresh_lock VERSION (for example 4.3.1)")
    try:
        found = distribution(arguments[0])
    except (ClusterError, httpx2.TransportError) as error:
        sys.exit(f"error: {error}")
    LOCK_FILE.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    sys.stdout.write(f"{LOCK_FILE.name}: Kafka {found.kafka}, {len(found.artifacts)} jars, {found.size / 1e6:.1f} MB\n")


if __name__ == "__main__":
    main(sys.argv[1:])
