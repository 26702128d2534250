"""Tampering with a partition is found and named for what was done, with a replica at hand and with checkpoints only."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.log.chain import GENESIS, link, record_hash
from domain.log.checkpoint import Checkpoint
from domain.log.envelope import Record
from streams.log.audit import Audit, audit
from tests.contracts.log_contract import START
from tests.contracts.tally import Added, Opened
from tests.unit.streams.log.partition import open_replica, placed, sent

OPENED = Opened(org_id="org-1")
LOG = "kafka:cluster:topic"

Placed = list[tuple[int, Record]]


def history() -> list[Record]:
    """Twelve records: accepted ones, a void one, a repetition and poison."""
    records = [sent("one", ("a", 1, OPENED), ("a", 2, Added(amount=1)))]
    records += [sent(f"more-{version}", ("a", version, Added(amount=version))) for version in range(3, 10)]
    records.insert(2, sent("void", ("a", 2, Added(amount=9))))
    records.insert(4, records[3])
    records.insert(6, Record((("v", b"1"),), b"what is this"))
    records.append(sent("last", ("b", 1, OPENED)))
    return records


def chains(records: Sequence[Record]) -> list[str]:
    """The chain after 0, 1, 2, ... records."""
    found = [GENESIS]
    for record in records:
        found.append(link(found[-1], record_hash(record)))
    return [chain.hex() for chain in found]


def checkpoint(records: int, chain: str, *, log: str = LOG) -> Checkpoint:
    return Checkpoint(log=log, shard=0, records=records, events=0, chain=chain, time=START)


@pytest.fixture
def records() -> list[Record]:
    return history()


@pytest.fixture
def replica(records: list[Record], tmp_path: Path) -> Path:
    path = tmp_path / "log-0.db"
    with closing(open_replica(path)) as opened:
        opened.apply(placed(records))
    return path


def audited(
    standing: Placed, replica: Path | None = None, checkpoints: Sequence[Checkpoint] = (), *, begin: int = 0
) -> Audit:
    end = standing[-1][0] + 1 if standing else begin
    options: dict[str, Any] = {"shard": 0, "begin": begin, "end": end, "log": LOG, "checkpoints": checkpoints}
    if replica is None:
        return audit(standing, replica=None, **options)
    with closing(sqlite3.connect(replica)) as connection:
        return audit(standing, replica=connection, **options)


def on_topic(records: Sequence[Record], start: int = 0) -> Placed:
    return list(enumerate(records, start))


def faults(found: Audit) -> list[tuple[str, str]]:
    return [(finding.fault, finding.place) for finding in found.findings]


def changed(record: Record) -> Record:
    return msgspec.structs.replace(record, value=record.value.replace(b'"amount":', b'"amount":1'))


def without(records: list[Record], index: int) -> list[Record]:
    return records[:index] + records[index + 1 :]


def swapped(records: list[Record], index: int) -> list[Record]:
    return [*records[:index], records[index + 1], records[index], *records[index + 2 :]]


def test_an_untouched_log_holds(records: list[Record], replica: Path) -> None:
    known = chains(records)
    found = audited(on_topic(records), replica, [checkpoint(number, known[number]) for number in (0, 5, 12)])
    assert found.findings == ()
    assert (found.records, found.events, found.chain, found.checkpoints) == (12, 10, known[-1], 3)


def test_a_replica_that_is_behind_holds(records: list[Record], replica: Path) -> None:
    more = [*records, sent("later", ("b", 2, Added(amount=1)))]
    assert audited(on_topic(more), replica).findings == ()


TAMPERED = [
    ("changed", "offset 7", lambda records: on_topic([*records[:7], changed(records[7]), *records[8:]])),
    ("removed", "offset 5", lambda records: on_topic(without(records, 5))),
    ("removed", "offset 5", lambda records: [*on_topic(records[:5]), *on_topic(records[6:], 6)]),
    ("inserted", "offset 3", lambda records: on_topic([*records[:3], sent("x", ("x", 1, OPENED)), *records[3:]])),
    ("inserted", "offset 8", lambda records: on_topic([*records[:8], records[1], *records[8:]])),
    ("reordered", "offset 7", lambda records: on_topic(swapped(records, 7))),
    ("cut", "offsets 10 to 11", lambda records: on_topic(records[:10])),
    ("cut", "offset 11", lambda records: on_topic(without(records, 11))),
]


@pytest.mark.parametrize(("fault", "place", "tamper"), TAMPERED)
def test_what_was_done_is_named_where_a_replica_is_at_hand(
    records: list[Record], replica: Path, fault: str, place: str, tamper: object
) -> None:
    assert callable(tamper)
    found = audited(tamper(records), replica)
    assert faults(found) == [(fault, place)]


@pytest.mark.parametrize("tamper", [tamper for *_, tamper in TAMPERED])
def test_checkpoints_alone_find_it_too_and_say_between_which(records: list[Record], tamper: object) -> None:
    assert callable(tamper)
    known = chains(records)
    found = audited(tamper(records), None, [checkpoint(2, known[2]), checkpoint(12, known[12])])
    assert [finding.fault for finding in found.findings][-1] in ("changed", "cut")
    assert found.findings[-1].place in ("records 3 to 12", "records 11 to 12", "record 12", "records 12 to 12")


def test_the_first_checkpoint_that_does_not_hold_bounds_the_search(records: list[Record]) -> None:
    known = chains(records)
    tampered = on_topic([*records[:7], changed(records[7]), *records[8:]])
    found = audited(tampered, None, [checkpoint(number, known[number]) for number in (2, 6, 10, 12)])
    assert faults(found) == [("changed", "records 7 to 10")]


def test_a_gap_is_named_without_a_replica(records: list[Record]) -> None:
    found = audited([*on_topic(records[:5]), *on_topic(records[6:], 6)])
    assert faults(found) == [("removed", "offset 5")]


def test_a_checkpoint_of_another_log_is_named(records: list[Record]) -> None:
    found = audited(on_topic(records), None, [checkpoint(12, chains(records)[12], log="kafka:other:topic")])
    assert [finding.sentence for finding in found.findings] == [
        "the checkpoint of 2026-11-21 09:00:00+00:00 is of another log (kafka:other:topic)"
    ]


@pytest.mark.parametrize(
    ("statement", "place", "said"),
    [
        ("UPDATE stored_events SET state=replace(state, '3', '4') WHERE ordinal=3", "offset 1", "are not those"),
        ("DELETE FROM stored_events WHERE ordinal=10", "offset 11", "are not those"),
        ("UPDATE commits SET void_reason='no' WHERE sequence=1", "offset 0", "took it as void"),
        ("UPDATE other_records SET kind='duplicate' WHERE sequence=7", "offset 6", "took it as duplicate"),
    ],
)
def test_a_changed_replica_is_named(
    records: list[Record], replica: Path, statement: str, place: str, said: str
) -> None:
    with closing(sqlite3.connect(replica)) as connection, connection:
        assert connection.execute(statement).rowcount == 1
    found = audited(on_topic(records), replica)
    assert faults(found) == [("replica", place)]
    assert said in found.findings[0].sentence


def test_bodies_given_up_to_an_archive_are_not_missed(records: list[Record], replica: Path) -> None:
    with closing(sqlite3.connect(replica)) as connection, connection:
        connection.execute("UPDATE stored_events SET state=x'' WHERE originator_id='a'")
    assert faults(audited(on_topic(records), replica)) == [("replica", "offset 0")]
    with closing(sqlite3.connect(replica)) as connection, connection:
        connection.execute("INSERT INTO pruned VALUES ('a', 'org-1', 9)")
    assert audited(on_topic(records), replica).findings == ()


def test_a_replica_without_a_record_that_it_counts_is_named(records: list[Record], replica: Path) -> None:
    with closing(sqlite3.connect(replica)) as connection, connection:
        connection.execute("DELETE FROM commits WHERE sequence=12")
    assert faults(audited(on_topic(records), replica)) == [("replica", "offset 11")]


def test_an_expired_beginning_is_chained_on_from_the_replica_or_a_checkpoint(
    records: list[Record], replica: Path
) -> None:
    known = chains(records)
    rest = on_topic(records[5:], 5)
    assert audited(rest, replica, [checkpoint(12, known[12])], begin=5).findings == ()
    assert audited(rest, None, [checkpoint(5, known[5]), checkpoint(12, known[12])], begin=5).findings == ()
    tampered = [*rest[:-1], (11, changed(records[10]))]
    assert faults(audited(tampered, replica, begin=5)) == [("changed", "offset 11")]
    assert faults(audited(rest, None, [checkpoint(12, known[12])], begin=5)) == [("unverifiable", "offset 5")]


def test_a_newer_writers_record_cannot_be_judged(records: list[Record]) -> None:
    newer = Record((("v", b"2"), ("commit", b"x")), b"[]")
    found = audited(on_topic([*records, newer]))
    assert faults(found) == [("unverifiable", "offset 12")]
    assert "upgrade this node" in found.findings[0].sentence


def test_an_empty_log_holds(tmp_path: Path) -> None:
    with closing(open_replica(tmp_path / "log-0.db")):
        pass
    assert audited([], tmp_path / "log-0.db", [checkpoint(0, GENESIS.hex())]).findings == ()


@given(st.data())
def test_no_single_change_to_what_was_signed_goes_unnoticed(data: st.DataObject) -> None:
    records = history()
    known = chains(records)
    index = data.draw(st.integers(0, len(records) - 1))
    tampered = data.draw(
        st.sampled_from(
            [
                [*records[:index], Record(records[index].headers, records[index].value + b" "), *records[index + 1 :]],
                without(records, index),
                records[:index],
                [*records[:index], Record((), b""), *records[index:]],
            ]
        )
    )
    assert audited(on_topic(tampered), None, [checkpoint(12, known[12])]).findings
