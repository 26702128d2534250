"""What was done to an archive is told, and where first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.log.checkpoint import Checkpoint, encode
from streams.archive.segment import segments
from streams.archive.verification import BrokenSegment, verify_archive, verify_shard
from streams.log.checkpoint_key import CheckpointKey
from tests.contracts.log_contract import commit
from tests.contracts.tally import Added, Opened
from tests.unit.streams.archive.making import archived, rewrite, written

OPENED = Opened(org_id="org-1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four files: records 1 and 2; 3, which is void, 4 and 5; 6 and 7; 8."""
    commits = [
        commit("c1", ("a", 1, OPENED)),
        commit("c2", ("b", 1, OPENED), ("a", 2, Added(amount=2))),
        commit("c3", ("a", 2, Added(amount=3))),
        commit("c4", ("a", 3, Added(amount=4))),
        commit("c5", ("b", 2, Added(amount=5)), tracking=("up", 5)),
        commit("c6", ("a", 4, Added(amount=6)), ("a", 5, Added(amount=6))),
        commit("c7", ("b", 3, Added(amount=7))),
        commit("c8", ("a", 6, Added(amount=8)), ("b", 4, Added(amount=8))),
    ]
    archived(written(tmp_path / "log.db", commits), tmp_path / "archive")
    found = segments(tmp_path / "archive")
    assert [(one.first, one.last) for one in found] == [(1, 2), (3, 5), (6, 7), (8, 8)]
    return tmp_path / "archive"


def broken(folder: Path) -> BrokenSegment:
    (shard,) = verify_archive(folder)
    assert shard.broken is not None
    return shard.broken


def test_an_untouched_archive_holds(folder: Path) -> None:
    (shard,) = verify_archive(folder)
    assert (shard.broken, shard.files, shard.records, shard.events) == (None, 4, 8, 10)


@pytest.mark.parametrize(
    ("statement", "record", "reason"),
    [
        ("UPDATE rows SET body=replace(body, '4', '9') WHERE sequence=4", 4, "content differs"),
        ("UPDATE rows SET originator_id='c' WHERE sequence=4", 4, "content differs"),
        ("UPDATE rows SET originator_version=9 WHERE sequence=4", 4, "content differs"),
        ("UPDATE rows SET commit_id='other' WHERE sequence=5", 5, "content differs"),
        ("UPDATE rows SET tracking_position=6 WHERE sequence=5", 5, "content differs"),
        ("UPDATE rows SET time=time - INTERVAL 1 DAY WHERE sequence=4", 4, "columns of event 0:4"),
        ("UPDATE rows SET type='tally.closed' WHERE sequence=4", 4, "columns of event 0:4"),
        ("UPDATE rows SET id='x' WHERE sequence=5", 5, "columns of event 0:5"),
        ("UPDATE rows SET ordinal=9 WHERE sequence=4", 4, "events are not the next ones"),
        ("UPDATE rows SET chain=record_hash WHERE sequence=4", 4, "content differs"),
        ("UPDATE rows SET shard=1 WHERE sequence=4", 4, "another shard"),
        ("UPDATE rows SET body=NULL WHERE sequence=4", 4, "has no body"),
        ("UPDATE rows SET raw=NULL WHERE sequence=3", 3, "its record is missing"),
        ("UPDATE rows SET raw='\\x00'::BLOB WHERE sequence=3", 3, "cannot be read"),
        (
            "UPDATE rows SET outcome='poison' WHERE sequence=3",
            3,
            "marked poison, and its place in the log makes it void",
        ),
        ("UPDATE rows SET outcome='accepted', raw=NULL WHERE sequence=3", 3, "cannot be read"),
        ("DELETE FROM rows WHERE sequence=3", 3, "record 3 is missing"),
        ("DELETE FROM rows WHERE sequence=4", 4, "record 4 is missing"),
        ("DELETE FROM rows WHERE sequence=5", 5, "its end lacks record 5"),
        ("INSERT INTO rows SELECT * FROM rows WHERE sequence=4", 4, "events are not the next ones"),
        ("UPDATE rows SET sequence=9-sequence WHERE sequence IN (4, 5)", 4, "events are not the next ones"),
    ],
)
def test_the_first_changed_record_is_named(folder: Path, statement: str, record: int, reason: str) -> None:
    rewrite(segments(folder)[1].path, statement)
    found = broken(folder)
    assert (found.file, found.record) == ("shard-0/000000000003-000000000005.parquet", record)
    assert reason in found.reason


