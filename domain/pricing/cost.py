"""From meter readings to money: the rows of ``costs`` and the ``costBreakdown`` of a call or a chat.

Nothing here is stored: the same readings and the same dated table give the same amounts for ever. Quantities and the
amount of each row are decimals of ten places, so that the total is the sum of the rows to the last digit; only the wire
form is floating point.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any

import msgspec

from domain.call.usage import R, add_reading
from domain.pricing.price_table import ANY_MODEL, PerMillionTokens, PriceTable
from domain.pricing.reading import Reading
from domain.pricing.tables import PRICE_TABLES

_MILLION = Decimal(1_000_000)
_NOTHING = Decimal(0)
_TEN_PLACES = Decimal("1e-10")
_EXACT = 2.0**53
"""Below it a float that is whole is the number that it is written as."""
_WIDE = Context(prec=400)
"""Digits enough for every float that a meter may read."""


class CostRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row: what was used, and what it costs. ``priced`` is false where no table knows the price (cost 0)."""

    meter: str
    provider: str
    model: str
    config: dict[str, Any]
    price_table: str
    quantities: dict[str, Decimal]
    usd: Decimal
    priced: bool = True


class CallCost(msgspec.Struct, frozen=True, kw_only=True):
    """All rows of a call or a chat in the order their meters first ran."""

    rows: tuple[CostRow, ...]

    @property
    def total_usd(self) -> Decimal:
        """The sum of the rows."""
        return sum((row.usd for row in self.rows), Decimal(0))

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each row without a price."""
        return tuple(
            f"Price table {row.price_table} has no {row.meter} price for {row.provider} {row.model}".rstrip()
            + "; it is shown at cost 0."
            for row in self.rows
            if not row.priced
        )


def call_cost(readings: Iterable[R]) -> CallCost:
    """One row per meter, provider, model, configuration and price table; quantities of equal ones add up.

    The sums in a call's state cost the same as the events themselves.
    """
    usage: tuple[R, ...] = ()
    for reading in readings:
        usage = add_reading(usage, reading)
    return usage_cost(usage)


def usage_cost(usage: Iterable[Reading]) -> CallCost:
    """The cost of what ``add_reading`` has summed up, as it stands in the state of a call or a chat."""
    return CallCost(rows=tuple([_row(total) for total in usage]))


def _row(total: Reading) -> CostRow:
    quantities = {unit: _decimal(amount) for unit, amount in total.quantities.items()}
    table = PRICE_TABLES.get(total.price_table)
    usd = _price(table, total, quantities) if table else None
    return CostRow(
        meter=total.meter,
        provider=total.provider,
        model=total.model,
        config=total.config,
        price_table=total.price_table,
        quantities=quantities,
        usd=_ten_places(usd) if usd is not None else _NOTHING,
        priced=usd is not None,
    )


@lru_cache(4096)
def _decimal(amount: float) -> Decimal:
    """Tokens and characters are most of what is metered, and whole numbers need no rounding."""
    whole = amount % 1 == 0 and amount < _EXACT
    return Decimal(int(amount)) if whole else _ten_places(Decimal(str(amount)))


def _ten_places(amount: Decimal) -> Decimal:
    """A shorter number for the same value, as far as a ten-thousandth of a millionth tells values apart."""
    return _WIDE.normalize(_WIDE.quantize(amount, _TEN_PLACES))


def _price(table: PriceTable, reading: Reading, quantities: dict[str, Decimal]) -> Decimal | None:
    """US dollars, or ``None`` where the table has no price for this provider and model."""
    key, any_key = (reading.provider, reading.model), (reading.provider, ANY_MODEL)
    match reading.meter:
        case "model":
            tokens = table.tokens.get(key) or table.tokens.get(any_key)
            return _token_price(tokens, quantities) if tokens else None
        case "voice":
            characters = table.characters.get(key) or table.characters.get(any_key)
            return quantities.get("characters", _NOTHING) * characters.usd / _MILLION if characters else None
        case "chat":
            message = table.messages.get(key) or table.messages.get(any_key)
            return quantities.get("messages", _NOTHING) * message.usd if message else None
        case meter:
            minutes = table.minutes.get((meter, *key)) or table.minutes.get((meter, *any_key))
            return quantities.get("minutes", _NOTHING) * minutes.usd if minutes else None


def _token_price(rate: PerMillionTokens, quantities: dict[str, Decimal]) -> Decimal:
    prompt = quantities.get("promptTokens", _NOTHING)
    cached = quantities.get("cachedPromptTokens", _NOTHING)
    completion = quantities.get("completionTokens", _NOTHING)
    return ((prompt - cached) * rate.prompt + cached * rate.cached_prompt + completion * rate.completion) / _MILLION
