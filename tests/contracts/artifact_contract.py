"""What every artifact store has to do, whatever keeps the bytes. A store is tested by a subclass with two fixtures."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from domain.artifacts import ArtifactStore

CALL = "018f3c1e-0000-7000-8000-000000000001"


def source(folder: Path, content: bytes, name: str = "call.wav") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


class ArtifactStoreContract:
    """``store`` is empty at first."""

    def test_what_is_put_can_be_read_by_its_location_and_the_source_is_gone(
        self, store: ArtifactStore, tmp_path: Path
    ) -> None:
        path = source(tmp_path, b"RIFF....")

        stored = store.put(CALL, "mono-recording", path, "audio/wav")

        assert stored.sha256 == hashlib.sha256(b"RIFF....").hexdigest()
        assert (stored.size_bytes, stored.content_type) == (8, "audio/wav")
        assert stored.location == f"{CALL}/mono-recording-{stored.sha256[:16]}.wav"
        assert not path.exists()
        with store.open(stored.location) as file:
            assert file.read() == b"RIFF...."

    def test_any_part_of_a_large_one_can_be_read(self, store: ArtifactStore, tmp_path: Path) -> None:
        content = os.urandom(6 << 20)  # more than one part of an upload

        stored = store.put(CALL, "stereo-recording", source(tmp_path, content), "audio/wav")

        with store.open(stored.location) as file:
            assert file.seek(5_500_000) == 5_500_000
            assert bytes(file.read(1_000)) == content[5_500_000:5_501_000]
            assert file.seek(-10, os.SEEK_END) == len(content) - 10
            assert bytes(file.read()) == content[-10:]
            assert file.read(1) == b""
            file.seek(0)
            assert hashlib.sha256(file.read()).hexdigest() == stored.sha256

    def test_an_empty_one_is_one_too(self, store: ArtifactStore, tmp_path: Path) -> None:
        stored = store.put(CALL, "call-logs", source(tmp_path, b""), "text/plain")

        assert stored.size_bytes == 0
        with store.open(stored.location) as file:
            assert file.read() == b""

    def test_the_suffix_of_a_packed_log_stays_whole(self, store: ArtifactStore, tmp_path: Path) -> None:
        stored = store.put(CALL, "call-logs", source(tmp_path, b"x", f"{CALL}.log.jsonl.gz"), "application/gzip")

        assert stored.location.endswith(".jsonl.gz")

    def test_the_same_content_again_is_the_same_artifact(self, store: ArtifactStore, tmp_path: Path) -> None:
        first = store.put(CALL, "log", source(tmp_path, b"same"), "text/plain")
        second = store.put(CALL, "log", source(tmp_path, b"same"), "text/plain")

        assert first == second

    def test_unknown_locations_and_deleted_ones_are_not_found(self, store: ArtifactStore, tmp_path: Path) -> None:
        stored = store.put(CALL, "log", source(tmp_path, b"x"), "text/plain")
        store.delete(stored.location)
        store.delete(stored.location)

        with pytest.raises(FileNotFoundError):
            store.open(stored.location)

    @pytest.mark.parametrize("location", ["", ".", "../outside", "a/../../outside", "/etc/passwd", "a/../.."])
    def test_a_location_that_leaves_the_store_is_refused(self, store: ArtifactStore, location: str) -> None:
        with pytest.raises(ValueError, match="leaves the store"):
            store.open(location)
        with pytest.raises(ValueError, match="leaves the store"):
            store.delete(location)
        with pytest.raises(ValueError, match="leaves the store"):
            store.link(location, 60)

    @pytest.mark.parametrize("name", ["", ".", "../x", "a/b", "a b", "é"])
    def test_names_that_are_no_plain_file_names_are_refused(
        self, store: ArtifactStore, tmp_path: Path, name: str
    ) -> None:
        path = source(tmp_path, b"x")

        with pytest.raises(ValueError, match="cannot be part of an artifact's location"):
            store.put(CALL, name, path, "text/plain")
        with pytest.raises(ValueError, match="cannot be part of an artifact's location"):
            store.put(name, "log", path, "text/plain")
        assert path.exists()
