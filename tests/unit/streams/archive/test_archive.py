"""An archive holds the log whole: what goes in comes out, wherever files end and however often it is continued."""

from __future__ import annotations

import fcntl
import os
import resource
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.event import Event
from domain.log.commit import Commit
from domain.log.envelope import Record
from streams.archive import archiver
from streams.archive.archiver import ArchiveMismatch
from streams.archive.asking import opened_archive
from streams.archive.parquet import write_segment
from streams.archive.restoring import Unrestorable, archived_log, restore
from streams.archive.segment import segments
from streams.archive.source import Unarchivable
from streams.archive.verification import Verified, verify_archive, verify_shard
from streams.log.verification import verify
from tests.contracts.log_contract import commit
from tests.contracts.tally import TALLIES, TALLY_TYPES, Added, Opened
from tests.unit.streams.archive.making import archived, content, tally_log, written
from tests.unit.streams.log import partition
from tests.unit.streams.log.partition import open_replica, placed
from tests.unit.streams.log.test_replica import records

OPENED = Opened(org_id="org-1")
FIVE = [
    commit("one", ("a", 1, OPENED), ("a", 2, Added(amount=1))),
    commit("two", ("b", 1, OPENED), tracking=("up", 3)),
    commit("void", ("a", 2, Added(amount=9))),
    commit("tracked", tracking=("up", 4)),
    commit("five", ("a", 3, Added(amount=2, note="it's; «naïve» \x00 🎉")), ("b", 2, Added(amount=3))),
]


@st.composite
def histories(draw: st.DrawFn) -> list[Commit]:
    """Commits of one to four events, some of them void, some that only move a tracking position."""
    made, heads, tracked = [], {"a": 0, "b'\x00é": 0}, 0
    for number in range(draw(st.integers(1, 25))):
        if draw(st.integers(0, 9)) == 0:
            tracked += draw(st.integers(0, 1))
            made.append(commit(f"c{number}", tracking=("up'", tracked)))
            continue
        claims: list[tuple[str, int, Event]] = []
        late = draw(st.integers(0, 4)) == 0
        for originator in draw(st.lists(st.sampled_from(sorted(heads)), min_size=1, max_size=4)):
            heads[originator] += 0 if late else 1
            version = max(heads[originator], 1)
            event = OPENED if version == 1 else Added(amount=number, note=draw(st.text(max_size=5)))
            claims.append((originator, version, event))
        made.append(commit(f"c{number}", *claims))
    return made


@settings(max_examples=6, deadline=None)
@given(histories(), st.integers(1, 8), st.integers(0, 25))
def test_a_restored_log_is_the_log(made: list[Commit], segment_events: int, halfway: int) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        log = written(folder / "log.db", made[:halfway])
        archived(log, folder / "archive", segment_events=segment_events)
        done = archived(written(log, made[halfway:]), folder / "archive", segment_events=segment_events)
        (found,) = verify_archive(folder / "archive")
        assert (found.broken, found.records, found.chain) == (None, len(made), done.chain)
        restored = restore("", segments(folder / "archive"), folder / "restored.db")
        assert content(folder / "restored.db") == content(log)
        with closing(tally_log(folder / "restored.db")) as opened, closing(tally_log(log)) as original:
            assert opened.verify() == original.verify()
            assert opened.list("tally") == original.list("tally")
            assert restored.chain == opened.verify().chain


@settings(max_examples=6, deadline=None)
@given(records(), st.integers(1, 6))
def test_what_came_to_nothing_is_kept_as_it_stood(made: list[Record], segment_events: int) -> None:
    with TemporaryDirectory() as temporary:
        replica, folder = Path(temporary) / "replica.db", Path(temporary) / "archive"
        with closing(open_replica(replica)) as opened:
            opened.apply(placed(made))
        archived(replica, folder, segment_events=segment_events)
        read: list[Verified] = []
        found = verify_shard(0, segments(folder), read.append)
        with closing(sqlite3.connect(replica, isolation_level=None)) as connection:
            known = verify(connection)
        assert (found.broken, found.records, found.events, found.chain) == (
            None,
            len(made),
            known.events,
            known.chain,
        )
        assert [one.record for one in read] == made
        name, by_shard = archived_log(folder)
        restore(name, by_shard[0], Path(temporary) / "restored.db", aggregates=TALLIES, types=TALLY_TYPES)
        assert partition.content(Path(temporary) / "restored.db") == partition.content(replica)


def test_files_follow_one_another_and_are_never_written_again(tmp_path: Path) -> None:
    log, to = written(tmp_path / "log.db", FIVE[:3]), tmp_path / "archive"
    archived(log, to)
    before = {found.path: found.path.read_bytes() for found in segments(to)}
    assert [(found.first, found.last) for found in segments(to)] == [(1, 2), (3, 3)]
    done = archived(written(log, FIVE[3:]), to)
    assert (done.files, done.records, done.events, done.last_sequence, done.last_ordinal) == (1, 2, 2, 5, 5)
    assert archived(log, to).files == 0
    assert [(found.first, found.last) for found in segments(to)] == [(1, 2), (3, 3), (4, 5)]
    assert {path: path.read_bytes() for path in before} == before


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    archived(written(tmp_path / "log.db", FIVE), tmp_path / "archive")
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "archive").rglob("*.parquet")}
    folders = {path.stat().st_mode & 0o777 for path in (tmp_path / "archive", tmp_path / "archive" / "shard-0")}
    assert (modes, folders) == ({0o600}, {0o700})


