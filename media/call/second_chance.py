"""When a provider that asked for a pause is asked once more: where nobody else can do it and the caller can wait."""

from __future__ import annotations

from typing import Final

from media.providers.errors import ProviderError

LONGEST_WAIT_S: Final = 2.0
"""A caller who hears nothing for longer would rather be told that it does not work."""


def second_chance_s(failure: ProviderError) -> float | None:
    """Seconds to wait before the same provider is asked again, as it said; ``None``: that is of no use."""
    wait_s = failure.retry_after_s
    return wait_s if wait_s is not None and wait_s <= LONGEST_WAIT_S and not failure.permanent else None
