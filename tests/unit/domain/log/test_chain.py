"""The chained hash: any change to any part of any record changes every later link."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from domain.log.chain import GENESIS, link, record_hash
from domain.log.envelope import Record

headers = st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=5)), max_size=3).map(tuple)
records = st.builds(Record, headers, st.binary(max_size=10))


def chain(history: list[Record]) -> bytes:
    reached = GENESIS
    for record in history:
        reached = link(reached, record_hash(record))
    return reached


@given(records, records)
def test_different_records_have_different_hashes(one: Record, other: Record) -> None:
    assert (record_hash(one) == record_hash(other)) == (one == other)


@given(st.lists(records, min_size=1, max_size=6), records, st.data())
def test_replacing_one_record_changes_the_chain(history: list[Record], other: Record, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(history) - 1))
    assume(history[index] != other)
    assert chain([*history[:index], other, *history[index + 1 :]]) != chain(history)


@given(records, records)
def test_order_and_length_are_part_of_the_chain(one: Record, other: Record) -> None:
    assume(one != other)
    assert len({chain([]), chain([one]), chain([one, other]), chain([other, one])}) == 4


def test_bytes_cannot_move_between_parts() -> None:
    assert record_hash(Record((("ab", b"c"),), b"")) != record_hash(Record((("a", b"bc"),), b""))
    assert record_hash(Record((("a", b"b"),), b"c")) != record_hash(Record((("a", b"bc"),), b""))
