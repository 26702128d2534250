"""From meter readings to money: the rows of ``costs`` and the ``costBreakdown`` of a call or a chat.

Nothing here is stored: the same readings and the same dated table give the same amounts for ever. Quantities and the
amount of each row are decimals of ten places, so that the total is the sum of the rows to the last digit; only the wire
form is floating point.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any

import msgspec

from domain.call.usage import R, add_reading, plausible
from domain.pricing.price_table import ANY_MODEL, PerMillionTokens
from domain.pricing.reading import Reading
from domain.pricing.tables import PRICE_TABLES

_MILLION = Decimal(1_000_000)
_NOTHING = Decimal(0)
_TEN_PLACES = Decimal("1e-10")
_EXACT = 2.0**53
"""Below it a float that is whole is the number that it is written as."""
_WIDE = Context(prec=400)
"""Digits enough for every float that a meter may read."""

PARTS = 10**10
"""Amounts of money and of what was used are whole numbers of these parts of one."""
_FINER = 10**16
"""Prices of one unit are whole numbers of these parts of a dollar: ten places of a million's."""


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


def priced(reading: Reading) -> tuple[Mapping[str, int], int | None]:
    """What a reading comes to: quantities by unit and US dollars, both in ``PARTS``; ``None`` where there is no price.

    Whole numbers throughout: a sixth of the time of decimals, and as exact.
    """
    quantities = {unit: _parts(amount) for unit, amount in plausible(reading.quantities).items()}
    rates = _rates(reading.price_table, reading.meter, reading.provider, reading.model)
    if rates is None:
        return quantities, None
    fine = 0
    for unit, rate in rates:
        if unit in quantities:
            fine += quantities[unit] * rate
    usd, rest = divmod(fine, _FINER)
    if rest and (2 * rest > _FINER or (2 * rest == _FINER and usd % 2 == 1)):
        # Half a part goes to the even neighbour.
        usd += 1
    return quantities, usd


def _row(total: Reading) -> CostRow:
    quantities, usd = priced(total)
    return CostRow(
        meter=total.meter,
        provider=total.provider,
        model=total.model,
        config=total.config,
        price_table=total.price_table,
        quantities={unit: _decimal(parts) for unit, parts in quantities.items()},
        usd=_NOTHING if usd is None else _decimal(usd),
        priced=usd is not None,
    )


def _decimal(parts: int) -> Decimal:
    whole, rest = divmod(parts, PARTS)
    return _WIDE.normalize(_WIDE.multiply(Decimal(parts), _TEN_PLACES)) if rest else Decimal(whole)


@lru_cache(1 << 16)
def _parts(amount: float) -> int:
    """Of the number that is written: the shortest that tells this float from others. Most are whole, and small."""
    if amount < _EXACT and amount % 1 == 0:
        return int(amount) * PARTS
    return int(_WIDE.quantize(_WIDE.multiply(Decimal(str(amount)), Decimal(PARTS)), Decimal(1)))


@lru_cache(1024)
def _rates(price_table: str, meter: str, provider: str, model: str) -> tuple[tuple[str, int], ...] | None:
    """The price of one of each unit; ``None`` where the table has none for this provider and model."""
    table = PRICE_TABLES.get(price_table)
    if table is None:
        return None
    key, any_key = (provider, model), (provider, ANY_MODEL)
    match meter:
        case "model":
            tokens = table.tokens.get(key) or table.tokens.get(any_key)
            return None if tokens is None else _token_rates(tokens)
        case "voice":
            characters = table.characters.get(key) or table.characters.get(any_key)
            return None if characters is None else (("characters", _fine(characters.usd / _MILLION)),)
        case "chat":
            message = table.messages.get(key) or table.messages.get(any_key)
            return None if message is None else (("messages", _fine(message.usd)),)
        case _:
            minutes = table.minutes.get((meter, *key)) or table.minutes.get((meter, *any_key))
            return None if minutes is None else (("minutes", _fine(minutes.usd)),)


def _token_rates(tokens: PerMillionTokens) -> tuple[tuple[str, int], ...]:
    """Cached prompt tokens are prompt tokens too, so theirs is what they cost more than those, which is less."""
    return (
        ("promptTokens", _fine(tokens.prompt / _MILLION)),
        ("cachedPromptTokens", _fine((tokens.cached_prompt - tokens.prompt) / _MILLION)),
        ("completionTokens", _fine(tokens.completion / _MILLION)),
    )


def _fine(usd: Decimal) -> int:
    fine = usd * _FINER
    if fine != int(fine):
        raise ValueError(f"a price of {usd} US dollars has more places than amounts are kept with")
    return int(fine)
