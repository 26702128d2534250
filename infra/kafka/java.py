"""The Java runtime that brokers run on: found, and old enough to be refused by name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.kafka.errors import JavaMissing, JavaTooOld

OLDEST = 17
"""What brokers of Kafka 4 need; clients would do with 11."""

_ADVICE = (
    f"install a runtime of version {OLDEST} or newer (Debian 12, Ubuntu: apt-get install openjdk-17-jre-headless; "
    "Debian 13: openjdk-21-jre-headless; Fedora: java-21-openjdk-headless) or let JAVA_HOME name one"
)
_VERSION = re.compile(r'version "(?P<version>(?P<major>\d+)[^"]*)"')


@dataclass(frozen=True, slots=True)
class Java:
    """A runtime new enough for Kafka; ``version`` as it prints it."""

    executable: Path
    version: str


def find_java(environment: Mapping[str, str] = os.environ) -> Java:
    """The runtime of ``JAVA_HOME``, else the ``java`` of ``PATH``. Raises ``JavaMissing``, ``JavaTooOld``."""
    executable = _executable(environment)
    try:
        said = subprocess.run([executable, "-version"], capture_output=True, text=True, timeout=60, check=True).stderr  # noqa: S603 - the user's own Java
    except (OSError, subprocess.SubprocessError) as error:
        raise JavaMissing(f"{executable} does not run ({error}); {_ADVICE}") from error
    found = _VERSION.search(said)
    if found is None:
        raise JavaMissing(f"{executable} does not say which Java it is; {_ADVICE}")
    if int(found["major"]) < OLDEST:
        raise JavaTooOld(f"{executable} is Java {found['version']}, too old for Kafka 4; {_ADVICE}")
    return Java(executable, found["version"])


def _executable(environment: Mapping[str, str]) -> Path:
    if home := environment.get("JAVA_HOME"):
        executable = Path(home, "bin", "java")
        if not executable.is_file():
            raise JavaMissing(f"JAVA_HOME is {home}, where there is no bin/java; {_ADVICE}")
        return executable
    if name := shutil.which("java", path=environment.get("PATH")):
        return Path(name)
    raise JavaMissing(f"Kafka needs Java, and there is none on the PATH; {_ADVICE}")
