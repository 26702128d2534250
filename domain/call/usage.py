"""Adding meter readings up, so that a call's state does not grow with every turn."""

from __future__ import annotations

from typing import TypeVar

from msgspec.structs import replace

from domain.call.events import UsageMetered
from domain.chat.events import UsageMetered as ChatUsageMetered
from domain.pricing.reading import Reading

R = TypeVar("R", UsageMetered, ChatUsageMetered)
"""A reading of a call or of a chat."""

Usage = tuple[UsageMetered, ...]
"""One summed reading per meter, provider, model, configuration and price table, in the order they first came."""


def add_reading(usage: tuple[R, ...], reading: R) -> tuple[R, ...]:
    """``usage`` with ``reading`` added to the sum of its kind. The turn is forgotten."""
    added = plausible(reading.quantities)
    sums: list[R] = list(usage)
    for index, total in enumerate(sums):
        if _same_kind(total, reading):
            quantities = dict(total.quantities)
            for unit, amount in added.items():
                quantities[unit] = quantities.get(unit, 0.0) + amount
            sums[index] = replace(total, quantities=quantities)
            break
    else:
        sums.append(replace(reading, quantities=added, turn=None))
    return tuple(sums)


def _same_kind(total: Reading, reading: Reading) -> bool:
    return (
        total.meter == reading.meter
        and total.provider == reading.provider
        and total.model == reading.model
        and total.price_table == reading.price_table
        and total.config == reading.config
    )


def plausible(quantities: dict[str, float]) -> dict[str, float]:
    """No meter runs backwards and no more tokens are cached than were sent, whatever a provider reports; so a further
    reading can never make a call cheaper."""
    for amount in quantities.values():
        if amount < 0.0:
            break
    else:
        if "cachedPromptTokens" not in quantities or quantities["cachedPromptTokens"] <= quantities.get(
            "promptTokens", 0.0
        ):
            return quantities
    possible = {unit: max(amount, 0.0) for unit, amount in quantities.items()}
    if "cachedPromptTokens" in possible:
        possible["cachedPromptTokens"] = min(possible["cachedPromptTokens"], possible.get("promptTokens", 0.0))
    return possible