def test_rows_are_sorted_by_history_and_say_whose_they_are(tmp_path: Path) -> None:
    archived(written(tmp_path / "log.db", FIVE), tmp_path / "archive", segment_events=100)
    with opened_archive(tmp_path / "archive") as opened:
        events = opened.ask("SELECT originator_id, originator_version, org_id, data->>'note' FROM events", limit=10)
        kept = opened.ask("SELECT outcome, reason, events, raw IS NULL FROM records ORDER BY sequence", limit=10)
    assert [row[:3] for row in events.rows] == [
        ("a", 1, "org-1"),
        ("a", 2, "org-1"),
        ("a", 3, "org-1"),
        ("b", 1, "org-1"),
        ("b", 2, "org-1"),
    ]
    assert events.rows[2][3] == "it's; «naïve» \x00 🎉"
    assert [row[0] for row in kept.rows] == ["accepted", "accepted", "void", "accepted", "accepted"]
    assert kept.rows[2][1:] == ("a is at version 2, version 2 is taken", 0, False)
    assert kept.rows[3][2:] == (0, True)


def test_an_archive_is_continued_by_its_own_log_only(tmp_path: Path) -> None:
    archived(written(tmp_path / "log.db", FIVE[:2]), tmp_path / "archive")
    other = written(tmp_path / "other.db", [FIVE[0], commit("else", ("b", 1, OPENED)), FIVE[4]])
    with pytest.raises(ArchiveMismatch, match="ends with record 2 of another log"):
        archived(other, tmp_path / "archive")
    with pytest.raises(ArchiveMismatch, match="changed or cut"):
        archived(written(tmp_path / "cut.db", FIVE[:1]), tmp_path / "archive")
    assert len(segments(tmp_path / "archive")) == 1


def test_a_broken_log_is_not_archived(tmp_path: Path) -> None:
    log = written(tmp_path / "log.db", FIVE)
    with closing(sqlite3.connect(log)) as connection, connection:
        connection.execute("UPDATE stored_events SET originator_id='c' WHERE ordinal=5")
    with pytest.raises(Unarchivable, match=r"record 5 of shard 0 cannot be archived: its content differs"):
        archived(log, tmp_path / "archive", segment_events=2)
    assert [found.last for found in segments(tmp_path / "archive")] == [1, 3]


def test_bodies_that_were_given_up_are_asked_for_elsewhere(tmp_path: Path) -> None:
    log = written(tmp_path / "log.db", FIVE)
    with closing(sqlite3.connect(log)) as connection, connection:
        connection.execute("UPDATE stored_events SET state=x'' WHERE originator_id='b'")
    with pytest.raises(Unarchivable, match="bodies of b were given up here; archive from another replica"):
        archived(log, tmp_path / "archive")


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, to = written(tmp_path / "log.db", FIVE), tmp_path / "archive"

    def full(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", full)
        with pytest.raises(OSError, match="no space"):
            archived(log, to)
    assert list((to / "shard-0").iterdir()) == []
    (to / "shard-0" / ".000000000001-000000000009.parquet.partial").write_bytes(b"PAR1")  # of a killed process
    archived(log, to)
    assert [found.broken for found in verify_archive(to)] == [None]
    assert not list(to.rglob("*.partial"))


def test_a_file_that_finds_no_room_is_told_as_the_operating_system_tells_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, to = written(tmp_path / "log.db", FIVE), tmp_path / "archive"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def without_room(*arguments: Any) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (512, hard))
        try:
            write_segment(*arguments)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    monkeypatch.setattr(archiver, "write_segment", without_room)
    with pytest.raises(OSError, match=r"File too large: '.*/shard-0/[0-9-]+\.parquet'"):
        archived(log, to)
    assert list((to / "shard-0").iterdir()) == []


def test_one_process_at_a_time_writes(tmp_path: Path) -> None:
    to = tmp_path / "archive"
    to.mkdir()
    handle = os.open(to, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(ArchiveMismatch, match="another process is writing"):
            archived(written(tmp_path / "log.db", FIVE), to)
    finally:
        os.close(handle)


def test_a_log_is_restored_to_a_new_place_and_whole(tmp_path: Path) -> None:
    archived(written(tmp_path / "log.db", FIVE), tmp_path / "archive")
    with pytest.raises(Unrestorable, match="already"):
        restore("", segments(tmp_path / "archive"), tmp_path / "log.db")
    segments(tmp_path / "archive")[1].path.unlink()
    with pytest.raises(Unrestorable, match="is broken: no file before it holds"):
        restore("", segments(tmp_path / "archive"), tmp_path / "new" / "log.db")
    assert list((tmp_path / "new").iterdir()) == []
    with pytest.raises(Unrestorable, match="there is no archive"):
        archived_log(tmp_path / "nowhere")