def test_an_event_that_was_taken_out_of_a_commit_is_missed(folder: Path) -> None:
    rewrite(segments(folder)[2].path, "DELETE FROM rows WHERE ordinal=7")
    assert broken(folder).record == 6


@pytest.mark.parametrize(
    ("footer", "reason"),
    [
        ({"digest": "00" * 32}, "digest"),
        ({"chain_after": "00" * 32}, "another end"),
        ({"chain_before": "00" * 32}, "does not begin where"),
        ({"next_ordinal": 9}, "another end"),
        ({"last_sequence": 6}, "named after"),
        ({"log": "cluster/topic"}, "another log"),
        ({"format": 2}, "format 2, and this build reads 1"),
    ],
)
def test_a_changed_footer_is_named(folder: Path, footer: dict[str, object], reason: str) -> None:
    rewrite(segments(folder)[1].path, "SELECT 1", **footer)
    found = broken(folder)
    assert found.file == "shard-0/000000000003-000000000005.parquet"
    assert reason in found.reason


def _swap(folder: Path) -> None:
    one, other = segments(folder)[1].path, segments(folder)[2].path
    one.rename(folder / "aside")
    other.rename(one)
    (folder / "aside").rename(other)


def _remove(number: int) -> Callable[[Path], None]:
    return lambda folder: segments(folder)[number].path.unlink()


def _repeat(folder: Path) -> None:
    path = segments(folder)[1].path
    (path.parent / "000000000004-000000000005.parquet").write_bytes(path.read_bytes())
    rewrite(path.parent / "000000000004-000000000005.parquet", "DELETE FROM rows WHERE sequence=3", first_sequence=4)


def _garble(folder: Path) -> None:
    path = segments(folder)[1].path
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(196)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "file", "reason"),
    [
        (_swap, "000000000003-000000000005", "holds records 6 to 7 of shard 0, not what it is named after"),
        (_remove(0), "000000000003-000000000005", "no file before it holds records 1 to 2"),
        (_remove(1), "000000000006-000000000007", "no file before it holds records 3 to 5"),
        (_repeat, "000000000004-000000000005", "record 4 stands in a file before it already"),
        (_garble, "000000000003-000000000005", "cannot be read"),
        (lambda folder: segments(folder)[1].path.write_bytes(b"PAR1"), "000000000003-000000000005", "cannot be read"),
    ],
)
def test_what_was_done_to_files_is_named(folder: Path, harm: Callable[[Path], object], file: str, reason: str) -> None:
    harm(folder)
    found = broken(folder)
    assert found.file == f"shard-0/{file}.parquet"
    assert reason in found.reason


def test_a_history_that_was_chained_anew_does_not_fit_the_file_behind_it(folder: Path, tmp_path: Path) -> None:
    forged = [
        commit("c1", ("a", 1, OPENED)),
        commit("c2", ("b", 1, OPENED), ("a", 2, Added(amount=1_000_000))),
    ]
    archived(written(tmp_path / "forged.db", forged), tmp_path / "forged")
    segments(tmp_path / "forged")[0].path.replace(segments(folder)[0].path)
    found = broken(folder)
    assert found.file == "shard-0/000000000003-000000000005.parquet"
    assert "does not begin where the file before it ends" in found.reason


def signed_by(key: CheckpointKey, chain: str, records: int = 5) -> str:
    said = Checkpoint(log="", shard=0, records=records, events=6, chain=chain, time=datetime(2026, 11, 21, tzinfo=UTC))
    return encode(key.sign(said)).decode()


def test_what_was_signed_is_held_against_the_files_that_carry_it(folder: Path) -> None:
    key, other = CheckpointKey.parse("11" * 32), CheckpointKey.parse("22" * 32)
    path = segments(folder)[1].path
    chain = verify_shard(0, segments(folder)[:2], lambda _: None).chain
    for line, trusted, reason in (
        (signed_by(key, chain), {key.public}, ""),
        (signed_by(key, "00" * 32), set(), ""),
        (signed_by(key, "00" * 32), {key.public}, "chain after record 5 is not the one that was signed"),
        (signed_by(other, chain), {key.public}, "not trusted"),
        (signed_by(other, chain).replace(other.public, key.public), {key.public}, "that key did not sign it"),
        (signed_by(key, chain, records=9), {key.public}, "the log ends after 5"),
    ):
        rewrite(path, "SELECT 1", checkpoints=(line,))
        (shard,) = verify_archive(folder, trusted=trusted)
        assert reason in (shard.broken.reason if shard.broken else "")
        assert (shard.broken is None, shard.checkpoints) == (not reason, int(bool(trusted) and not reason))
