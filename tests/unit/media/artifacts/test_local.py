"""The local artifact store: whole or absent, named by content, closed to the outside."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.artifacts.local import LocalArtifactStore

CALL = "018f3c1e-0000-7000-8000-000000000001"


def source(folder: Path, content: bytes, name: str = "call.wav") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_what_is_put_can_be_read_by_its_location_and_the_source_is_gone(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path / "store")
    path = source(tmp_path, b"RIFF....")
    stored = store.put(CALL, "mono-recording", path, "audio/wav")
    assert stored.sha256 == hashlib.sha256(b"RIFF....").hexdigest()
    assert stored.size_bytes == 8
    assert stored.location == f"{CALL}/mono-recording-{stored.sha256[:16]}.wav"
    assert not path.exists()
    with store.open(stored.location) as file:
        assert file.read() == b"RIFF...."


def test_the_suffix_of_a_packed_log_stays_whole(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path / "store")
    stored = store.put(CALL, "call-logs", source(tmp_path, b"x", f"{CALL}.log.jsonl.gz"), "application/gzip")
    assert stored.location.endswith(".jsonl.gz")


def test_the_same_content_again_is_the_same_artifact(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path / "store")
    first = store.put(CALL, "log", source(tmp_path, b"same"), "text/plain")
    second = store.put(CALL, "log", source(tmp_path, b"same"), "text/plain")
    assert first == second
    assert len(list((tmp_path / "store").rglob("*.wav"))) == 1


def test_unknown_locations_and_deleted_ones_are_not_found(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path / "store")
    stored = store.put(CALL, "log", source(tmp_path, b"x"), "text/plain")
    store.delete(stored.location)
    store.delete(stored.location)
    with pytest.raises(FileNotFoundError):
        store.open(stored.location)


@pytest.mark.parametrize("location", ["", ".", "../outside", "a/../../outside", "/etc/passwd", "a/../.."])
def test_a_location_that_leaves_the_store_is_refused(tmp_path: Path, location: str) -> None:
    store = LocalArtifactStore(tmp_path / "store")
    (tmp_path / "outside").write_text("secret")
    with pytest.raises(ValueError, match="leaves the store"):
        store.open(location)
    with pytest.raises(ValueError, match="leaves the store"):
        store.delete(location)


def test_a_link_out_of_the_store_is_refused(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path / "store")
    (tmp_path / "outside").write_text("secret")
    (tmp_path / "store" / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(ValueError, match="leaves the store"):
        store.open("link")


@given(st.text(max_size=12).filter(lambda text: not text.isalnum()))
def test_names_that_are_no_plain_file_names_are_refused_or_stay_inside(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    folder = tmp_path_factory.mktemp("names")
    store = LocalArtifactStore(folder / "store")
    try:
        stored = store.put(name, name, source(folder, b"x"), "text/plain")
    except ValueError:
        assert list((folder / "store").iterdir()) == []
    else:
        assert (folder / "store" / stored.location).resolve().is_relative_to((folder / "store").resolve())
