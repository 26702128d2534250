"""How one of Kafka's programs is run: which Java, which jars, how much memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.kafka.java import Java

LOG_CONFIGURATION = Path(__file__).with_name("log4j2.xml")

_JVM_OPTIONS = (
    "-Xms64m",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    # Half the CPU time of a start goes into the optimising compiler otherwise.
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    f"-Dlog4j2.configurationFile={LOG_CONFIGURATION}",
)


@dataclass(frozen=True, slots=True)
class Program:
    """Kafka on this machine. With a ``class_archive`` a broker starts in a third of the time."""

    java: Java
    jars: tuple[Path, ...]
    class_archive: Path | None = None

    def command(self, main_class: str, *arguments: str, options: Sequence[str] = ()) -> list[str]:
        """A command line for one of Kafka's main classes; ``options`` go to the Java machine."""
        archive = [f"-XX:SharedArchiveFile={self.class_archive}"] if self.class_archive else []
        classpath = os.pathsep.join(map(str, self.jars))
        return [str(self.java.executable), *_JVM_OPTIONS, *archive, *options, "-cp", classpath, main_class, *arguments]
