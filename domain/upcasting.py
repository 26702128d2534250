"""Lifting events of older schema versions to the current one, step by step, with pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""Turns the ``data`` of version n into that of version n + 1. Pure; may return a changed copy or its argument."""


class NewerEventVersion(Exception):
    """The event was written by a newer build than this one; upgrade the reader."""

    def __init__(self, type_name: str, version: int, known: int) -> None:
        super().__init__(f"{type_name} version {version} is newer than {known}, the newest this build reads")
        self.type_name = type_name
        self.version = version


def lift(
    type_name: str, data: dict[str, Any], *, version: int, current: int, upcasters: Mapping[int, Upcaster]
) -> dict[str, Any]:
    """Lift ``data`` from ``version`` to ``current``; ``upcasters[n]`` lifts version n. Raises ``NewerEventVersion``."""
    if version > current:
        raise NewerEventVersion(type_name, version, current)
    for step in range(version, current):
        data = upcasters[step](data)
    return data
