"""The replica: every reader of a partition ends with the same rows, however the records reached it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Event
from domain.log.arbitration import Arbiter
from domain.log.chain import GENESIS, link, record_hash
from domain.log.envelope import MalformedRecord, Record, to_commit
from domain.log.ports import LogUnavailable
from streams.kafka.identity import LogIdentity
from streams.kafka.unfit import UnfitCluster
from streams.log.documents import DocumentReader
from streams.log.kafka.halt import Halted
from streams.log.verification import verify
from tests.contracts.tally import Added, KeyCut, Noticed, Opened
from tests.unit.streams.log.partition import IDENTITY, content, open_replica, placed, rows, sent, unreadable

OPENED = Opened(org_id="org-1")

ORIGINATORS = ["a", "b", "c\x00", "d'é"]


def event_at(version: int, amount: int) -> Event:
    return OPENED if version == 1 else (KeyCut(hash=f"h{amount}") if amount == 3 else Added(amount=amount))


@st.composite
def records(draw: st.DrawFn) -> list[Record]:
    """Mostly commits that fit, with races, gaps, zombies, repetitions, used ids, poison and unreadable events."""
    heads: dict[str, int] = {}
    made: list[Record] = []
    for number in range(draw(st.integers(1, 40))):
        kind = draw(
            st.sampled_from(["next"] * 6 + ["stale", "gap", "again", "used id", "poison", "unreadable", "several"])
        )
        originator = draw(st.sampled_from(ORIGINATORS))
        head = heads.get(originator, 0)
        amount = draw(st.integers(0, 5))
        tracking = draw(st.none() | st.tuples(st.just("up"), st.integers(0, 5)))
        commit_id = f"commit-{number}"
        match kind:
            case "again" if made:
                made.append(draw(st.sampled_from(made)))
                continue
            case "poison":
                broken = draw(
                    st.sampled_from(
                        [(("v", b"1"),), (("v", b"x"),), (("v", b"1"), ("commit", b""), ("streams", b"[]"))]
                    )
                )
                made.append(Record(broken, draw(st.binary(max_size=8))))
                continue
            case "used id" if made:
                commit_id = f"commit-{draw(st.integers(0, number))}"
                made.append(sent(commit_id, (originator, head + 1, event_at(head + 1, amount))))
                continue
            case "unreadable":
                made.append(unreadable(commit_id, originator, head + 1))
            case "stale":
                version = max(1, head - draw(st.integers(0, 2)))
                made.append(sent(commit_id, (originator, version, event_at(version, amount))))
                continue
            case "gap":
                made.append(sent(commit_id, (originator, head + 2, event_at(head + 2, amount))))
                continue
            case "several":
                other = draw(st.sampled_from([name for name in ORIGINATORS if name != originator]))
                theirs = heads.get(other, 0)
                claims = [
                    (originator, head + 1, event_at(head + 1, amount)),
                    (other, theirs + 1, event_at(theirs + 1, amount)),
                ]
                made.append(sent(commit_id, *claims))
                heads[other] = theirs + 1
            case _:
                made.append(sent(commit_id, (originator, head + 1, event_at(head + 1, amount)), tracking=tracking))
        heads[originator] = head + 1
    return made


@settings(max_examples=12)
@given(records(), st.data())
def test_rows_do_not_depend_on_how_records_came_in_batches(made: list[Record], data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        one_by_one, in_batches, reopened = (Path(folder) / name for name in ("one", "batches", "reopened"))
        with closing(open_replica(one_by_one)) as replica:
            for record in placed(made):
                replica.apply([record])
        with closing(open_replica(in_batches)) as replica:
            begin = 0
            while begin < len(made):
                end = data.draw(st.integers(begin + 1, len(made)))
                overlap = data.draw(st.integers(0, begin))  # a fetch may bring again what was applied
                replica.apply(placed(made[overlap:end], overlap))
                begin = end
        middle = data.draw(st.integers(0, len(made)))
        with closing(open_replica(reopened)) as replica:
            replica.apply(placed(made[:middle]))
        with closing(open_replica(reopened)) as replica:
            replica.apply(placed(made[middle:], middle))
        assert content(one_by_one) == content(in_batches) == content(reopened)


@settings(max_examples=20)
@given(records())
def test_verdicts_and_chain_are_those_of_the_pure_rule(made: list[Record]) -> None:
    arbiter, chain, accepted = Arbiter(), GENESIS, 0
    verdicts: dict[str, bool] = {}
    for record in made:
        chain = link(chain, record_hash(record))
        try:
            commit = to_commit(record)
        except MalformedRecord:
            continue
        if commit.commit_id not in verdicts:
            verdicts[commit.commit_id] = arbiter.settle(commit).accepted
            accepted += len(commit.slots) if verdicts[commit.commit_id] else 0
    with TemporaryDirectory() as folder:
        path = Path(folder) / "replica"
        with closing(open_replica(path)) as replica:
            replica.apply(placed(made))
            assert (replica.tail.next_offset, replica.tail.next_ordinal, replica.tail.chain) == (
                len(made),
                accepted + 1,
                chain,
            )
            with replica.datastore.reading() as connection:
                found = verify(connection)
            assert (found.broken, found.records, found.chain) == (None, len(made), chain.hex())
        judged = dict(rows(path, "SELECT commit_id, void_reason IS NULL FROM commits"))
        assert judged == {commit_id: int(verdict) for commit_id, verdict in verdicts.items()}
        heads = dict(rows(path, "SELECT originator_id, max(originator_version) FROM stored_events GROUP BY 1"))
        assert heads == arbiter.heads


def test_a_newer_writers_record_halts_the_replica_behind_what_came_before(tmp_path: Path) -> None:
    newer = Record((("v", b"2"), ("commit", b"x"), ("streams", b'[["a",2]]')), b"[{}]")
    with closing(open_replica(tmp_path / "replica")) as replica:
        with pytest.raises(Halted, match=r"offset 1: envelope version 2 is not known.*upgrade"):
            replica.apply(placed([sent("one", ("a", 1, OPENED)), newer, sent("two", ("b", 1, OPENED))]))
        assert replica.tail.next_offset == 1
        assert len(rows(tmp_path / "replica", "SELECT 1 FROM stored_events")) == 1


def test_an_event_that_cannot_be_folded_stops_its_own_document_only(tmp_path: Path) -> None:
    with closing(open_replica(tmp_path / "replica")) as replica:
        replica.apply(
            placed(
                [
                    sent("one", ("a", 1, OPENED), ("a", 2, Added(amount=5))),
                    unreadable("two", "a", 3),
                    sent("three", ("a", 4, Added(amount=7)), ("b", 1, OPENED)),
                    sent("four", ("a", 5, Noticed(text="foreign"))),
                    sent("five", ("b", 2, Added(amount=1))),
                ]
            )
        )
        documents = DocumentReader(replica.datastore, replica.states)
        stopped, other = documents.get("tally", "a"), documents.get("tally", "b")
        assert stopped is not None
        assert other is not None
        assert (stopped.version, stopped.state.total) == (2, 5)
        assert (other.version, other.state.total) == (2, 1)
        assert "tally.unheard_of" in (replica.unfoldable("a") or "")
        assert replica.unfoldable("b") is None
        assert replica.tail.next_ordinal == 8  # arbitration never looked at the payload


def test_a_replica_of_another_cluster_or_topic_is_refused_with_both_names(tmp_path: Path) -> None:
    open_replica(tmp_path / "replica").close()
    for identity in (LogIdentity("other", "topic"), LogIdentity("cluster", "made-anew")):
        with pytest.raises(UnfitCluster, match="replica"):
            open_replica(tmp_path / "replica", identity=identity)
    open_replica(tmp_path / "replica", identity=IDENTITY).close()


def test_what_the_disk_refuses_is_not_half_applied(tmp_path: Path) -> None:
    path = tmp_path / "replica"
    with closing(open_replica(path)) as replica:
        replica.apply(placed([sent("one", ("a", 1, OPENED))]))
        replica._connection.execute("PRAGMA max_page_count=1")
        big = [sent(f"c{n}", (f"b{n}", 1, Opened(org_id="o", label="x" * 3000))) for n in range(300)]
        with pytest.raises(LogUnavailable, match="no space"):
            replica.apply(placed(big, 1))
        assert replica.tail.next_offset == 1
        replica._connection.execute("PRAGMA max_page_count=1000000")
        replica.apply(placed(big, 1))
        assert replica.tail.next_offset == 301


@pytest.mark.parametrize(
    ("change", "record"),
    [
        ("UPDATE other_records SET record=x'00' WHERE kind='poison'", 2),
        ("UPDATE other_records SET record_hash=zeroblob(32) WHERE kind='duplicate'", 3),
        ("UPDATE other_records SET commit_id='other' WHERE kind='duplicate'", 3),
        ("DELETE FROM other_records WHERE kind='duplicate'", 4),
        ("UPDATE stored_events SET state=x'7b7d' WHERE ordinal=2", 4),
    ],
)
def test_a_changed_replica_does_not_verify(tmp_path: Path, change: str, record: int) -> None:
    first = sent("one", ("a", 1, OPENED))
    with closing(open_replica(tmp_path / "replica")) as replica:
        replica.apply(placed([first, Record((), b"poison"), first, sent("two", ("a", 2, Added(amount=1)))]))
        replica._connection.execute(change)
        with replica.datastore.reading() as connection:
            broken = verify(connection).broken
    assert broken is not None
    assert broken.sequence == record
