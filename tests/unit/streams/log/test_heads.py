"""Signed checkpoints: when they are made, who is believed, and that none is made over a contradiction."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain.log.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    content,
    decode,
    encode,
    held_against,
)
from domain.log.ports import LogUnavailable
from streams.log import heads
from streams.log.checkpoint_key import CheckpointKey, InvalidKey, public_key, sort_out
from streams.log.embedded import EmbeddedLog
from streams.log.head_file import HeadFile, Placed
from streams.log.heads import HeadKeeper, chain_at
from tests.contracts.log_contract import START, SteppingClock, commit, new_id
from tests.contracts.tally import TALLIES, TALLY_TYPES, Added, Opened
from tests.patience import PATIENCE_S
from tests.unit.streams.log.partition import open_replica, placed, sent

OPENED = Opened(org_id="org-1")
OURS = CheckpointKey(b"\1" * 32)
THEIRS = CheckpointKey(b"\2" * 32)

AT_10 = Checkpoint(log="", shard=0, records=10, events=12, chain="ab" * 32, time=START)


class Kept:
    """A store in memory that can be out of reach."""

    def __init__(self) -> None:
        self.kept: list[SignedCheckpoint] = []
        self.away = False
        self.grown = threading.Condition()

    def publish(self, checkpoint: SignedCheckpoint) -> None:
        with self.grown:
            self.grown.notify_all()
            if self.away:
                raise LogUnavailable("away")
            self.kept.append(checkpoint)

    def read(self) -> list[Placed]:
        return [(f"number {number}", encode(checkpoint)) for number, checkpoint in enumerate(self.kept)]

    def wait(self, count: int) -> None:
        with self.grown:
            assert self.grown.wait_for(lambda: len(self.kept) >= count, PATIENCE_S)

    @property
    def records(self) -> list[int]:
        return [content(checkpoint).records for checkpoint in self.kept]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def log(path: Path) -> Iterator[EmbeddedLog]:
    opened = EmbeddedLog.open(path, clock=SteppingClock(), new_id=new_id, aggregates=TALLIES, types=TALLY_TYPES)
    with closing(opened):
        yield opened


@pytest.fixture(autouse=True)
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "_LOOK_SECONDS", 0.01)


Keep = Callable[..., HeadKeeper]


def keeper(path: Path, store: Kept | HeadFile, **options: Any) -> HeadKeeper:
    clock: Callable[[], datetime] = SteppingClock()
    return HeadKeeper({0: path}, OURS, [store], clock=clock, **{"every_records": 3, **options})


def append(log: EmbeddedLog, count: int, *, originator: str = "a") -> None:
    for number in range(1, count + 1):
        event = OPENED if number == 1 else Added(amount=number)
        log.append(commit(new_id(), (originator, number, event)))


def test_a_clean_end_is_signed(path: Path, log: EmbeddedLog) -> None:
    store = Kept()
    with closing(keeper(path, store)):
        append(log, 2)
        log.close()
    (signed,) = store.kept
    said = content(signed)
    assert (said.records, said.events, said.shard) == (2, 2, 0)
    with closing(sqlite3.connect(path)) as connection:
        assert chain_at(connection, 2) == said.chain
    assert sort_out(store.read(), {OURS.public}, 0).findings == ()


def test_so_many_records_are_signed_while_the_log_is_open(path: Path, log: EmbeddedLog) -> None:
    store = Kept()
    with closing(keeper(path, store, every_records=5, every_seconds=3600)):
        append(log, 5)
        store.wait(1)
        assert store.records == [5]


def test_what_is_new_is_signed_after_some_time_however_little(path: Path, log: EmbeddedLog) -> None:
    store = Kept()
    with closing(keeper(path, store, every_records=1000, every_seconds=0.05)):
        append(log, 1)
        store.wait(1)
    assert store.records == [1]


def test_nothing_new_is_not_signed_again(path: Path, log: EmbeddedLog) -> None:
    store = Kept()
    append(log, 2)
    for _ in range(2):
        with closing(keeper(path, store)):
            pass
    assert store.records == [2]


def test_an_empty_log_is_not_signed(path: Path) -> None:
    store = Kept()
    with closing(keeper(path, store)):
        pass
    assert store.kept == []


def test_a_file_without_tables_yet_is_no_trouble(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.touch()
    kept = Kept()
    HeadKeeper({0: path}, OURS, [kept], clock=SteppingClock()).close()
    assert (kept.records, caplog.records) == ([], [])


def test_a_store_out_of_reach_is_tried_again(path: Path, log: EmbeddedLog) -> None:
    store = Kept()
    store.away = True
    with closing(keeper(path, store)):
        append(log, 3)
        with store.grown:
            assert store.grown.wait(PATIENCE_S)
        store.away = False
        store.wait(1)
    assert store.records == [3]


def test_a_replica_is_signed_by_offsets(tmp_path: Path) -> None:
    path = tmp_path / "log-0.db"
    records = [sent("one", ("a", 1, OPENED)), sent("void", ("a", 1, OPENED)), sent("one", ("a", 1, OPENED))]
    with closing(open_replica(path)) as replica:
        replica.apply(placed(records))
        chain = replica.tail.chain.hex()
    store = Kept()
    with closing(keeper(path, store)):
        pass
    said = content(store.kept[0])
    assert (said.records, said.events, said.chain) == (3, 1, chain)
    with closing(sqlite3.connect(path)) as connection:
        assert chain_at(connection, 3) == chain
        assert chain_at(connection, 4) is None


def test_one_keeper_signs_every_shard(tmp_path: Path) -> None:
    files = {shard: tmp_path / f"shard-{shard}.db" for shard in range(3)}
    for shard, path in files.items():
        with closing(open_replica(path, shard=shard)) as replica:
            replica.apply(placed([sent("one", ("a", 1, OPENED))] * (shard + 1)))
    store = Kept()
    clock: Callable[[], datetime] = SteppingClock()
    with closing(HeadKeeper(files, OURS, [store], clock=clock, log="kafka:c:t")):
        pass
    said = [content(signed) for signed in store.kept]
    assert [(checkpoint.shard, checkpoint.records, checkpoint.log) for checkpoint in said] == [
        (0, 1, "kafka:c:t"),
        (1, 2, "kafka:c:t"),
        (2, 3, "kafka:c:t"),
    ]


def test_a_log_that_was_cut_is_not_signed_over(path: Path, log: EmbeddedLog, caplog: pytest.LogCaptureFixture) -> None:
    store = Kept()
    append(log, 4)
    with closing(keeper(path, store)):
        pass
    log.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM commits WHERE sequence=4")
        connection.execute("DELETE FROM stored_events WHERE ordinal=4")
    with closing(keeper(path, store)):
        pass
    assert store.records == [4]
    assert "4 records are signed already, and here are 3" in caplog.records[-1].__dict__["reason"]


def test_a_log_that_was_changed_is_not_signed_over(
    path: Path, log: EmbeddedLog, caplog: pytest.LogCaptureFixture
) -> None:
    store = Kept()
    append(log, 2)
    with closing(keeper(path, store)):
        pass
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE commits SET chain=zeroblob(32) WHERE sequence=2")
    append(log, 4, originator="b")
    with closing(keeper(path, store)):
        pass
    assert store.records == [2]
    assert "is not the one that was signed before" in caplog.records[-1].__dict__["reason"]


# The file


def test_a_file_keeps_every_checkpoint_once(tmp_path: Path) -> None:
    file = HeadFile(tmp_path / "checkpoints.jsonl")
    assert file.read() == []
    later = msgspec.structs.replace(AT_10, records=20)
    for checkpoint in (AT_10, AT_10, later, later, msgspec.structs.replace(later, shard=1)):
        file.publish(OURS.sign(checkpoint))
    assert [content(decode(text)).records for _, text in file.read()] == [10, 20, 20]
    assert next(place for place, _ in file.read()) == "checkpoints.jsonl line 1"


def test_processes_that_share_a_file_write_whole_lines(tmp_path: Path) -> None:
    def write(number: int) -> None:
        HeadFile(tmp_path / "c").publish(OURS.sign(msgspec.structs.replace(AT_10, records=number)))

    with ThreadPoolExecutor(8) as several:
        list(several.map(write, range(1, 41)))
    found = HeadFile(tmp_path / "c").read()
    assert sorted(content(decode(text)).records for _, text in found) == list(range(1, 41))
    assert sort_out(found, {OURS.public}, 0).findings == ()


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "c"
    HeadFile(path).publish(OURS.sign(AT_10))
    path.write_bytes(path.read_bytes() + b"{}\n")
    found = sort_out(HeadFile(path).read(), {OURS.public}, 0)
    assert found.genuine == (AT_10,)
    assert [(finding.fault, finding.place) for finding in found.findings] == [("forged", "c line 2")]


def test_a_line_that_a_crash_cut_short_is_no_forgery(tmp_path: Path) -> None:
    path = tmp_path / "c"
    HeadFile(path).publish(OURS.sign(AT_10))
    path.write_bytes(path.read_bytes() + encode(OURS.sign(AT_10))[:50])
    assert len(HeadFile(path).read()) == 1
    HeadFile(path).publish(OURS.sign(msgspec.structs.replace(AT_10, records=20)))
    found = sort_out(HeadFile(path).read(), {OURS.public}, 0)
    assert [checkpoint.records for checkpoint in found.genuine] == [10, 20]
    assert found.findings == ()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogUnavailable, match="Is a directory"):
        HeadFile(tmp_path).publish(OURS.sign(AT_10))


# Keys and signatures


def reasons(*signed: SignedCheckpoint, trusted: str = OURS.public) -> list[str]:
    found = sort_out([(f"number {number}", encode(one)) for number, one in enumerate(signed)], {trusted}, 0)
    return [finding.sentence for finding in found.findings]


def test_a_genuine_checkpoint_survives_its_journey() -> None:
    found = sort_out([("here", encode(OURS.sign(AT_10)))], {OURS.public}, 0)
    assert found.genuine == (AT_10,)
    assert found.findings == ()


def forged() -> list[SignedCheckpoint]:
    genuine, other = OURS.sign(AT_10), OURS.sign(msgspec.structs.replace(AT_10, records=11))
    return [
        msgspec.structs.replace(genuine, checkpoint=other.checkpoint),
        msgspec.structs.replace(genuine, signature=other.signature),
        msgspec.structs.replace(genuine, signature=""),
        msgspec.structs.replace(genuine, signature="no hex"),
        msgspec.structs.replace(THEIRS.sign(AT_10), public_key=OURS.public),
    ]


@pytest.mark.parametrize("number", range(5))
def test_a_forged_checkpoint_is_named(number: int) -> None:
    (sentence,) = reasons(forged()[number])
    assert "that key did not sign it" in sentence


def test_a_checkpoint_of_a_key_that_nobody_trusts_is_named() -> None:
    (sentence,) = reasons(OURS.sign(AT_10), THEIRS.sign(AT_10))
    assert THEIRS.public in sentence
    assert "--public-key" in sentence
    assert reasons(THEIRS.sign(AT_10), trusted=THEIRS.public) == []


def test_a_key_that_nobody_trusts_is_told_of_once() -> None:
    later = msgspec.structs.replace(AT_10, records=11)
    (sentence,) = reasons(OURS.sign(AT_10), THEIRS.sign(AT_10), THEIRS.sign(later))
    assert THEIRS.public in sentence


@pytest.mark.parametrize("text", [b'{"v": 1}', b'{"v":2}', b'"x"'])
def test_a_checkpoint_that_says_nothing_readable_is_named(text: bytes) -> None:
    (sentence,) = reasons(msgspec.structs.replace(OURS.sign(AT_10), checkpoint=msgspec.Raw(text)))
    assert "a checkpoint cannot be read" in sentence


def test_checkpoints_of_other_shards_are_left_out() -> None:
    found = sort_out([("here", encode(OURS.sign(msgspec.structs.replace(AT_10, shard=1))))], {OURS.public}, 0)
    assert (found.genuine, found.findings) == ((), ())


def test_a_signature_is_for_nothing_else() -> None:
    assert OURS.sign(AT_10).signed_bytes.startswith(b"callfold checkpoint\n")


def test_a_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.key"
    with ThreadPoolExecutor(8) as several:
        keys = list(several.map(lambda _: CheckpointKey.kept(path).public, range(8)))
    assert set(keys) == {CheckpointKey.kept(path).public}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (tmp_path / "checkpoint.pub").read_text().strip() == keys[0]
    assert sorted(found.name for found in tmp_path.iterdir()) == ["checkpoint.key", "checkpoint.pub"]
    (tmp_path / "checkpoint.pub").write_text("")
    assert CheckpointKey.kept(path).public == keys[0]
    assert (tmp_path / "checkpoint.pub").read_text().strip() == keys[0]


def test_a_key_comes_from_its_text() -> None:
    assert CheckpointKey.parse("01" * 32 + "\n").public == OURS.public
    assert public_key(OURS.public.upper()) == OURS.public


@pytest.mark.parametrize("text", ["", "01", "xy" * 32, "01" * 33])
def test_a_wrong_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(InvalidKey, match="openssl rand -hex 32") as refused:
        CheckpointKey.parse(text)
    assert not text or text not in str(refused.value)


def test_a_key_file_that_holds_no_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.key"
    path.write_text("secret, but no key")
    with pytest.raises(LogUnavailable, match=r"checkpoint\.key cannot be used: the key is not hexadecimal") as refused:
        CheckpointKey.kept(path)
    assert "secret" not in str(refused.value)


# Against the log


def test_checkpoints_after_the_first_that_fails_are_not_told() -> None:
    said = [
        msgspec.structs.replace(AT_10, records=number, time=START + timedelta(hours=number)) for number in (9, 6, 3)
    ]
    found = list(held_against(said, shard=0, log="", end=7, chain_at=lambda records: "ab" * 32 if records < 6 else "x"))
    assert [(finding.fault, finding.place) for finding in found] == [("changed", "records 4 to 6")]


def test_a_log_shorter_than_its_checkpoint_was_cut() -> None:
    (found,) = held_against([AT_10], shard=0, log="", end=7, chain_at=lambda _: None)
    assert (found.fault, found.place) == ("cut", "records 8 to 10")
    assert "covers 10 records, and the log ends after 7" in found.sentence
