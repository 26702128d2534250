"""Names that nobody should give an artifact: refused, or kept inside the folder."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.artifacts import local
from media.artifacts.local import LocalArtifactStore
from tests.contracts.artifact_contract import source


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


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is put lies on another file system than the store."""
    monkeypatch.setattr(local, "_on_one_file_system", lambda source, folder: False)


@pytest.mark.usefixtures("elsewhere")
def test_what_lies_on_another_file_system_is_brought_over(tmp_path: Path) -> None:
    store = LocalArtifactStore(tmp_path / "store")
    path = source(tmp_path, b"RIFF....")

    stored = store.put("call", "stereo-recording", path, "audio/wav")

    assert (tmp_path / "store" / stored.location).read_bytes() == b"RIFF...."
    assert not path.exists()
    assert len(list((tmp_path / "store" / "call").iterdir())) == 1


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("broken", ["copyfile", "_sync"])
def test_what_cannot_be_brought_over_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    store = LocalArtifactStore(tmp_path / "store")
    path = source(tmp_path, b"RIFF....")

    def full(*paths: Path) -> None:
        paths[-1].write_bytes(b"RI")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(local.shutil if broken == "copyfile" else local, broken, full)
    with pytest.raises(OSError, match="No space"):
        store.put("call", "stereo-recording", path, "audio/wav")

    assert path.read_bytes() == b"RIFF...."
    assert list((tmp_path / "store" / "call").iterdir()) == []
