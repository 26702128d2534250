"""Which Java runs brokers, and what a person is told when none does."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.kafka.errors import JavaMissing, JavaTooOld
from infra.kafka.java import find_java

OPENJDK = 'openjdk version "{}" 2025-04-15\nOpenJDK Runtime Environment'


def java(folder: Path, says: str, status: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "java"
    program.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{says}\nEND\nexit {status}\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("version", ["17", "17.0.15", "21.0.2", "25-ea"])
def test_the_java_of_the_path_is_taken(tmp_path: Path, version: str) -> None:
    program = java(tmp_path, OPENJDK.format(version))

    found = find_java({"PATH": f"{tmp_path}:/usr/bin:/bin"})

    assert (found.executable, found.version) == (program, version)


def test_java_home_goes_before_the_path(tmp_path: Path) -> None:
    java(tmp_path / "path", OPENJDK.format("17.0.1"))
    wanted = java(tmp_path / "home" / "bin", OPENJDK.format("21.0.2"))

    assert find_java({"PATH": str(tmp_path / "path"), "JAVA_HOME": str(tmp_path / "home")}).executable == wanted


@pytest.mark.parametrize("version", ["1.8.0_412", "11.0.2"])
def test_an_old_java_is_named_with_what_to_install(tmp_path: Path, version: str) -> None:
    java(tmp_path, OPENJDK.format(version))

    with pytest.raises(JavaTooOld, match=rf"is Java {version}, too old.*apt-get install openjdk-17-jre-headless"):
        find_java({"PATH": f"{tmp_path}:/usr/bin:/bin"})


def test_no_java_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(JavaMissing, match=r"none on the PATH; install .*openjdk-17-jre-headless"):
        find_java({"PATH": str(tmp_path)})


def test_a_java_home_without_java_is_not_passed_over(tmp_path: Path) -> None:
    java(tmp_path, OPENJDK.format("17"))

    with pytest.raises(JavaMissing, match=r"JAVA_HOME is .*elsewhere"):
        find_java({"PATH": str(tmp_path), "JAVA_HOME": str(tmp_path / "elsewhere")})


@pytest.mark.parametrize(("says", "status"), [("command not installed", 0), ("Unable to locate a Java Runtime", 1)])
def test_a_program_that_only_pretends_to_be_java_is_refused(tmp_path: Path, says: str, status: int) -> None:
    java(tmp_path, says, status)

    with pytest.raises(JavaMissing, match=r"java does not.*install a runtime"):
        find_java({"PATH": f"{tmp_path}:/usr/bin:/bin"})
