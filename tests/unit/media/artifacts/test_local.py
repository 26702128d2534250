"""Names that nobody should give an artifact: refused, or kept inside the folder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
