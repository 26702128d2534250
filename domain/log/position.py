"""Where a fact stands: ``shard:ordinal``, the gapless count of accepted events in a shard, equal on every node."""

from __future__ import annotations

import re
from typing import Final

import msgspec

_FORM: Final = re.compile(r"(\d{1,9}):(\d{1,18})", re.ASCII)
"""As many digits as any store of positions can count to."""


class Position(msgspec.Struct, frozen=True, order=True, gc=False):
    """``ordinal`` counts from 1; 0 means before the first event."""

    shard: int
    ordinal: int

    def __str__(self) -> str:
        return f"{self.shard}:{self.ordinal}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read ``"0:128"``. Raises ``ValueError`` that shows the expected form."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError(f"position {text!r} is not of the form shard:ordinal, for example 0:128")
        return cls(int(found[1]), int(found[2]))
