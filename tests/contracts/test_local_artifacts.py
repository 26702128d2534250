"""The artifact store in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.artifacts import ArtifactStore
from media.artifacts.local import LocalArtifactStore
from tests.contracts.artifact_contract import CALL, ArtifactStoreContract, source


class TestLocalArtifacts(ArtifactStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalArtifactStore:
        return LocalArtifactStore(tmp_path / "store")

    def test_there_are_no_links_past_us(self, store: ArtifactStore, tmp_path: Path) -> None:
        stored = store.put(CALL, "log", source(tmp_path, b"x"), "text/plain")

        assert store.link(stored.location, 60) is None

    def test_a_link_out_of_the_store_is_refused(self, store: LocalArtifactStore, tmp_path: Path) -> None:
        (tmp_path / "outside").write_text("secret")
        (tmp_path / "store" / "link").symlink_to(tmp_path / "outside")

        with pytest.raises(ValueError, match="leaves the store"):
            store.open("link")

    def test_content_is_kept_once(self, store: LocalArtifactStore, tmp_path: Path) -> None:
        for _ in range(2):
            store.put(CALL, "log", source(tmp_path, b"same"), "text/plain")

        assert len(list((tmp_path / "store").rglob("*.wav"))) == 1
