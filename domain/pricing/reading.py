"""What a meter reading says, whatever it was read of: the part of it that has a price."""

from __future__ import annotations

from typing import Any, Protocol


class Reading(Protocol):
    """``quantities`` of something used, of one ``provider`` and ``model``; ``price_table`` names what prices hold."""

    @property
    def meter(self) -> str: ...

    @property
    def provider(self) -> str: ...

    @property
    def model(self) -> str: ...

    @property
    def quantities(self) -> dict[str, float]: ...

    @property
    def price_table(self) -> str: ...

    @property
    def config(self) -> dict[str, Any]: ...
