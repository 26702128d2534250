"""Which process a command asks, given who runs on a data folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra.cli.backend import open_backend
from infra.data_folder import DataFolder, RunningSystem

PROJECTOR = RunningSystem(os.getpid(), "http://127.0.0.1:9", "token", "project")


async def test_upkeep_is_asked_of_a_projector_that_is_alone_in_its_folder(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.replicas.mkdir()
    with folder.join("project") as seat:
        seat.announce(PROJECTOR)
        async with open_backend(tmp_path, tables=True, upkeep=True) as operator:
            assert (operator.place, operator.live) == (PROJECTOR.url, True)
            with folder.own():
                pass  # the main seat is free for whoever starts meanwhile
    assert not any(folder.replicas.iterdir())


@pytest.mark.parametrize("upkeep", [True, False])
async def test_beside_the_main_process_a_projector_is_known_to_whatever_needs_tables(
    tmp_path: Path, upkeep: bool
) -> None:
    folder = DataFolder(tmp_path)
    folder.replicas.mkdir()
    with folder.own() as main, folder.join("project") as seat:
        main.announce(RunningSystem(os.getpid(), "http://127.0.0.1:8", "token", "api"))
        seat.announce(PROJECTOR)
        async with open_backend(tmp_path, tables=True, upkeep=upkeep) as operator:
            assert operator.place == "http://127.0.0.1:8"
            assert operator.projector is not None
            assert operator.projector.place == PROJECTOR.url
