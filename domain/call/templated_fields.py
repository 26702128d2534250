"""Where in an assistant's configuration templates are filled in, and how to walk there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Path = tuple[str, ...]
EACH = "*"
"""Every element of a list."""
ALL_TEXTS = "**"
"""Every text at or below this point, values only."""

_TOOL: tuple[Path, ...] = (
    ("messages", EACH, "content"),
    ("messages", EACH, "contents", EACH, "text"),
    ("server", "url"),
    ("server", "headers", ALL_TEXTS),
    ("url",),
    ("headers", ALL_TEXTS),
    ("body", ALL_TEXTS),
    ("parameters", EACH, "value", ALL_TEXTS),
    ("destinations", EACH, "message"),
    ("destinations", EACH, "transferPlan", "message"),
)

TEMPLATED_FIELDS: tuple[Path, ...] = (
    ("firstMessage",),
    ("endCallMessage",),
    ("voicemailMessage",),
    ("messagePlan", "idleMessages", EACH),
    ("compliancePlan", "recordingConsentPlan", "message"),
    ("model", "messages", EACH, "content"),
    *(("model", "tools", EACH, *path) for path in _TOOL),
    ("hooks", EACH, "do", EACH, "exact", ALL_TEXTS),
    ("hooks", EACH, "do", EACH, "prompt", ALL_TEXTS),
    ("hooks", EACH, "do", EACH, "message", ALL_TEXTS),
    *(("hooks", EACH, "do", EACH, "tool", *path) for path in _TOOL),
    *(("compliancePlan", "recordingConsentPlan", "declineTool", *path) for path in _TOOL),
)
"""Prompts, spoken messages, tool addresses, headers, bodies and static parameters. Not the summary plans of
transfers, nor the variable values of a destination: their tokens belong to the moment of the transfer."""


def map_texts(config: dict[str, Any], paths: tuple[Path, ...], change: Callable[[str, str], str]) -> dict[str, Any]:
    """A copy of ``config`` with each text under ``paths`` replaced by ``change(text, wire path)``.

    Parts without a listed text are shared with ``config``; what is not of the expected shape is left alone.
    """
    for path in paths:
        config = _mapped(config, path, "", change)
    return config


def _mapped(value: Any, path: Path, at: str, change: Callable[[str, str], str]) -> Any:
    if not path:
        return change(value, at) if isinstance(value, str) else value
    step, rest = path[0], path[1:]
    match value:
        case str() if step == ALL_TEXTS:
            return change(value, at)
        case list() if step in (EACH, ALL_TEXTS):
            below = path if step == ALL_TEXTS else rest
            return [_mapped(item, below, f"{at}.{index}", change) for index, item in enumerate(value)]
        case dict() if step == ALL_TEXTS:
            return {key: _mapped(item, path, f"{at}.{key}", change) for key, item in value.items()}
        case dict() if step in value:
            return {**value, step: _mapped(value[step], rest, f"{at}.{step}" if at else step, change)}
        case _:
            return value
