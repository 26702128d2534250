"""Reading JSON that strangers wrote (tool servers, models, callers' clients) into values that can always be kept.

What passes can be encoded again, stored, and read back: no lone surrogates, no numbers beyond what the log holds, no
nesting that a reader would stumble over. RFC 8259 section 9 allows a parser such limits.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

DEEPEST_NESTING: Final = 64
SMALLEST_INTEGER: Final = -(2**63)
LARGEST_INTEGER: Final = 2**64 - 1


class UnreadableJson(ValueError):
    """The text is not JSON, or a value that cannot be kept; the message says which."""


def read_json(text: bytes | str) -> Any:
    """The value. Raises ``UnreadableJson``."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise UnreadableJson(f"not JSON: {error}") from None
    except RecursionError:
        raise UnreadableJson(_TOO_DEEP) from None
    pending: list[tuple[Any, int]] = [(value, 1)]
    while pending:
        item, depth = pending.pop()
        if isinstance(item, dict | list):
            if depth > DEEPEST_NESTING:
                raise UnreadableJson(_TOO_DEEP)
            inner = item.values() if isinstance(item, dict) else item
            pending.extend((part, depth + 1) for part in inner)
        elif isinstance(item, int) and not SMALLEST_INTEGER <= item <= LARGEST_INTEGER:
            raise UnreadableJson(f"an integer of {item.bit_length()} bits; at most 64 are taken")
    return value


_TOO_DEEP: Final = f"nested more than {DEEPEST_NESTING} levels deep"


def joined_surrogates(text: str) -> str:
    """``text`` with halves of surrogate pairs joined, and replaced where the other half is missing, so that it can be
    encoded. JSON may escape halves one by one, also in two pieces of a stream."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def ends_in_half_a_character(text: str) -> bool:
    """Whether the last character is the first half of a surrogate pair, whose second half may follow."""
    return "\ud800" <= text[-1:] <= "\udbff"
