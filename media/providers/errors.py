"""A handful of failure categories that policies can act on, whatever the vendor's own error was."""

from __future__ import annotations

from typing import Literal

Category = Literal[
    "not-configured", "unauthorized", "forbidden", "quota", "bad-request", "overloaded", "server", "timeout", "failed"
]
Stage = Literal["transcriber", "model", "voice"]

PERMANENT: frozenset[Category] = frozenset({"not-configured", "unauthorized", "forbidden", "bad-request"})


class ProviderError(Exception):
    """A provider did not do its work. ``permanent`` means that a retry cannot help."""

    def __init__(self, provider: str, stage: Stage, category: Category, detail: str = "") -> None:
        super().__init__(f"{provider} {stage}: {category}" + (f" ({detail})" if detail else ""))
        self.provider = provider
        self.stage = stage
        self.category = category
        self.detail = detail

    @property
    def permanent(self) -> bool:
        return self.category in PERMANENT
