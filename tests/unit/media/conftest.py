"""Waits of the media tier that no test is about: on a busy machine they are as long as those of the tests."""

from __future__ import annotations

import pytest

from tests.patience import PATIENCE_S


@pytest.fixture(autouse=True)
def _time_to_list_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media.tools.mcp_tools.LIST_SECONDS", PATIENCE_S)
