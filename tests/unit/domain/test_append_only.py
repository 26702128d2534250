from __future__ import annotations

import msgspec
from hypothesis import given as for_all
from hypothesis import strategies as st

from domain.append_only import CHUNK, AppendOnly


@for_all(st.lists(st.integers(), max_size=4 * CHUNK))
def test_it_holds_what_was_appended_in_order_and_survives_storage(items: list[int]) -> None:
    sequence: AppendOnly[int] = AppendOnly()
    earlier: list[AppendOnly[int]] = []
    for item in items:
        earlier.append(sequence)
        sequence = sequence.appended(item)
    assert list(sequence) == items
    assert len(sequence) == len(items)
    assert [list(before) for before in earlier] == [items[:length] for length in range(len(items))]
    assert msgspec.json.decode(msgspec.json.encode(sequence), type=AppendOnly[int]) == sequence


def test_an_append_copies_one_chunk_however_long_the_sequence() -> None:
    sequence: AppendOnly[int] = AppendOnly()
    for item in range(100 * CHUNK):
        sequence = sequence.appended(item)
    longer = sequence.appended(1)
    assert all(mine is yours for mine, yours in zip(sequence.full, longer.full, strict=True))
    assert len(longer.tail) <= CHUNK
