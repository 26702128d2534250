"""Why no text could be read out of a file."""

from __future__ import annotations

from typing import Literal

Code = Literal[
    "unsupported-type",
    "type-mismatch",
    "encrypted",
    "damaged",
    "no-text",
    "too-large",
    "too-slow",
    "too-much-memory",
    "crashed",
    "lost",
]


class Unreadable(Exception):
    """The file gives no text that can be used. ``reason`` is a sentence for whoever uploaded it."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.code: Code = code
        self.reason = reason
