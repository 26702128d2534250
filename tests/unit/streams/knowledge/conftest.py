from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.streams.knowledge.filed import Installed, install


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installed]:
    built = install(tmp_path)
    yield built
    built.log.close()
