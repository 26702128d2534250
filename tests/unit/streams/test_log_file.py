"""What only the log's file can show: tampering, refolding by changed code, snapshots, connection settings."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.aggregate import Aggregate, DocumentKeys
from domain.event import Recorded
from domain.fragments import Fragment, FragmentBatch
from domain.log.arbitration import Arbiter
from domain.log.codec import UnknownEventType
from domain.log.commit import Commit, Slot
from domain.log.ports import LogUnavailable
from domain.log.position import Position
from streams.log.append import append_all
from streams.log.datastore import LogDatastore
from streams.log.embedded import EmbeddedLog
from streams.log.factory import LogFactory
from streams.log.file_uri import read_only_uri
from streams.log.fold import SNAPSHOT_INTERVAL
from streams.log.reading import opened_shard
from streams.log.verification import verify
from streams.media_log.embedded import EmbeddedFragmentLog
from tests.contracts.log_contract import START, SteppingClock, commit, new_id
from tests.contracts.tally import TALLIES, TALLY, TALLY_TYPES, Add, Added, CutKey, Open, Opened, Tally

OPENED = Opened(org_id="org-1")


@contextmanager
def opened(path: Path, aggregates: dict[str, Aggregate[Any, Any]] = TALLIES) -> Iterator[EmbeddedLog]:
    log = EmbeddedLog.open(path, clock=SteppingClock(), new_id=new_id, aggregates=aggregates, types=TALLY_TYPES)
    with closing(log):
        yield log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.sqlite"


def edit(path: Path, statement: str, *parameters: Any) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement, parameters)
        connection.commit()


def select(path: Path, statement: str, *parameters: Any) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement, parameters).fetchall()


# Tampering


@pytest.fixture
def written(path: Path) -> Path:
    """Four records, the third void, on five events."""
    with opened(path) as log:
        log.append(commit("one", ("a", 1, OPENED), ("a", 2, Added(amount=1))))
        log.append(commit("two", ("b", 1, OPENED), tracking=("up", 3)))
        log.append(commit("void", ("a", 2, Added(amount=9))))
        log.append(commit("four", ("a", 3, Added(amount=2)), ("b", 2, Added(amount=3))))
        assert log.verify().broken is None
    return path


@pytest.mark.parametrize(
    ("statement", "record", "reason"),
    [
        (
            "UPDATE stored_events SET state=CAST(replace(state, '1', '7') AS BLOB) WHERE ordinal=2",
            "one",
            "content differs",
        ),
        ("UPDATE stored_events SET state=CAST(state AS TEXT) WHERE ordinal=2", "one", "not stored as bytes"),
        ("UPDATE stored_events SET topic='tally.closed' WHERE ordinal=2", "one", "filed as tally.closed"),
        ("UPDATE stored_events SET originator_id='c' WHERE ordinal=3", "two", "content differs"),
        ("DELETE FROM stored_events WHERE ordinal=3", "two", "not the next ones"),
        ("UPDATE commits SET tracking_position=4 WHERE commit_id='two'", "two", "content differs"),
        ("UPDATE commits SET void_record=zeroblob(8) WHERE commit_id='void'", "void", "cannot be read"),
        ("UPDATE commits SET chain=zeroblob(32) WHERE commit_id='two'", "two", "link does not follow"),
        ("UPDATE commits SET record_hash=zeroblob(32) WHERE commit_id='one'", "one", "content differs"),
        ("DELETE FROM commits WHERE commit_id='void'", "four", "record 3 is missing"),
        ("UPDATE commits SET events=1 WHERE commit_id='four'", "four", "content differs"),
        ("DELETE FROM commits WHERE commit_id='four'", "", "belongs to no commit"),
    ],
)
def test_the_first_changed_record_is_found(written: Path, statement: str, record: str, reason: str) -> None:
    edit(written, statement)
    with opened(written) as log:
        broken = log.verify().broken
    assert broken is not None
    assert broken.commit_id == record
    assert reason in broken.reason


def test_a_rewritten_record_breaks_the_chain_even_with_its_hash_made_anew(written: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    with opened(other) as log:
        log.append(commit("one", ("a", 1, OPENED), ("a", 2, Added(amount=7))))
    state, hashed = (
        select(other, "SELECT state FROM stored_events WHERE ordinal=2")[0][0],
        select(other, "SELECT record_hash FROM commits")[0][0],
    )
    edit(written, "UPDATE stored_events SET state=? WHERE ordinal=2", state)
    edit(written, "UPDATE commits SET record_hash=? WHERE commit_id='one'", hashed)
    with opened(written) as log:
        broken = log.verify().broken
    assert broken is not None
    assert (broken.commit_id, broken.ordinal) == ("one", 1)
    assert "link does not follow" in broken.reason


def test_an_untouched_log_verifies_after_vacuum(written: Path) -> None:
    edit(written, "VACUUM")
    with opened(written) as log:
        found = log.verify()
        assert (found.records, found.events, found.broken) == (4, 5, None)
        assert log.read(Position(0, 4), 10)[0].position == Position(0, 5)


def test_a_newer_writers_record_halts_this_one(written: Path) -> None:
    with opened(written) as log:
        edit(written, "UPDATE commits SET v=2 WHERE commit_id='four'")
        with pytest.raises(LogUnavailable, match="envelope version 2"):
            log.append(commit("five", ("c", 1, OPENED)))
        with pytest.raises(LogUnavailable, match="halted"):
            log.append(commit("six", ("c", 1, OPENED)))
        assert log.history("c") == []
    with pytest.raises(LogUnavailable, match="written by a newer build"):
        EmbeddedLog.open(written, clock=SteppingClock(), new_id=new_id)


# Arbitration on a file is arbitration in memory

claims = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), max_size=3)
tracked = st.none() | st.tuples(st.just("up"), st.integers(1, 6))
drawn_commits = st.builds(
    lambda number, slots, tracking: Commit(
        commit_id=f"{number}-{slots}-{tracking}",
        slots=tuple(Slot(*slot) for slot in slots),
        topics=("t",) * len(slots),
        bodies=(b"{}",) * len(slots),
        tracking=tracking,
    ),
    st.integers(0, 3),
    claims,
    tracked,
).filter(lambda drawn: drawn.slots or drawn.tracking)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(drawn_commits, max_size=6), max_size=8))
def test_any_batches_settle_as_the_pure_rule_says(tmp_path: Path, batches: list[list[Commit]]) -> None:
    factory = LogFactory({"SQLITE_DBNAME": f"file:{tmp_path / new_id()}", "ORIGINATOR_ID_TYPE": "text"})
    with closing(factory):
        recorder, arbiter = factory.process_recorder(), Arbiter()
        for batch in batches:
            receipts = recorder.append(batch)
            assert [receipt.verdict for receipt in receipts] == [arbiter.settle(drawn) for drawn in batch]
        notifications = recorder.select_notifications(None, 1000)
        assert [notification.id for notification in notifications] == list(range(1, len(notifications) + 1))
        heads = {notification.originator_id: notification.originator_version for notification in notifications}
        assert heads == arbiter.heads
        with recorder.datastore.reading() as connection:
            assert verify(connection).broken is None


# Refolding and snapshots


async def fill(log: EmbeddedLog, additions: int) -> None:
    await log.execute(TALLY, "a", Open("org-1", "label"))
    await log.execute(TALLY, "a", CutKey("hash-1"))
    for number in range(additions):
        await log.record("a", [Added(amount=number)], [START])


async def test_changed_code_never_reads_what_the_old_code_folded(path: Path) -> None:
    with opened(path) as log:
        await fill(log, 2 * SNAPSHOT_INTERVAL)

    def doubled_keys(state: Tally) -> DocumentKeys:
        return DocumentKeys(org_id=state.org_id + "-renamed", created_at=state.created_at, updated_at=state.updated_at)

    class Sum(Tally, frozen=True, kw_only=True):
        doubled: int = 0

    def doubling(state: Sum | None, recorded: Any) -> Sum:
        plain = TALLY.evolve(state, recorded)
        fields = {name: getattr(plain, name) for name in Tally.__struct_fields__}
        return Sum(**fields, doubled=2 * plain.total)

    changed: Aggregate[Any, Any] = replace(TALLY, state_type=Sum, evolve=doubling, keys=doubled_keys)
    with opened(path, {"tally": changed}) as log:
        document = log.get("tally", "a")
        assert document is not None
        assert document.keys.org_id == "org-1-renamed"
        assert document.state.doubled == 2 * sum(range(2 * SNAPSHOT_INTERVAL))
        assert log.find_key("hash-1") is None
        assert log.rebuilt("a").state == document.state


async def test_a_build_that_cannot_read_an_event_says_which(path: Path) -> None:
    with opened(path) as log:
        await fill(log, 1)
    older = {name: kind for name, kind in TALLY_TYPES.items() if name != "tally.key_cut"}
    with pytest.raises(LogUnavailable, match=r"an event this build cannot read: .*tally\.key_cut"):
        EmbeddedLog.open(path, clock=SteppingClock(), new_id=new_id, aggregates=TALLIES, types=older)
    with opened(path) as log:
        assert log.find_key("hash-1") is not None


async def test_the_same_code_keeps_its_documents(path: Path) -> None:
    with opened(path) as log:
        await fill(log, SNAPSHOT_INTERVAL)
    edit(path, "UPDATE documents SET reference='left alone'")
    with opened(path) as log:
        assert [document.id for document in log.list("tally", reference="left alone")] == ["a"]


async def test_a_snapshot_saves_the_replay_and_changes_nothing(path: Path) -> None:
    with opened(path) as log:
        await fill(log, SNAPSHOT_INTERVAL + 5)
        expected = log.rebuilt("a")
    assert select(path, "SELECT originator_version FROM stored_snapshots") == [(SNAPSHOT_INTERVAL,)]
    # Proof that the snapshot is read: what it covers is no longer there to be replayed.
    edit(path, "DELETE FROM stored_events WHERE originator_version BETWEEN 2 AND ?", SNAPSHOT_INTERVAL)
    with opened(path) as log:
        document = log.get("tally", "a")
        assert document is not None
        assert document.state == expected.state
        assert log.application.folded("a").state == expected.state


async def test_any_past_version_can_be_folded(path: Path) -> None:
    with opened(path) as log:
        await fill(log, SNAPSHOT_INTERVAL + 5)
        for version in (1, 2, 10, SNAPSHOT_INTERVAL, SNAPSHOT_INTERVAL + 1, SNAPSHOT_INTERVAL + 7):
            past = log.application.folded("a", version=version)
            assert (past.version, past.state.total) == (version, sum(range(max(version - 2, 0))))
            assert log.rebuilt("a", version=version) == past


async def test_a_snapshot_taken_through_the_application_is_used(path: Path) -> None:
    with opened(path) as log:
        await fill(log, 10)
        log.application.take_snapshot("a", version=5, projector_func=log.application.project)
        edit(path, "DELETE FROM stored_events WHERE originator_version BETWEEN 2 AND 5")
        assert log.application.folded("a").state.total == sum(range(10))


async def test_events_saved_the_librarys_way_reach_documents_and_repository(path: Path) -> None:
    saved = [
        Recorded("a", 1, "s.0", START, OPENED),
        Recorded("a", 2, "s.1", START, Added(amount=4)),
    ]
    with opened(path) as log:
        recordings = log.application.save(*saved)
        assert [recording.notification.id for recording in recordings] == [1, 2]
        assert [item.topic for item in log.application.notification_log["1,10"].items] == [
            "tally.opened",
            "tally.added",
        ]
        assert log.application.folded("a").state.total == 4
        with pytest.raises(IntegrityError):
            log.application.save(saved[1])
        # The next append through the log folds what passed it by.
        await log.record("a", [Added(amount=1)], [START])
        document = log.get("tally", "a")
        assert document is not None
        assert (document.version, document.state.total) == (3, 5)
        log.application.save(Recorded("b", 1, "t.0", START, OPENED))
    with opened(path) as log:
        assert [document.id for document in log.list("tally")] == ["b", "a"]
        assert log.verify().broken is None


def test_the_mapper_takes_only_what_it_can_give_back(path: Path) -> None:
    with opened(path) as log:
        recorded = Recorded("a", 1, "s.0", START, OPENED)
        mapper = log.application.mapper
        assert mapper.to_domain_event(mapper.to_stored_event(recorded)) == recorded
        with pytest.raises(TypeError, match="neither a recorded event nor a snapshot"):
            mapper.to_stored_event(OPENED)
        with pytest.raises(UnknownEventType, match="os:system"):
            mapper.to_domain_event(StoredEvent("a", 1, "os:system", b"{}"))


def test_the_environment_does_not_choose_the_recorder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_SQLITE_DBNAME", "file:/nowhere/at/all")
    monkeypatch.setenv("PROCESS_RECORDER_TOPIC", "os:system")
    with opened(path) as log:
        assert log.append(commit("one", ("a", 1, OPENED))).verdict.accepted
    assert path.exists()


@pytest.mark.parametrize("name", ["plain", "of#1", "why?", "50%41", "a b ü", ":memory:", "x&mode=memory"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    fragment = Fragment(seq=1, type="mark.t0", at_ms=1.0)
    batch = FragmentBatch(call_id="c", source="s", org_id="org-1", started_at=START, fragments=(fragment,))
    with opened(folder / "log.sqlite") as log, closing(EmbeddedFragmentLog(folder / "media.db")) as media:
        log.append(commit("one", ("a", 1, OPENED)))
        media.append([batch])
        with opened_shard({0: folder / "log.sqlite"}, 0) as reader:
            assert reader.has("a")
        with closing(sqlite3.connect(read_only_uri(folder / "log.sqlite"), uri=True)) as connection:
            assert verify(connection).events == 1
        assert log.files == {0: folder / "log.sqlite"}
        assert list(tmp_path.iterdir()) == [folder]
    with opened(folder / "log.sqlite") as log, closing(EmbeddedFragmentLog(folder / "media.db")) as media:
        assert (len(log.history("a")), media.read("c")) == (1, [fragment])


# Settings of connections


async def test_every_connection_flushes_what_it_commits(path: Path) -> None:
    with opened(path) as log:
        await log.execute(TALLY, "a", Open("org-1"))
        datastore = log.application.datastore
        with datastore.transaction(commit=True) as one, datastore.transaction(commit=False) as other:
            for cursor in (one, other):
                cursor.execute("PRAGMA synchronous")
                assert cursor.fetchone()[0] == 2
        assert select(path, "PRAGMA journal_mode") == [("wal",)]


def test_a_log_in_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="in-memory"):
        LogDatastore("file::memory:?cache=shared")


def test_the_file_is_its_owners_alone(path: Path) -> None:
    with opened(path):
        assert path.stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LogUnavailable, match="cannot be opened"):
        EmbeddedLog.open(tmp_path / "file" / "log.sqlite", clock=SteppingClock(), new_id=new_id)


def test_a_file_that_is_no_database_is_named(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough to have a header" * 100)
    with pytest.raises(LogUnavailable, match="SQLITE_NOTADB"):
        EmbeddedLog.open(path, clock=SteppingClock(), new_id=new_id)


def test_half_a_transaction_leaves_nothing(path: Path) -> None:
    """A defect between writing rows and committing them rolls everything back."""
    with opened(path) as log:
        datastore = log.application.datastore

        def append_and_break() -> None:
            with datastore.transaction(commit=True) as cursor:
                append_all(cursor.sqlite_cursor.connection, [commit("one", ("a", 1, OPENED))])
                raise RuntimeError("in between")

        with pytest.raises(RuntimeError, match="in between"):
            append_and_break()
        assert log.head() == Position(0, 0)
        assert list(log.append(commit("two", ("a", 1, OPENED))).ordinals) == [1]


async def test_two_commands_of_one_batch_on_one_originator_see_each_other(path: Path) -> None:
    """Both were decided on the same state; the second loses inside the batch and is decided again."""
    with opened(path) as log:
        await log.execute(TALLY, "a", Open("org-1"))
        states = await asyncio.gather(*(log.execute(TALLY, "a", Add(1)) for _ in range(8)))
        assert sorted(state.total for state, _ in states) == list(range(1, 9))
        assert log.verify().broken is None
