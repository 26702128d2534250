"""The queue on disk: in order, whole or not there, one owner at a time, with room that was taken beforehand."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.call.spool_file import SpoolFile, SpoolInUse


def left(path: Path) -> list[bytes]:
    """What a process that opens the file now finds."""
    spool = SpoolFile(path)
    records = list(spool.waiting())
    spool.close()
    return records


def abandoned(path: Path, records: list[bytes], *, reserve_bytes: int = 0) -> bytes:
    """The bytes that a process left which was killed after it had appended the records one by one."""
    spool = SpoolFile(path, reserve_bytes=reserve_bytes)
    for record in records:
        spool.append([record])
    content = path.read_bytes()
    spool.close()
    return content


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=12), st.integers(0, 200))
def test_a_torn_end_costs_the_last_records_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes], torn: int
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    content = abandoned(folder / "whole", records)
    (folder / "torn").write_bytes(content[: max(0, len(content) - torn)])
    found = left(folder / "torn")
    assert found == records[: len(found)]
    if torn <= 8:
        assert found == records


def test_a_changed_byte_ends_the_file(tmp_path: Path) -> None:
    content = bytearray(abandoned(tmp_path / "whole", [b"first", b"second", b"third"]))
    content[content.index(b"second")] ^= 1
    (tmp_path / "changed").write_bytes(content)
    assert left(tmp_path / "changed") == [b"first"]


def test_what_was_taken_is_gone_and_an_empty_queue_begins_anew_in_its_reserved_room(tmp_path: Path) -> None:
    spool = SpoolFile(tmp_path / "spool", reserve_bytes=1_000)
    spool.append([b"a" * 600, b"b" * 600, b"c" * 600])
    assert spool.peek(700) == [b"a" * 600]
    spool.advance(spool.peek(1_300))
    assert spool.peek(1) == [b"c" * 600]
    spool.advance(spool.peek(1))
    assert spool.waiting_bytes == 0
    assert (tmp_path / "spool").stat().st_size == 1_000
    spool.append([b"d"])
    assert list(spool.waiting()) == [b"d"]
    spool.rewrite([b"e", b"f"])
    spool.append([b"g"])
    assert list(spool.waiting()) == [b"e", b"f", b"g"]
    spool.close()
    assert left(tmp_path / "spool") == [b"e", b"f", b"g"]


def test_a_file_has_one_owner_and_is_free_when_that_one_is_gone(tmp_path: Path) -> None:
    owner = SpoolFile(tmp_path / "spool")
    owner.append([b"mine"])
    with pytest.raises(SpoolInUse):
        SpoolFile(tmp_path / "spool")
    owner.rewrite([b"still mine"])
    with pytest.raises(SpoolInUse):
        SpoolFile(tmp_path / "spool")
    owner.close()
    assert left(tmp_path / "spool") == [b"still mine"]


@contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_takes_no_more_leaves_the_queue_as_it_was(tmp_path: Path) -> None:
    spool = SpoolFile(tmp_path / "spool")
    spool.append([b"a" * 500])
    with files_of_at_most(800):
        with pytest.raises(OSError, match="too large"):
            spool.append([b"b" * 500])
        with pytest.raises(OSError, match="too large"):
            spool.rewrite([b"c" * 2_000])
        spool.append([b"d" * 200])
    spool.append([b"e" * 500])
    assert list(spool.waiting()) == [b"a" * 500, b"d" * 200, b"e" * 500]
    spool.close()
    assert left(tmp_path / "spool") == [b"a" * 500, b"d" * 200, b"e" * 500]
