"""What a price table holds: list prices by meter, provider and model, valid from its date on."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

ANY_MODEL = "*"
"""Stands for every model of a provider that has no price of its own."""


class PerMinute(msgspec.Struct, frozen=True):
    """US dollars for one minute."""

    usd: Decimal


class PerMillionCharacters(msgspec.Struct, frozen=True):
    """US dollars for a million characters spoken."""

    usd: Decimal


class PerMillionTokens(msgspec.Struct, frozen=True):
    """US dollars for a million tokens. Cached prompt tokens are part of the prompt tokens, at their own price."""

    prompt: Decimal
    cached_prompt: Decimal
    completion: Decimal


class PerMessage(msgspec.Struct, frozen=True):
    """US dollars for one message answered in writing."""

    usd: Decimal


class PriceTable(msgspec.Struct, frozen=True, kw_only=True):
    """``date`` is the day from which the prices hold and the name that readings carry.

    ``minutes`` is keyed by meter (``vapi``, ``transport``, ``transcriber``), provider and model; ``tokens`` and
    ``characters`` by provider and model, as the assistant's configuration spells them; ``messages`` by provider and
    model of the platform itself.
    """

    date: str
    minutes: Mapping[tuple[str, str, str], PerMinute]
    tokens: Mapping[tuple[str, str], PerMillionTokens]
    characters: Mapping[tuple[str, str], PerMillionCharacters]
    messages: Mapping[tuple[str, str], PerMessage] = {}
