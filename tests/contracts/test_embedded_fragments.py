"""The fragment contract on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from streams.media_log.embedded import EmbeddedFragmentLog
from tests.contracts.fragment_contract import FragmentContract, OpenNode


class TestEmbeddedFragmentLog(FragmentContract):
    @pytest.fixture
    def open_node(self, tmp_path: Path) -> Iterator[OpenNode]:
        with ExitStack() as opened:
            yield lambda: opened.enter_context(closing(EmbeddedFragmentLog(tmp_path / "media.db")))
