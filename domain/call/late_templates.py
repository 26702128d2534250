"""Texts that name what is only known later in a call: rendered when they are used, and only there.

A tool's address may name an argument that the model fills in, a prompt a variable that a tool's answer sets. Such texts
stay templates in the resolved configuration, and are known by their wire path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from domain.templates import render


def rendered_at(
    config: Mapping[str, Any], paths: Iterable[str], variables: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """A copy of ``config`` with the texts at ``paths`` (dotted, list positions as numbers) rendered."""
    rendered: Any = dict(config)
    for path in dict.fromkeys(paths):
        rendered = _rendered(rendered, tuple(path.split(".")), variables, now)
    result: dict[str, Any] = rendered
    return result


def below(paths: Iterable[str], prefix: str) -> tuple[str, ...]:
    """Those of ``paths`` that begin with ``prefix.``, without it."""
    start = f"{prefix}."
    return tuple(path.removeprefix(start) for path in paths if path.startswith(start))


def _rendered(value: Any, path: tuple[str, ...], variables: Mapping[str, Any], now: datetime) -> Any:
    if not path:
        return render(value, variables, now=now).text if isinstance(value, str) else value
    step = path[0]
    if isinstance(value, list | tuple) and step.isdecimal() and int(step) < len(value):
        items = list(value)
        items[int(step)] = _rendered(items[int(step)], path[1:], variables, now)
        return items
    if isinstance(value, Mapping):
        # A key may hold dots itself, as the names of headers do.
        keys = {".".join(path[:length]): path[length:] for length in range(1, len(path) + 1)}
        found = {key: _rendered(value[key], rest, variables, now) for key, rest in keys.items() if key in value}
        return {**value, **found}
    return value
